"""Members of groups: one member is one value, never the whole list, at most 500 values a request.

Samba refuses a whole request when one of its members is there already, or not there (Windows does not, asked by the
permissive control): only what differs from what was read is sent, and after a refusal it is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

import ldap3

from bridge.ports import chunks
from connectors.active_directory import edits
from connectors.active_directory.desk import Desk
from connectors.active_directory.edits import Rejected
from connectors.active_directory.mapping import members_of
from connectors.active_directory.reader import GROUP
from connectors.active_directory.session import NO_SUCH_OBJECT
from connectors.active_directory.wire import Entry, guid_base

MOST = 500
_TRIES = 3
_IN_THE_WAY = {edits.NO_SUCH_ATTRIBUTE, edits.VALUE_EXISTS, edits.ENTRY_EXISTS, edits.UNWILLING}
_THERE_ALREADY = {edits.VALUE_EXISTS, edits.ENTRY_EXISTS}


def change(desk: Desk, group: Entry, *, add: Set[str], remove: Set[str]) -> None:
    """Add and remove members by objectGUID; what is so already is as good. Rejected."""
    for tried in range(_TRIES):
        there = set(members_of(group))
        steps = [(ldap3.MODIFY_DELETE, guid) for guid in sorted(remove & there)]
        steps += [(ldap3.MODIFY_ADD, guid) for guid in sorted(add - there)]
        try:
            for some in chunks(steps, MOST):
                edits.modify(desk.session, group.guid, {"member": _grouped(some)}, permissive=True)
            return
        except Rejected as rejected:
            if rejected.code == NO_SUCH_OBJECT:
                raise Rejected("stale", "it or one of its members vanished meanwhile; it is read again") from None
            again = desk.read(GROUP, [group.guid]).get(group.guid)
            if rejected.code not in _IN_THE_WAY or tried == _TRIES - 1 or again is None:
                raise
            group = again


def _grouped(steps: Iterable[tuple[str, str]]) -> list[edits.Change]:
    values: dict[str, list[bytes]] = {}
    for verb, guid in steps:
        values.setdefault(verb, []).append(guid_base(guid).encode())
    return list(values.items())


def put(desk: Desk, group: str, member: str) -> None:
    """Put one object into a group; it may be in it. Rejected."""
    try:
        edits.modify(desk.session, group, {"member": _grouped([(ldap3.MODIFY_ADD, member)])}, permissive=True)
    except Rejected as rejected:
        if rejected.code not in _THERE_ALREADY:
            raise
    desk.scope = desk.scope.with_member(member, frozenset({group}))


def take(desk: Desk, group: str, member: str) -> None:
    """Take one object out of a group; it may be out of it. Rejected."""
    try:
        edits.modify(desk.session, group, {"member": _grouped([(ldap3.MODIFY_DELETE, member)])}, permissive=True)
    except Rejected as rejected:
        # Samba's words for a member that is none; nothing else that it is unwilling to do may pass for that.
        none = rejected.code == edits.UNWILLING and "already deleted" in rejected.said
        if not none and rejected.code != edits.NO_SUCH_ATTRIBUTE:
            raise
