"""Requests that write, and what it means when one is turned down.

Values are changed by "delete the old one, add the new one" in one request, never by "replace": the server then refuses
(noSuchAttribute, attributeOrValueExists) where somebody else was quicker. Tried on Samba 4.17 with plain attributes,
userAccountControl and groupType.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import ldap3

from bridge.ports import Unreachable
from connectors.active_directory.session import NO_SUCH_OBJECT, OVERLOADED, Session
from connectors.active_directory.wire import Entry, guid_base

Change = tuple[str, list[bytes]]  # ldap3's name of what is done, and the values
Changes = Mapping[str, Sequence[Change]]
#: A value that is there already, or not there any more, is no error. Samba does not heed it for members.
PERMISSIVE = ("1.2.840.113556.1.4.1413", False, None)
NO_SUCH_ATTRIBUTE, VALUE_EXISTS, UNWILLING, ENTRY_EXISTS = 16, 20, 53, 68
INSUFFICIENT_RIGHTS = 50

#: Result code -> cause, and what to tell (RFC 4511 4.1.9).
_MEANING = {
    NO_SUCH_ATTRIBUTE: ("stale", "it was changed by somebody else in the meantime; it is read again"),
    VALUE_EXISTS: ("stale", "it was changed by somebody else in the meantime; it is read again"),
    NO_SUCH_OBJECT: ("gone", "it is not there any more"),
    ENTRY_EXISTS: ("name_taken", "the name is taken by another object"),
    17: ("invalid", "the directory knows no such attribute; correct the name in the configuration"),
    19: ("invalid", "a value is against a rule of the directory (too long, or the password policy)"),
    21: ("invalid", "a value has not the form that the directory wants"),
    34: ("invalid", "a name has not the form that the directory wants"),
    UNWILLING: ("invalid", "the directory is unwilling to do that"),
    64: ("invalid", "the object may not stand there"),
    65: ("invalid", "an attribute does not belong to this kind of object; correct the name in the configuration"),
    66: ("invalid", "there are other objects below it; move them away"),
}


class Rejected(Exception):
    """One object was not written: ``cause`` as in `Failed`; ``code``, ``said``: the server's, if it was the server."""

    def __init__(self, cause: str, message: str, *, code: int = 0, said: str = "") -> None:
        super().__init__(message)
        self.cause, self.code, self.said = cause, code, said


def _judge(session: Session, answer: tuple[int, str]) -> None:
    code, said = answer
    if code == 0:
        return
    if code in OVERLOADED:
        raise Unreachable(f"{session.server}: {OVERLOADED[code]} while writing")
    number = re.match(r"[0-9A-Fa-f]{8}", said)  # the rest may hold names
    detail = f" ({session.host}: {code}{f', {number[0]}' if number else ''})"
    if code == INSUFFICIENT_RIGHTS:
        raise Rejected(
            "denied",
            f"{session.account} may not write that there{detail}. Delegate the school's OU to it, see `Rights to "
            f"write` in docs/connect/active_directory.md; `check --online` says which right is missing",
            code=code, said=said,
        )  # fmt: skip
    cause, meaning = _MEANING.get(code, ("invalid", "the directory refuses it"))
    raise Rejected(cause, f"{meaning}{detail}", code=code, said=said)


def modify(session: Session, guid: str, changes: Changes, *, permissive: bool = False) -> None:
    """Change attributes of an object, wherever it stands by now; nothing is sent where nothing changes. Rejected."""
    wanted = {name: list(change) for name, change in changes.items() if change}
    if wanted:
        controls = [PERMISSIVE] if permissive else None
        _judge(session, session.send("modify", guid_base(guid), wanted, controls=controls))


def reset(secret: str) -> list[Change]:
    """Of unicodePwd: quoted, UTF-16LE; to replace it is a reset, for which the old one need not be known."""
    return [(ldap3.MODIFY_REPLACE, [f'"{secret}"'.encode("utf-16-le")])]


def add(session: Session, dn: str, kind: str, values: Mapping[str, Sequence[bytes]]) -> None:
    """Make an object. Rejected, as ``name_taken`` where the login or the place's name is in use."""
    _judge(session, session.send("add", dn, [kind], {name: list(found) for name, found in values.items()}))


def move(session: Session, dn: str, own: str, place: str | None = None) -> None:
    """Give an object a relative name ("CN=anna"), below ``place`` where given; objectGUID and SID stay. Rejected.

    By the name that was read, so that nobody's own move in between is undone.
    """
    code, said = session.send("modify_dn", dn, own, new_superior=place)
    if code == NO_SUCH_OBJECT:
        raise Rejected("stale", "it or the OU was moved in the meantime; it is read again", code=code, said=said)
    _judge(session, (code, said))


def delete(session: Session, dn: str) -> None:
    """Really delete what stands at this name; by name, so that nothing goes that was moved away meanwhile. Rejected."""
    _judge(session, session.send("delete", dn))


def swapped(entry: Entry, attribute: str, values: Sequence[bytes]) -> list[Change]:
    """From the values that were read to these, one by one."""
    old = entry.values.get(attribute.lower(), ())
    gone, new = [one for one in old if one not in values], [one for one in values if one not in old]
    return [*([(ldap3.MODIFY_DELETE, gone)] if gone else []), *([(ldap3.MODIFY_ADD, new)] if new else [])]


def as_if(entry: Entry, values: Mapping[str, Sequence[bytes]], *, dn: str | None = None) -> Entry:
    """The entry as it would be with these values, at this name."""
    changed = {name.lower(): list(found) for name, found in values.items()}
    kept = {name: found for name, found in {**entry.values, **changed}.items() if found}
    return replace(entry, dn=dn or entry.dn, values=kept)
