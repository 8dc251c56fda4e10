"""Soft deletion: into the limbo, back out of it with everything, and at last really deleted.

Retire: note where it stood, whether it was enabled and its groups → disable (a group: no longer a security group, so
that it gives no access) → out of the groups → move. The move is the commit: a crash before it is repeated harmlessly.
Bring back: fields → groups → move → as it was → the notes go. Notes are values of `extensionName`, one for each fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ldap3

from bridge.core.model import Fields
from bridge.ports import Failed, Outcome, Written
from connectors.active_directory import edits, memberships
from connectors.active_directory.desk import NOTES, Desk, Job
from connectors.active_directory.edits import ENTRY_EXISTS, Rejected, as_if, swapped
from connectors.active_directory.mapping import DISABLED, untouchable
from connectors.active_directory.reader import GROUP, USER
from connectors.active_directory.session import NO_SUCH_OBJECT
from connectors.active_directory.wire import Entry, escaped, extended_name, split_name

NEW = b"schoolbridge:new"
_PREFIX = "schoolbridge:"
_SECURITY = 0x80000000  # groupType, MS-ADTS 2.2.12


@dataclass(frozen=True, slots=True)
class Notes:
    """What was noted of an object. ``place``: objectGUID of its OU, ``name``: its CN where that had to change."""

    place: str = ""
    name: str = ""
    enabled: bool = False
    security: bool = False
    groups: tuple[str, ...] = ()

    def values(self) -> list[bytes]:
        """The same as values of the attribute."""
        told = [f"from:{self.place}", *(f"in:{guid}" for guid in self.groups)]
        told += [f"cn:{self.name}"] if self.name else []
        told += [word for word, holds in (("enabled", self.enabled), ("security", self.security)) if holds]
        return [f"{_PREFIX}{one}".encode() for one in told]


def ours(entry: Entry) -> list[bytes]:
    """All notes of the connector on an object."""
    return [value for value in entry.values.get(NOTES.lower(), ()) if value.startswith(_PREFIX.encode())]


def notes_of(entry: Entry) -> Notes:
    """What is noted on an object."""
    told = [value.decode("utf-8", "replace").removeprefix(_PREFIX).partition(":") for value in ours(entry)]
    said = {word: rest for word, _, rest in told}
    groups = tuple(sorted(rest for word, _, rest in told if word == "in"))
    return Notes(said.get("from", ""), said.get("cn", ""), "enabled" in said, "security" in said, groups)


def retire(desk: Desk, job: Job, entry: Entry) -> None:
    """Put a living object into the limbo. Rejected."""
    kind = job.write.kind
    groups = _groups_around(desk, entry)
    own, above = split_name(entry.dn)
    ((place,), _) = desk.session.search(above, "(objectClass=*)", ["1.1"])
    active = _active(kind, entry)
    notes = Notes(place.guid, "", kind == USER and active, kind == GROUP and active, groups)
    missing = [value for value in notes.values() if value not in ours(entry)]
    changes = {NOTES: [(ldap3.MODIFY_ADD, missing)] if missing else [], **_activity(kind, entry, on=False)}
    edits.modify(desk.session, entry.guid, changes, permissive=True)
    for group in groups:
        memberships.take(desk, group, entry.guid)
    limbo = desk.place(desk.scope.limbo).dn
    try:
        edits.move(desk.session, entry.dn, own, limbo)
    except Rejected as rejected:
        if rejected.code != ENTRY_EXISTS:
            raise
        name = Notes(place.guid, entry.text("cn")).values()[1:]
        edits.modify(desk.session, entry.guid, {NOTES: [(ldap3.MODIFY_ADD, name)]}, permissive=True)
        edits.move(desk.session, entry.dn, f"CN={escaped(entry.text('sAMAccountName'))}", limbo)
    job.retired = True


def _groups_around(desk: Desk, entry: Entry) -> tuple[str, ...]:
    """The groups that it is in, as far as they are ours to write: in scope, and not privileged."""
    guids = [extended_name(value.decode())[0] for value in entry.values.get("memberof", ())]
    groups = desk.read(GROUP, (guid for guid in guids if guid))
    around = desk.scope.surroundings
    mine = (one for one in groups.values() if desk.scope.stands_inside(one.dn) and not untouchable(one, around))
    return tuple(sorted(one.guid for one in mine))


def _active(kind: str, entry: Entry) -> bool:
    if kind == GROUP:
        return bool(entry.number("groupType") & _SECURITY)
    return not entry.number("userAccountControl") & DISABLED


def _activity(kind: str, entry: Entry, *, on: bool) -> dict[str, list[edits.Change]]:
    """The one bit that makes an account or a group effective, all others as they were read."""
    if kind == USER:
        flags = entry.number("userAccountControl")
        return switched(entry, "userAccountControl", flags & ~DISABLED if on else flags | DISABLED)
    flags = entry.number("groupType") & 0xFFFFFFFF
    flags = flags | _SECURITY if on else flags & ~_SECURITY
    return switched(entry, "groupType", flags - (1 << 32) if flags & _SECURITY else flags)  # it is a signed number


def switched(entry: Entry, attribute: str, number: int) -> dict[str, list[edits.Change]]:
    """A number in place of the one that was read."""
    return {attribute: swapped(entry, attribute, [str(number).encode()])}


def bring_back(desk: Desk, job: Job, entry: Entry) -> None:
    """Back to where it stood, with its groups, fields and switch. Rejected; what is done already is not done again."""
    kind, notes = job.write.kind, notes_of(entry)
    values = desk.ways[kind].values({name: value for name, value in job.write.fields.items() if name != "login"})
    place = _home(desk, job, notes, entry)
    own = f"CN={escaped(notes.name)}" if notes.name else split_name(entry.dn)[0]
    desk.would(kind, as_if(entry, values, dn=f"{own},{place}"))
    edits.modify(desk.session, entry.guid, {name: swapped(entry, name, found) for name, found in values.items()})
    for group in desk.read(GROUP, notes.groups).values():
        if desk.scope.stands_inside(group.dn) and not untouchable(group, desk.scope.surroundings):
            memberships.put(desk, group.guid, entry.guid)
    try:
        edits.move(desk.session, entry.dn, own, place)
    except Rejected as rejected:
        if rejected.code != ENTRY_EXISTS:
            raise
        edits.move(desk.session, entry.dn, f"CN={escaped(entry.text('sAMAccountName'))}", place)
    settle(desk, job, entry)


def settle(desk: Desk, job: Job, entry: Entry) -> None:
    """Give a living object its switch back, as wanted or else as noted, and drop the notes. Rejected."""
    notes, wanted = notes_of(entry), job.write.fields.get("enabled")
    if job.write.kind == GROUP:
        edits.modify(desk.session, entry.guid, _activity(GROUP, entry, on=True) if notes.security else {})
    elif wanted is not None or notes.enabled:
        switch(desk, job, entry, on=notes.enabled if wanted is None else bool(wanted))
    if gone := ours(entry):
        edits.modify(desk.session, entry.guid, {NOTES: [(ldap3.MODIFY_DELETE, gone)]}, permissive=True)


def switch(desk: Desk, job: Job, entry: Entry, *, on: bool) -> None:
    """Enable or disable an account, in place of the flags that were read. Rejected, but not for want of a password."""
    try:
        edits.modify(desk.session, entry.guid, _activity(USER, entry, on=on))
    except Rejected as rejected:
        if not on or rejected.cause != "invalid":
            raise
        job.refused["enabled"] = f"The account can't be enabled: {rejected}. Set a password for it first."


def _home(desk: Desk, job: Job, notes: Notes, entry: Entry) -> str:
    """The OU to bring it back to: where it stood, else where somebody like that would be made."""
    kind = job.write.kind
    stood = desk.there(notes.place) if notes.place else None
    if stood is not None and not desk.scope.in_limbo(stood.dn):
        return stood.dn
    try:
        known: Fields = desk.mapped(kind, entry)
    except Rejected:
        known = {}
    rule = desk.placement.place(kind, {**known, **job.write.fields})
    if rule is None:
        raise Rejected(
            "invalid",
            "the OU in which it stood is gone, and no rule of `writeback` says where else it belongs. Move it "
            "out of the limbo by hand, or add a rule",
        )
    return desk.place(rule.ou).dn


def purge(desk: Desk, anchors: Sequence[str]) -> Iterator[Outcome]:
    """Really delete what lies in the limbo, and nothing else; what is gone already is as good."""
    found = desk.read(USER, anchors) | desk.read(GROUP, anchors)
    for anchor in anchors:
        entry = found.get(anchor)
        if entry is None:
            yield Written(anchor, anchor, "")
        elif untouchable(entry, desk.scope.surroundings):
            yield Failed(anchor, "privileged", f"{anchor} is privileged, and is never deleted.")
        elif not desk.scope.in_limbo(entry.dn):
            yield Failed(anchor, "invalid", f"{anchor} does not lie in the limbo, and is not deleted. Retire it first.")
        else:
            yield _purged(desk, entry)


def _purged(desk: Desk, entry: Entry) -> Outcome:
    try:
        edits.delete(desk.session, entry.dn)
    except Rejected as rejected:
        if rejected.code == NO_SUCH_OBJECT:
            return Failed(
                entry.guid, "stale", f"{entry.guid} was moved meanwhile; it is looked at again.", transient=True
            )
        return Failed(entry.guid, rejected.cause, f"{entry.guid} can't be deleted: {rejected}.")
    return Written(entry.guid, entry.guid, "")
