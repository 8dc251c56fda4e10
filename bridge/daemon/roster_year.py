"""A roster carried out at the school as one operation, taken up again after a crash, and taken back.

apply  1. read the school,  2. finish what was begun before,  3. plan,  4. count and ask,  5. remember the steps,
       6. write,  7. note how far it came
undo   1. read the school,  2. what stands against it,  3. write back,  4. note it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.core.freeze import Phase
from bridge.core.guard import Cell, Excess, cells_of
from bridge.core.model import Link, Operation, Side
from bridge.core.year import PersonTurn
from bridge.core.year_again import back, forth
from bridge.core.year_steps import Ends, Step, anew, operations, remembered
from bridge.core.year_wanted import Wanted
from bridge.daemon import school_year
from bridge.engine import roster as engine
from bridge.engine.bridged import Bridged, Report
from bridge.ports import ConfigurationError
from bridge.state.roster import BEGUN, DONE, UNDONE
from bridge.state.store import SchoolStore


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of it: writes by kind and action, what failed, what was refused because it changed since."""

    operation: str
    written: Mapping[str, int]
    failed: Sequence[str] = ()
    against: Sequence[str] = ()
    questions: int = 0
    manual: Sequence[str] = field(default=())

    @property
    def whole(self) -> bool:
        """Whether nothing is left to do."""
        return not self.failed and not self.against


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person typed. ``expect``: the number of changes that they saw in the plan, None where they gave none."""

    told: school_year.Roster
    before: school_year.Roster | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    expect: int | None = None
    actor: str = ""
    reason: str = ""


def planned(store: SchoolStore, asked: Asked) -> tuple[school_year.Planned, list[Wanted]]:
    """The plan, and what would be written."""
    before = asked.before.year if asked.before else None
    found = school_year.plan(store, told=asked.told.year, before=before, chosen=asked.chosen)
    return found, school_year.wanted(store, found, asked.told.fields)


async def apply(bridged: Bridged, store: SchoolStore, asked: Asked) -> Carried:
    """Carry out; ConfigurationError, with nothing written, when something stands against it."""
    if store.year_phase() is not Phase.CLOSED:
        raise ConfigurationError(
            f"{store.code}: the school year is {store.year_phase()}: somebody rebuilds the directory by hand. "
            f"Expected: closed, because by a roster the bridge writes it. Nothing was done. Either "
            f"schoolbridge year close {store.code}, or go on without --roster"
        )
    engine.check(bridged, ())
    begun = store.roster()
    goes_on = begun is not None and begun.phase == BEGUN
    id_ = begun.id if begun and goes_on else bridged.new_id()
    await engine.looked(bridged, cycle=id_)
    written: Counter[str] = Counter()
    if goes_on:
        first = await _taken_up(bridged, store, asked)
        written.update(first.written)
        if first.failed:
            return replace(first, written=written)
    plan, wanted = planned(store, asked)
    _decided(store.code, plan)
    steps = _operations(store, wanted, bridged.new_id)
    engine.check(bridged, steps)
    approved = await _approved(bridged, steps, {}, asked.expect)
    told = [key for key, fields in asked.told.fields.items() if fields.get("enabled") is not False]
    told += asked.before.year.people if asked.before else ()
    failed: list[str] = []
    if not steps:
        store.remember_roster(told)
    else:
        said = {"actor": asked.actor, "reason": asked.reason}
        known = {one.link: one for one in begun.steps} if begun and goes_on else {}
        store.begin_roster(id_, remembered(steps, known), told=told, approved=approved, **said)
        failed = await _write(bridged, store, steps, id_, written)
        store.end_roster(BEGUN if failed else DONE, failed=len(failed), **said)
    manual = [one.person.key for one in plan.plan.people if one.turn is PersonTurn.MANUAL]
    return Carried(id_, written, failed, (), len(plan.plan.questions), manual)


async def _taken_up(bridged: Bridged, store: SchoolStore, asked: Asked) -> Carried:
    """Finish what was begun: its steps, not a new plan."""
    store.adopt_roster()
    found = store.roster()
    if found is None:
        raise ConfigurationError(f"{store.code}: no roster was begun")
    steps, _ = forth(found.steps, _links(store, found.steps))
    engine.check(bridged, steps)
    expect = asked.expect if asked.expect == len(steps) else None
    approved = await _approved(bridged, steps, found.approved, expect)
    said = {"actor": asked.actor, "reason": asked.reason}
    store.begin_roster(found.id, found.steps, told=(), approved=approved, **said)
    written: Counter[str] = Counter()
    failed = await _write(bridged, store, steps, found.id, written)
    store.end_roster(BEGUN if failed else DONE, failed=len(failed), **said)
    return Carried(found.id, written, failed)


async def _write(
    bridged: Bridged, store: SchoolStore, steps: Sequence[Operation], id_: str, written: Counter[str]
) -> list[str]:
    """People, then groups; what failed. Who comes back brings groups along, which are read again before."""
    logins = store.year_people()[1] | frozenset(store.year_logins().values())
    people, groups = ([one for one in steps if (one.kind == "user") is first] for first in (True, False))
    report = await engine.written(bridged, people, cycle=id_, logins=logins)
    written.update(report.executed)
    if not report.error:
        if report.executed["user:restore"]:
            await engine.looked(bridged, cycle=id_)
            found = store.roster()
            left, _ = forth(found.steps, _links(store, found.steps)) if found else ([], [])
            groups = [one for one in left if one.kind != "user"]
        report = await engine.written(bridged, groups, cycle=id_, logins=logins)
        written.update(report.executed)
    return _failed(store, report, steps)


def _links(store: SchoolStore, steps: Sequence[Step]) -> dict[str, Link]:
    return {one.id: one for one in store.links([one.link for one in steps])}


def _decided(code: str, plan: school_year.Planned) -> None:
    if plan.plan.undecided:
        names = ", ".join(one.name for two in plan.plan.undecided if (one := two.after or two.before) is not None)
        raise ConfigurationError(
            f"{code}: a person has to decide first which class goes on as which: {names}. Nothing was done. "
            f"Say it with --choose 6a=5b (or --choose 6a=new)"
        )


def _operations(store: SchoolStore, wanted: Sequence[Wanted], new_id: Callable[[], str]) -> list[Operation]:
    people, groups = store.roster_ends()
    links = {one.id: one for one in store.links([*people.values(), *groups.values()])}
    ends = Ends(_of(people, links), _of(groups, links))
    made = {one: new_id() for one in anew(wanted, ends)}
    try:
        return operations(wanted, Ends(ends.people, ends.groups, made))
    except KeyError as missing:
        raise ConfigurationError(
            f"{store.code}: {missing.args[0]} at the school is not linked yet. Expected: everything that is changed "
            f"was seen by a cycle. Nothing was done. Run: schoolbridge sync {store.code}"
        ) from None


def _of(ids: Mapping[str, str], links: Mapping[str, Link]) -> dict[str, Link]:
    return {key: links[of] for key, of in ids.items() if of in links}


async def _approved(
    bridged: Bridged, steps: Sequence[Operation], approved: Mapping[Cell, int], expect: int | None
) -> Mapping[Cell, int]:
    """What may pass although it is over a threshold: what was approved before, or what a person typed the number of."""
    found = await engine.excesses(bridged, steps)
    if expect is not None and expect != len(steps):
        raise ConfigurationError(
            f"{bridged.code}: --expect {expect}, but {len(steps)} changes are to be made at the school. Nothing was "
            f"done. Look at it again: schoolbridge year plan {bridged.code} --roster ..."
        )
    over = [one for cell, one in found.items() if one.wanted > approved.get(cell, 0)]
    if not over:
        return approved
    if expect is None:
        raise ConfigurationError(_too_much(bridged.code, over, len(steps)))
    counts: Counter[Cell] = Counter()
    for one in steps:
        counts.update(cells_of(one, bridged.kinds[one.kind]))
    return counts


def _too_much(code: str, over: Sequence[Excess], changes: int) -> str:
    numbers = ", ".join(
        f"{one.wanted} × {one.cell[3].replace('_', ' ')} of {one.cell[1]} records of role {one.cell[2] or '-'} "
        f"({one.limit} allowed for {one.population}{f', {one.earlier} done or held lately' if one.earlier else ''})"
        for one in sorted(over, key=lambda one: one.cell)
    )
    return (
        f"{code}: more than the thresholds of the school let pass: {numbers}. Nothing was done. If it is right, say so "
        f"with the number of all changes at the school: --expect {changes}. It then passes in the cloud, too"
    )


def _failed(store: SchoolStore, report: Report, steps: Sequence[Operation]) -> list[str]:
    ours = {one.link for one in steps}
    found = [
        f"{store.code}: {one.kind} {one.link}: {one.message}"
        for one in store.troubles()
        if one.link in ours and one.side is Side.SCHOOL and one.rule.startswith(("failed:", "refused:"))
    ]
    return [*found, *([f"{store.code}: {report.error}"] if report.error else [])]


async def undo(bridged: Bridged, store: SchoolStore, *, actor: str, reason: str) -> Carried:
    """Take back what the last apply wrote, as far as nobody changed it since; the rest is told and left."""
    engine.check(bridged, ())
    found = store.roster()
    if found is None or found.phase == UNDONE:
        raise ConfigurationError(f"{store.code}: no roster is carried out; there is nothing to undo")
    await engine.looked(bridged, cycle=found.id)
    store.adopt_roster()
    steps = (store.roster() or found).steps
    wanted, against = back(steps, _links(store, steps))
    engine.check(bridged, wanted)
    report = await engine.written(bridged, wanted, cycle=found.id)
    failed = _failed(store, report, wanted)
    left = len(failed) + len(against)
    store.end_roster(found.phase if left else UNDONE, failed=left, actor=actor, reason=f"undo: {reason}")
    return Carried(found.id, dict(report.executed), failed, against)
