"""Soft deletion: into the limbo, back out of it with everything, and at last really deleted.

Retire: note where it stood, whether it was enabled and its groups → disable (a group: no longer a security group, so
that it gives no access) → out of the groups → move. The move is the commit: a crash before it is repeated harmlessly.
Bring back: fields → groups → move → as it was, and the notes go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import ldap3

from bridge.core.model import Fields
from bridge.ports import Failed, Outcome, Written
from connectors.active_directory import edits, memberships, notes
from connectors.active_directory.activity import activity, is_active, switch
from connectors.active_directory.desk import Desk, Job
from connectors.active_directory.edits import ENTRY_EXISTS, Rejected, as_if, swapped
from connectors.active_directory.mapping import untouchable
from connectors.active_directory.naming import login_name, move_in
from connectors.active_directory.notes import Notes
from connectors.active_directory.reader import GROUP, USER
from connectors.active_directory.session import NO_SUCH_OBJECT
from connectors.active_directory.wire import Entry, escaped, extended_name, split_name


def retire(desk: Desk, job: Job, entry: Entry) -> None:
    """Put a living object into the limbo. Rejected."""
    kind = job.write.kind
    groups = _groups_around(desk, entry)
    own, above = split_name(entry.dn)
    ((place,), _) = desk.session.search(above, "(objectClass=*)", ["1.1"])
    active = is_active(kind, entry)
    noted = Notes(place.guid, "", kind == USER and active, kind == GROUP and active, groups)
    edits.modify(desk.session, entry.guid, {**_noting(entry, noted), **activity(kind, entry, on=False)})
    for group in groups:
        memberships.take(desk, group, entry.guid)
    limbo = desk.place(desk.scope.limbo).dn
    try:
        edits.move(desk.session, entry.dn, own, limbo)
    except Rejected as rejected:
        if rejected.code != ENTRY_EXISTS:
            raise
        edits.modify(desk.session, entry.guid, _noting(entry, Notes(name=entry.text("cn"))))
        edits.move(desk.session, entry.dn, login_name(entry), limbo)
    job.retired = True


def _noting(entry: Entry, noted: Notes) -> dict[str, list[edits.Change]]:
    missing = [value for value in noted.values() if value not in notes.ours(entry)]
    return {notes.ATTRIBUTE: [(ldap3.MODIFY_ADD, missing)]} if missing else {}


def _groups_around(desk: Desk, entry: Entry) -> tuple[str, ...]:
    """The groups that it is in, as far as they are ours to write: in scope, and not privileged."""
    guids = [extended_name(value.decode())[0] for value in entry.values.get("memberof", ())]
    groups = desk.read(GROUP, (guid for guid in guids if guid))
    around = desk.scope.surroundings
    mine = (one for one in groups.values() if desk.scope.stands_inside(one.dn) and not untouchable(one, around))
    return tuple(sorted(one.guid for one in mine))


def rejoin(desk: Desk, entry: Entry) -> None:
    """Put an object into the groups that are noted, as far as they are ours to write. Rejected."""
    back = desk.options.writeback
    given = {desk.place(group).guid for rule in back.people for group in rule.groups} if back else set[str]()
    for group in desk.read(GROUP, notes.notes_of(entry).groups).values():
        ours = desk.scope.stands_inside(group.dn) or group.guid in given
        if ours and not untouchable(group, desk.scope.surroundings):
            memberships.put(desk, group.guid, entry.guid)


def bring_back(desk: Desk, job: Job, entry: Entry) -> None:
    """Back to where it stood, with its groups, fields and switch. Rejected; what is done already is not done again."""
    kind, noted = job.write.kind, notes.notes_of(entry)
    values = desk.ways[kind].values({name: value for name, value in job.write.fields.items() if name != "login"})
    joined = replace(desk, scope=desk.scope.with_member(entry.guid, frozenset(noted.groups)))
    place = _home(joined, job, noted, entry)
    own = f"CN={escaped(noted.name)}" if noted.name else split_name(entry.dn)[0]
    joined.would(kind, as_if(entry, values, dn=f"{own},{place}"))
    edits.modify(desk.session, entry.guid, {name: swapped(entry, name, new) for name, new in values.items()})
    rejoin(desk, entry)
    move_in(desk.session, entry, own, place)
    switch(desk, job, entry, on=as_before(job, entry))


def as_before(job: Job, entry: Entry) -> bool | None:
    """Whether what comes back is to be effective: as wanted, else as noted; None where it stays as it is."""
    noted, wanted = notes.notes_of(entry), job.write.fields.get("enabled")
    if job.write.kind == GROUP or wanted is None:
        return True if noted.enabled or noted.security else None
    return bool(wanted)


def _home(desk: Desk, job: Job, noted: Notes, entry: Entry) -> str:
    """The OU to bring it back to: where it stood, else where somebody like that would be made."""
    kind = job.write.kind
    stood = desk.there(noted.place) if noted.place else None
    if stood is not None and not desk.scope.in_limbo(stood.dn):
        return stood.dn
    try:
        known: Fields = desk.mapped(kind, entry)
    except Rejected:
        known = {}
    rule = desk.rule(kind, {**known, **job.write.fields})
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
            yield Failed(anchor, "stale", f"{anchor} does not lie in the limbo, and is not deleted. Retire it first.")
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
