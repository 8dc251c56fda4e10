"""Writing groups: the group itself, then where its new members live, then its members.

Whoever is put into a class is moved into that class's OU first and made a member after it: the membership is the
commit, and a crash in between is repeated harmlessly. Who leaves a class and is in no other stays where he is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ldap3

from bridge.core.model import Action, Fields
from bridge.ports import Outcome, Write
from connectors.active_directory import adoption, edits, limbo, memberships
from connectors.active_directory.activity import switch
from connectors.active_directory.desk import Desk, Job
from connectors.active_directory.edits import Rejected, as_if, swapped
from connectors.active_directory.naming import check_login, move_in
from connectors.active_directory.reader import GROUP, USER
from connectors.active_directory.wire import Entry, equals_filter, escaped, name_parts, split_name
from connectors.active_directory.writeback import ClassPlace, GroupPlace
from connectors.expression import ExpressionError

GLOBAL_SECURITY = b"-2147483646"  # groupType, MS-ADTS 2.2.12
LONGEST_LOGIN = 64  # of the CN that is made of it
_NO_OWNERS = (
    "owners follow from the directory: the members with one of `owner_roles`, or managedBy. Make the owner a member, "
    "or set managedBy there."
)


def write_groups(desk: Desk, writes: Sequence[Write]) -> list[Outcome]:
    """One outcome each. Raises Unreachable when nothing more can be written; the others are in doubt then."""
    jobs = [Job(write, write.anchor or "") for write in writes]
    found = adoption.look_for(desk, GROUP, [job for job in jobs if job.write.action is Action.CREATE])
    entries = desk.read(GROUP, (job.anchor for job in jobs if job.anchor))
    members = desk.read(USER, _added(jobs))
    members |= desk.read(GROUP, _added(jobs) - members.keys())
    for job in jobs:
        try:
            entry = _ready(desk, job, found, entries)
            if entry is not None:
                _members(desk, job, entry, members)
        except Rejected as rejected:
            job.fail(rejected)
    desk.read_back(jobs, GROUP)
    _check_owners(desk, jobs)
    return [job.outcome() for job in jobs]


def _added(jobs: Sequence[Job]) -> frozenset[str]:
    return frozenset().union(*(job.write.added.get("members", frozenset()) for job in jobs))


def _ready(desk: Desk, job: Job, found: adoption.Found, entries: dict[str, Entry]) -> Entry | None:
    """The group with its plain fields written, ready for its members; None where it is retired. Rejected."""
    action = job.write.action
    if action is Action.CREATE:
        entry = found.adopted(job) or _make(desk, job, found)
        job.adopted = not job.anchor
        job.anchor = entry.guid
    elif (known := entries.get(job.anchor)) is None:
        raise Rejected("gone", "it is not there any more. If it was deleted by hand, restore it in the directory")
    else:
        entry = known
    if desk.scope.in_limbo(entry.dn):
        if action is Action.DELETE:
            job.retired = True
            return None
        if action in (Action.RESTORE, Action.CREATE):
            limbo.bring_back(desk, job, entry)
            return _again(desk, entry)
    desk.expect(job, desk.fields(GROUP, entry))
    if action is Action.DELETE:
        limbo.retire(desk, job, entry)
        return None
    values = desk.ways[GROUP].values(job.write.fields)
    desk.would(GROUP, as_if(entry, values))
    edits.modify(desk.session, entry.guid, {name: swapped(entry, name, new) for name, new in values.items()})
    if action is Action.RESTORE:  # moved back by hand, or by us before a crash
        limbo.rejoin(desk, entry)
        switch(desk, job, entry, on=limbo.as_before(job, entry))
    return as_if(entry, values)


def _again(desk: Desk, entry: Entry) -> Entry:
    if (again := desk.read(GROUP, [entry.guid]).get(entry.guid)) is None:
        raise Rejected("gone", "it vanished while it was written")
    return again


def _make(desk: Desk, job: Job, found: adoption.Found) -> Entry:
    """Add the group, without members. Rejected."""
    fields, login = job.write.fields, str(job.write.fields.get("login") or "")
    check_login(login, longest=LONGEST_LOGIN)
    rule = desk.rule(GROUP, fields)
    if not isinstance(rule, GroupPlace):
        raise Rejected("invalid", "no rule in `writeback.groups` says where the group is made. Add one")
    try:
        values = {**desk.placement.given(GROUP, rule, fields), **desk.ways[GROUP].values(fields)}
        values |= desk.ways[GROUP].key(job.write.key)
    except (ExpressionError, ValueError) as error:
        raise Rejected("invalid", str(error)) from None
    values = {name: several for name, several in values.items() if several}
    values |= {"sAMAccountName": [login.encode()], "groupType": [GLOBAL_SECURITY], "cn": [login.encode()]}
    dn = f"CN={escaped(login)},{desk.place(rule.ou).dn}"
    desk.would(GROUP, as_if(Entry("", "", dn, {"objectclass": [b"group"]}), values))
    if found.taken(login):
        raise Rejected("name_taken", "its name belongs to another object")
    edits.add(desk.session, dn, "group", {name: several for name, several in values.items() if name != "cn"})
    entry = desk.read_new(GROUP, dn)
    job.anchor = entry.guid
    found.by_login[login.casefold()] = entry
    found.by_key.setdefault(job.write.key.casefold(), []).append(entry)
    return entry


# --- members ------------------------------------------------------------------------------------------------------


def _members(desk: Desk, job: Job, group: Entry, known: dict[str, Entry]) -> None:
    wanted = job.write.added.get("members", frozenset())
    there: dict[str, Fields] = {}
    for guid in wanted & known.keys():
        kind = GROUP if "group" in known[guid].classes() else USER
        try:
            there[guid] = desk.fields(kind, known[guid])
        except Rejected:
            continue  # retired, privileged or out of scope: for the bridge it is not there
        if (role := str(there[guid].get("role"))) in desk.mapping.owner_roles() and kind == USER:
            desk.owners[guid] = role
    job.unknown["members"] = wanted - there.keys()
    people = {guid: fields for guid, fields in there.items() if "group" not in known[guid].classes()}
    for guid, place in _homes(desk, job, group, people):
        known[guid] = _moved(desk, job, known[guid], place)
    memberships.change(desk, group, add=there.keys(), remove=job.write.removed.get("members", frozenset()))


def _homes(desk: Desk, job: Job, group: Entry, members: dict[str, Fields]) -> Iterator[tuple[str, str]]:
    """objectGUID of each new member (people only) that lives in an OU of this group, with the OU's name."""
    if not members:
        return
    fields = desk.fields(GROUP, group)
    try:
        rules = list(desk.placement.classes({**fields, "login": group.text("sAMAccountName")}))
    except ExpressionError as error:
        raise Rejected("invalid", str(error)) from None
    for rule, name in rules:
        movers = [guid for guid, known in members.items() if known.get("role") in rule.people]
        place = _unit(desk, rule, name) if movers else None
        if movers and place is None:
            job.refused["ou"] = (
                f"{len(movers)} people stay where they are: below {rule.parent} there is no OU for group {job.anchor}. "
                f"Make it, or set `create: true` in `writeback.members_of`."
            )
        yield from ((guid, place) for guid in movers if place)


