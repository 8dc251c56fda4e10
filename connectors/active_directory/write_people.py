"""Writing people: update, switch, retire, bring back, make.

Make: disabled, noted as new and with its groups → into the groups → a password that nobody knows → enabled as wanted,
the notes go. A crash in between leaves a disabled account with the key: whatever is written to it next, the repeated
creation or an update, finishes it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.core.model import Action, Fields, Value
from bridge.core.naming import LONGEST_LOGIN
from bridge.ports import Outcome, Write
from connectors.active_directory import adoption, edits, limbo, notes
from connectors.active_directory.activity import switch
from connectors.active_directory.desk import Desk, Job
from connectors.active_directory.edits import Rejected, as_if, swapped
from connectors.active_directory.mapping import DISABLED, NORMAL_ACCOUNT, untouchable
from connectors.active_directory.naming import check_login
from connectors.active_directory.reader import USER
from connectors.active_directory.wire import Entry, escaped
from connectors.active_directory.writeback import PersonPlace
from connectors.expression import ExpressionError

#: Of a would-be account: an own one that nobody has yet, so that it is judged as an ordinary one.
_NOBODY = "00000000-0000-0000-0000-000000000000"


def write_people(desk: Desk, writes: Sequence[Write]) -> list[Outcome]:
    """One outcome each. Raises Unreachable when nothing more can be written; the others are in doubt then."""
    jobs = [Job(write, write.anchor or "") for write in writes]
    creations = [job for job in jobs if job.write.action is Action.CREATE]
    found = adoption.look_for(desk, USER, creations)
    entries = desk.read(USER, (job.anchor for job in jobs if job.anchor))
    for job in jobs:
        try:
            if job.write.action is Action.CREATE:
                _create(desk, job, found)
            elif (entry := entries.get(job.anchor)) is None:
                raise Rejected(
                    "gone", "it is not there any more. If it was deleted by hand, restore it in the directory"
                )
            else:
                _existing(desk, job, entry)
        except Rejected as rejected:
            job.fail(rejected)
    desk.read_back(jobs, USER)
    return [job.outcome() for job in jobs]


def _existing(desk: Desk, job: Job, entry: Entry) -> None:
    action = job.write.action
    if desk.scope.in_limbo(entry.dn) and action is Action.DELETE:
        job.retired = True
        return
    if desk.scope.in_limbo(entry.dn) and action is Action.RESTORE:
        limbo.bring_back(desk, job, entry)
        return
    fields = desk.fields(USER, entry)
    desk.expect(job, fields)
    if action is Action.DELETE:
        limbo.retire(desk, job, entry)
        return
    if action is Action.RESTORE:  # moved back by hand, or by us before a crash
        on = limbo.as_before(job, entry)
        update(desk, job, entry, less(job.write.fields, "login") | ({} if on is None else {"enabled": on}))
        return
    off = {"enabled": False} if action is Action.DISABLE else {}
    update(desk, job, entry, {**job.write.fields, **off})


def less(fields: Fields, *names: str) -> dict[str, Value]:
    """The fields without some."""
    return {name: value for name, value in fields.items() if name not in names}


def update(desk: Desk, job: Job, entry: Entry, wanted: Fields) -> None:
    """Write the fields that have a way, and the switch; each value only in place of the one that was read. Rejected."""
    login = wanted.get("login")
    values = desk.ways[USER].values(wanted)
    if login is not None:
        check_login(login, longest=LONGEST_LOGIN)
    desk.would(USER, as_if(entry, values))
    edits.modify(desk.session, entry.guid, {name: swapped(entry, name, found) for name, found in values.items()})
    if login is not None and str(login) != entry.text("sAMAccountName") == entry.text("cn"):
        edits.move(desk.session, entry.dn, f"CN={escaped(str(login))}")
    _activate(desk, job, entry, wanted)


def _activate(desk: Desk, job: Job, entry: Entry, wanted: Fields) -> None:
    """What was made and never finished is finished first, whatever is wanted of it: it has no password yet."""
    if notes.is_new(entry):
        limbo.rejoin(desk, entry)
    if "enabled" in wanted or notes.is_new(entry):
        switch(desk, job, entry, on=bool(wanted.get("enabled")))


# --- what is new --------------------------------------------------------------------------------------------------


def _create(desk: Desk, job: Job, found: adoption.Found) -> None:
    entry = found.adopted(job)
    if entry is None:
        _activate(desk, job, _make(desk, job, found), job.write.fields)
        return
    job.anchor, job.adopted = entry.guid, True
    if desk.scope.in_limbo(entry.dn):
        limbo.bring_back(desk, job, entry)
        return
    if notes.is_new(entry) and not untouchable(entry, desk.scope.surroundings):
        limbo.rejoin(desk, entry)  # it may be in scope by its groups only
    desk.fields(USER, entry)
    update(desk, job, entry, less(job.write.fields, "login"))


def _make(desk: Desk, job: Job, found: adoption.Found) -> Entry:
    """Add the account, disabled. Rejected."""
    fields, login = job.write.fields, str(job.write.fields.get("login") or "")
    check_login(login, longest=LONGEST_LOGIN)
    rule = desk.rule(USER, fields)
    if not isinstance(rule, PersonPlace):
        raise Rejected("invalid", "no rule in `writeback.people` says where the account is made. Add one")
    try:
        values = {**desk.placement.given(USER, rule, fields), **desk.ways[USER].values(fields)}
        values |= desk.ways[USER].key(job.write.key)
    except (ExpressionError, ValueError) as error:
        raise Rejected("invalid", str(error)) from None
    values = {name: several for name, several in values.items() if several}
    # The login is unique in the domain, so is the CN made of it; displayName is what people see.
    dn = f"CN={escaped(login)},{desk.place(rule.ou).dn}"
    off = {"sAMAccountName": [login.encode()], "userAccountControl": [str(NORMAL_ACCOUNT | DISABLED).encode()]}
    groups = _groups(desk, rule)
    would = as_if(Entry(_NOBODY, "", dn, {"objectclass": [b"user"]}), {**values, **off})
    replace(desk, scope=desk.scope.with_member(_NOBODY, frozenset(groups))).would(USER, would)
    if found.taken(login):
        raise Rejected("name_taken", "its login belongs to another object")
    noted = [notes.NEW, *notes.Notes(groups=groups).values()]
    edits.add(desk.session, dn, "user", {**values, **off, notes.ATTRIBUTE: noted})
    found.by_login[login.casefold()] = entry = desk.read_new(USER, dn)
    found.by_key.setdefault(job.write.key.casefold(), []).append(entry)
    job.anchor = entry.guid
    return entry


def _groups(desk: Desk, rule: PersonPlace) -> tuple[str, ...]:
    """objectGUIDs of the groups that a new account is put into. Rejected where one is privileged."""
    groups = tuple(sorted(desk.place(written).guid for written in rule.groups))
    if not desk.scope.surroundings.protected.isdisjoint(groups):
        raise Rejected(
            "privileged", "a rule in `writeback.people` would put it into a privileged group. Correct `groups`"
        )
    return groups
