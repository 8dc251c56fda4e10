"""The school's side of the demo: a real Samba domain controller, or where none can be had a directory in a file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bridge.lab.entries import escape
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import Person, School, plain


class Directory(Protocol):
    """What happens to a school in the demo. People are named as they were at the start."""

    def rename(self, person: Person, new: Person) -> None:
        """Somebody gets another name."""
        ...

    def promote(self, unit: str, new: str, pupils: Sequence[Person]) -> None:
        """A class gets another name, and its pupils belong to that one."""
        ...

    def enrol(self, person: Person, groups: Sequence[str]) -> None:
        """Somebody new comes."""
        ...

    def disable(self, person: Person) -> None:
        """Somebody leaves."""
        ...

    def delete(self, people: Sequence[Person]) -> None:
        """Accounts vanish."""
        ...

    def options(self, school: School) -> dict[str, Any]:
        """The ``school_side`` of the school's YAML."""
        ...

    def stop(self) -> None:
        """End the server and remove what it left."""
        ...


class SambaDirectory:
    """A real domain controller; changes are made over LDAPS, as the school's administrator would."""

    name = "samba"

    def __init__(self, server: SchoolServer, password_file: Path) -> None:
        self.server = server
        self._password_file = password_file
        self._written = False
        password_file.touch(mode=0o600)
        password_file.write_text(server.reader_password)

    def rename(self, person: Person, new: Person) -> None:
        dn = self.server.dn_of(person.login)
        self.server.modify(dn, givenName=new.given, sn=new.surname, displayName=new.display)
        self.server.rename(dn, f"CN={escape(f'{new.display} ({person.login})'[:64])}")

    def promote(self, unit: str, new: str, pupils: Sequence[Person]) -> None:
        layout = self.server.layout
        self.server.rename(f"OU={unit},OU=Schueler,{layout.root}", f"OU={new}")
        group = layout.group_dn(f"klasse-{unit}")
        self.server.modify(group, displayName=f"Klasse {new}", description=f"Klasse {new}")
        self.server.rename(group, f"CN=klasse-{new}")
        for pupil in pupils:
            self.server.modify(self.server.dn_of(pupil.login), department=new)

    def enrol(self, person: Person, groups: Sequence[str]) -> None:
        dn = self.server.enrol(person, groups)
        self.server.set_password(dn, "Willkommen-2026!")

    def disable(self, person: Person) -> None:
        self.server.disable(self.server.dn_of(person.login))

    def delete(self, people: Sequence[Person]) -> None:
        for person in people:
            self.server.delete(self.server.dn_of(person.login))

    def refill(self, promoted: Mapping[str, str]) -> None:
        """Fill the groups of this year's classes with last year's pupils, class by class; the lowest are left empty."""
        layout = self.server.layout
        was = {name: self._members(layout.group_dn(f"klasse-{name}")) for name in {*promoted, *promoted.values()}}
        last = {new: name for name, new in promoted.items()}
        for name in was:
            members = was[last[name]] if name in last else []
            self.server.modify(layout.group_dn(f"klasse-{name}"), member=members or None)

    def _members(self, group: str) -> list[str]:
        (found,) = self.server.find("(objectClass=group)", ("member",), group)
        return [value.decode() for value in found.attributes.get("member", ())]

    def let_write(self) -> None:
        """Delegate the school's OU to the bridge's account; from then on the options say how it is written."""
        self.server.add({"dn": f"OU=Papierkorb,{self.server.layout.root}", "objectClass": "organizationalUnit"})
        self.server.let_write(self.server.layout.root)
        self._written = True

    def options(self, school: School) -> dict[str, Any]:
        root = self.server.layout.root
        back = {"writeback": self._writeback()} if self._written else {}
        return back | {
            "connector": "active_directory",
            "servers": [self.server.url],
            "ca_file": str(self.server.authority_file),
            "account": self.server.reader_upn,
            "password": f"file:{self._password_file}",
            "scope": {"ous": [root]},
            "reference_attribute": "employeeNumber",
            "consent": {"when": "attr.employeeType == 'Einwilligung'"},
            "roles": [
                {"role": "pupil", "ou": f"OU=Schueler,{root}", "licenses": ["M365EDU_A3_STUDENT"]},
                {"role": "teacher", "ou": f"OU=Lehrer,{root}", "licenses": ["M365EDU_A3_FACULTY"]},
                {"role": "staff", "ou": f"OU=Personal,{root}", "licenses": ["M365EDU_A3_FACULTY"]},
                {"role": "pupil", "ou": f"OU=Abgaenger,{root}"},
            ],
            "groups": [
                {"role": "class", "when": "attr.cn | regex_match('klasse-.*')", "unified": True},
                {"role": "course", "when": "attr.cn | regex_match('kurs-.*')", "unified": True},
                {"role": "working_group", "when": "attr.cn | regex_match('ag-.*')"},
                {"role": "staff", "when": "attr.cn | regex_match('(alle|fs|ganztag).*')"},
            ],
        }

    def _writeback(self) -> dict[str, Any]:
        root = self.server.layout.root
        pupils = f"OU=Schueler,{root}"
        return {
            "limbo": f"OU=Papierkorb,{root}",
            "people": [{"ou": pupils, "attributes": {"employeeType": "'Einwilligung'"}}],
            "groups": [{"ou": self.server.layout.groups_ou}],
            "members_of": [{"parent": pupils, "name": "group.display_name | replace('Klasse ', '')", "create": True}],
        }

    def stop(self) -> None:
        self.server.stop()