def _unit(desk: Desk, rule: ClassPlace, name: str) -> str | None:
    """The OU of a class, made where that is wanted; None where it is not there."""
    parent = desk.place(rule.parent)
    key = (parent.guid, name.casefold())
    if key in desk.units:
        return desk.units[key]
    condition = f"(&(objectClass=organizationalUnit){equals_filter('ou', name)})"
    found, _ = desk.session.search(parent.dn, condition, ["1.1"], scope=ldap3.LEVEL)
    if found:
        desk.units[key] = found[0].dn
    elif rule.create:
        dn = f"OU={escaped(name)},{parent.dn}"
        edits.add(desk.session, dn, "organizationalUnit", {})
        desk.units[key] = dn
    return desk.units.get(key)


def _moved(desk: Desk, job: Job, person: Entry, place: str) -> Entry:
    """The person at the new place; as it was where it stays, which is told. Another group of the lot may move on."""
    own, above = split_name(person.dn)
    parts = name_parts(place)
    if name_parts(above)[: len(parts)] == parts:
        return person
    try:
        desk.would(USER, as_if(person, {}, dn=f"{own},{place}"))
        own = move_in(desk.session, person, own, place)
    except Rejected as rejected:
        job.refused[f"ou:{person.guid}"] = f"user {person.guid} stays where it is: {rejected}."
        return person
    return as_if(person, {}, dn=f"{own},{place}")


def _check_owners(desk: Desk, jobs: Sequence[Job]) -> None:
    """Owners are written nowhere: those that do not follow from the members are refused, with the reason."""
    asking = [job for job in jobs if job.failed is None and not job.retired and _owners(job)]
    for anchor, entry in desk.read(GROUP, (job.anchor for job in asking)).items():
        shown = desk.mapped(GROUP, entry)["owners"]
        for job in asking:
            missing = job.write.added.get("owners", frozenset()) - (shown if isinstance(shown, frozenset) else set())
            kept = job.write.removed.get("owners", frozenset()) & (shown if isinstance(shown, frozenset) else set())
            if job.anchor == anchor and (missing or kept):
                job.refused["owners"] = f"group {anchor}: {_NO_OWNERS}"


def _owners(job: Job) -> bool:
    return bool(job.write.added.get("owners") or job.write.removed.get("owners"))
