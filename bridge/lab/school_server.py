"""A domain controller with a school in it, and what a school's administrator does to it all year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import ldap3
from ldap3.utils.conv import escape_filter_chars

from bridge.lab.entries import DISABLED, ENABLED, Entry, Layout, school_entries
from bridge.lab.processes import Address
from bridge.lab.samba import DomainController
from bridge.lab.samba_conf import BASE
from bridge.lab.seed import Person, School, draw_school

_TREE_DELETE = ("1.2.840.113556.1.4.805", True, None)  # LDAP_SERVER_TREE_DELETE_OID, MS-ADTS 3.1.1.3.4.1.15


@dataclass(frozen=True, slots=True)
class Found:
    """One object as the directory shows it; values are bytes, as they came."""

    dn: str
    attributes: dict[str, list[bytes]]

    def text(self, name: str) -> str | None:
        """The first value of an attribute, decoded; None when it has none."""
        values = self.attributes.get(name)
        return values[0].decode() if values else None


class SchoolServer(DomainController):
    """A running school server. Every change is made over LDAPS as the Administrator, as its school would make it.

    All methods raise ldap3's LDAPOperationResult subclasses when the directory refuses.
    """

    school: School
    layout: Layout

    def __init__(self, directory: Path, address: Address, *, smb: bool = False) -> None:
        super().__init__(directory, address, smb=smb)
        self._connection: ldap3.Connection | None = None

    @classmethod
    def of(
        cls,
        school: School | None = None,
        *,
        cache: Path | None = None,
        scratch: Path | None = None,
        recycle_bin: bool = False,
        smb: bool = False,
        password: str | None = None,
    ) -> Self:
        """Start a server that holds `school` (default: `draw_school()`); the rest as for `DomainController.start`.

        `password` is every pupil's and teacher's; without it they have none.
        """
        drawn = school or draw_school()
        server = cls.start(
            lambda: school_entries(drawn, BASE), key=drawn.key, cache=cache, scratch=scratch,
            recycle_bin=recycle_bin, smb=smb, password=password,
        )  # fmt: skip
        server._know(drawn)
        return server

    def second(self) -> Self:
        """As `DomainController.second`, knowing the same school."""
        other = super().second()
        other._know(self.school)
        return other

    def _know(self, school: School) -> None:
        self.school = school
        self.layout = Layout(school, self.base)
        for person in school.people:  # in the order of filling: it decides who of two gets a longer cn
            self.layout.person_dn(person)

    def outage(self) -> None:
        """Stop the server; the Administrator's connection goes with it and is made anew when next needed."""
        self._hang_up()
        super().outage()

    def stop(self) -> None:
        """Stop the server for good and remove its directory."""
        self._hang_up()
        super().stop()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.strategy.close()
            self._connection = None

    @property
    def ldap(self) -> ldap3.Connection:
        """The Administrator's connection, kept open between changes (one bind takes 80 ms)."""
        if self._connection is None:
            self._connection = self.connect()
        return self._connection

    def find(self, expression: str, attributes: Sequence[str] = ("*",), base: str | None = None) -> list[Found]:
        """What a subtree search finds, paged; `base` defaults to the school's OU."""
        pages = self.ldap.extend.standard.paged_search(
            base or self.layout.root, expression, attributes=list(attributes), paged_size=1000, generator=True
        )
        return [_found(entry) for entry in pages if entry["type"] == "searchResEntry"]

    def dn_of(self, login: str) -> str:
        """Where the account or group with this sAMAccountName stands now. Raises LookupError when there is not one."""
        found = self.find(f"(sAMAccountName={escape_filter_chars(login)})", ("cn",), self.base)
        if len(found) != 1:
            raise LookupError(f"{len(found)} objects in the directory have the sAMAccountName {login!r}, expected 1")
        return found[0].dn

    def add(self, entry: Entry) -> str:
        """Add an object; its dn."""
        attributes = {name: value for name, value in entry.items() if name != "dn"}
        dn = str(entry["dn"])
        self.ldap.add(dn, attributes=attributes)
        return dn

    def enrol(self, person: Person, groups: Sequence[str] = ()) -> str:
        """Create the account of a newcomer (or a teacher) and put it into `groups`, by name; its dn."""
        # An enabled account without a password is refused: the directory demands one (MS-SAMR 3.1.1.8.10).
        wanted = self.layout.person(person)
        dn = self.add({**wanted, "userAccountControl": "544"})
        for name in groups:
            self.add_members(self.layout.group_dn(name), dn)
        return dn

    def modify(self, dn: str, **attributes: str | Sequence[str] | None) -> None:
        """Set attributes to a value or values; None removes the attribute."""
        changes = {}
        for name, value in attributes.items():
            values = [] if value is None else [value] if isinstance(value, str) else list(value)
            changes[name] = [(ldap3.MODIFY_REPLACE, values)]
        self.ldap.modify(dn, changes)

    def rename(self, dn: str, rdn: str) -> str:
        """Give an object, or an OU with all below it, another relative name ("CN=Anna Weiß", "OU=6a"); its new dn."""
        self.ldap.modify_dn(dn, rdn)
        return f"{rdn},{parent_of(dn)}"

    def move(self, dn: str, ou: str) -> str:
        """Move an object (or an OU with all below it) below another; its new dn."""
        rdn = dn[: -len(parent_of(dn)) - 1]
        self.ldap.modify_dn(dn, rdn, new_superior=ou)
        return f"{rdn},{ou}"

    def delete(self, dn: str) -> None:
        """Delete one object; it becomes a tombstone, or with the recycle bin a deleted object."""
        self.ldap.delete(dn)

    def delete_tree(self, dn: str) -> None:
        """Delete an object and all below it."""
        self.ldap.delete(dn, controls=[_TREE_DELETE])

    def disable(self, dn: str) -> None:
        """Disable an account (ACCOUNTDISABLE)."""
        self.modify(dn, userAccountControl=DISABLED)

    def enable(self, dn: str) -> None:
        """Enable an account; without a password the directory refuses it, see `set_password`."""
        self.modify(dn, userAccountControl=ENABLED)

    def set_password(self, dn: str, password: str) -> None:
        """Set an account's password (unicodePwd, MS-ADTS 3.1.1.3.1.5.1)."""
        self.ldap.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [f'"{password}"'.encode("utf-16-le")])]})

    def add_members(self, group: str, *members: str) -> None:
        """Add objects, by dn, to a group."""
        self.ldap.modify(group, {"member": [(ldap3.MODIFY_ADD, list(members))]})

    def remove_members(self, group: str, *members: str) -> None:
        """Take objects, by dn, out of a group."""
        self.ldap.modify(group, {"member": [(ldap3.MODIFY_DELETE, list(members))]})


def parent_of(dn: str) -> str:
    """The distinguished name above this one; an escaped comma separates nothing (RFC 4514)."""
    position = 0
    while dn[position] != ",":
        position += 2 if dn[position] == "\\" else 1
    return dn[position + 1 :]


def _found(entry: dict[str, Any]) -> Found:
    return Found(entry["dn"], {name: list(values) for name, values in entry["raw_attributes"].items()})