class EmbeddedDirectory:
    """The memory connector over a seeded file: shows the bridge, not a directory server."""

    name = "embedded"

    def __init__(self, school: School, path: Path) -> None:
        # By name, as the daemon finds its connectors: the bridge imports none of them.
        memory = importlib.import_module("connectors.memory")
        self.path = path
        shelf = importlib.import_module("connectors.memory.persistence").Shelf
        self._shelf = shelf(path, memory.MemorySide(name="school"))
        self._anchors: dict[str, str] = {}
        with self._shelf.changing() as side:
            for person in school.people:
                self._anchors[person.login] = side.create("user", account_fields(person))
            by_reference = {person.reference: self._anchors[person.login] for person in school.people}
            groups: dict[str, str] = {}
            for group in school.groups():
                members = [by_reference[one] for one in group.members] + [groups[one] for one in group.subgroups]
                fields = group_fields(school, group.name, group.description, group.kind) | {
                    "members": frozenset(members)
                }
                groups[group.name] = self._anchors[group.name] = side.create("group", fields)

    def rename(self, person: Person, new: Person) -> None:
        fields = {"given_name": new.given, "surname": new.surname, "display_name": new.display}
        with self._shelf.changing() as side:
            side.change(self._anchors[person.login], fields)

    def promote(self, unit: str, new: str, pupils: Sequence[Person]) -> None:
        with self._shelf.changing() as side:
            group = {"display_name": f"Klasse {new}", "description": f"Klasse {new}"}
            side.change(self._anchors[f"klasse-{unit}"], group)
            for pupil in pupils:
                side.change(self._anchors[pupil.login], {"department": new})

    def enrol(self, person: Person, groups: Sequence[str]) -> None:
        with self._shelf.changing() as side:
            anchor = self._anchors[person.login] = side.create("user", account_fields(person))
            for name in groups:
                record = side.record(self._anchors[name])
                side.change(self._anchors[name], {"members": record.fields["members"] | {anchor}})

    def disable(self, person: Person) -> None:
        with self._shelf.changing() as side:
            side.change(self._anchors[person.login], {"enabled": False})

    def delete(self, people: Sequence[Person]) -> None:
        with self._shelf.changing() as side:
            for person in people:
                side.delete(self._anchors[person.login])

    def options(self, school: School) -> dict[str, Any]:
        return {
            "connector": "memory",
            "name": f"school {school.name}",
            "path": str(self.path),
            "kinds": ["user", "group"],
            "read_only": True,
        }

    def stop(self) -> None:
        self.path.unlink(missing_ok=True)


def account_fields(person: Person) -> dict[str, Any]:
    """The fields of a person's account, as the memory connector keeps them."""
    return {
        "source_anchor": person.reference,
        "display_name": person.display,
        "given_name": person.given,
        "surname": person.surname,
        "enabled": person.standing != "leaver",
        "role": person.role,
        "consent": person.consent or person.role != "pupil",
        "login": person.login,
        "upn_base": f"{plain(person.given)}.{plain(person.surname)}",
        "usage_location": "DE",
        "licenses": frozenset({"M365EDU_A3_STUDENT" if person.role == "pupil" else "M365EDU_A3_FACULTY"}),
        "department": person.unit,
    }


def group_fields(school: School, name: str, description: str, kind: str) -> dict[str, Any]:
    """The fields of a group, as the memory connector keeps them; members are the caller's."""
    role = {"class": "class", "course": "course", "working group": "working_group"}.get(kind, "staff")
    return {
        "source_anchor": f"group-{school.seed}-{name}",
        "display_name": description,
        "description": description,
        "role": role,
        "unified": role in {"class", "course"},
        "nickname_base": f"demo-{name}",
    }
