"""Whether a school is ready for an event: its gates are measured, noted with evidence, and set beside what people said.

measure    ask, read and compare, without the school's lock and without a write to either side; one transaction notes it
standings  what was noted and what people said, by the law of ``core.gates``
vouch      a person attests or waives a gate; the configuration is accepted as it is now
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from bridge.core import cutover
from bridge.core.cutover import Event, Gate, Stage
from bridge.core.gates import ATTESTED, EARLY, WAIVED, Measured, Standing, Vouched, standing
from bridge.daemon import wiring
from bridge.daemon.compared import compare_all
from bridge.daemon.measuring import books, contents, devices, files, opened, people, sides
from bridge.daemon.measuring.files import Files
from bridge.daemon.measuring.people import People
from bridge.daemon.measuring.verdicts import Progress, verdict
from bridge.daemon.roots import Roots, roots_of
from bridge.daemon.shares import Ground
from bridge.daemon.signing import FILE, Signer
from bridge.daemon.trouble import said
from bridge.daemon.verify import Sample, Task
from bridge.daemon.verify_report import report_of
from bridge.engine.bridged import silent
from bridge.ports import BridgeError
from bridge.settings import School, Settings
from bridge.state import approvals
from bridge.state import gates as memory
from bridge.state.database import Database
from bridge.state.linked import licenceless
from bridge.state.root_counts import counted as counted_roots

#: What approvals are for: measured by what people typed, at the moment when it is asked.
APPROVED = frozenset({Gate.TWO_APPROVERS, Gate.CODE_TYPED})
MEASURABLE = tuple(gate for gate in Gate if gate not in APPROVED)
_READ_PEOPLE = frozenset({Gate.COMPLETE_SCAN, Gate.COUNTS, Gate.BACKLOG, Gate.CAPACITY})
_READ_FILES = frozenset({Gate.COMPLETE_SCAN, Gate.BACKLOG, Gate.CAPACITY})
_ASK = frozenset({Gate.CREDENTIALS, Gate.CLOCK, Gate.CAPACITY})

T = TypeVar("T")


@dataclass(slots=True)
class _Round:
    """One time of measuring. ``broken``: gates that could not be measured, and why."""

    ground: Ground
    wanted: frozenset[Gate]
    frozen: bool
    broken: dict[Gate, str]

    async def look(self, needed: frozenset[Gate], seeing: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """See something where a gate needs it; what goes wrong with it is why its gates are unknown."""
        if not needed & self.wanted:
            return otherwise
        try:
            return await seeing()
        except (BridgeError, OSError, SQLAlchemyError) as error:
            self.broken |= dict.fromkeys(needed, said(error))
            return otherwise


async def measure(
    ground: Ground, *, gates: Iterable[Gate] | None = None, verify: float | None = None, progress: Progress = silent
) -> Sequence[Measured]:
    """Measure these gates (all that can be) and note what was found.

    Contents are compared only with ``verify``, so many percent of the files: else what was noted last stays.
    """
    code = ground.school.code
    store = await asyncio.to_thread(ground.store, code)
    stage, since = Stage(await asyncio.to_thread(store.stage)), await asyncio.to_thread(store.stage_since)
    wanted = frozenset(MEASURABLE if gates is None else gates) - APPROVED
    here = _Round(ground, wanted, stage is Stage.FREEZING, {})
    roots = await asyncio.to_thread(roots_of, ground.school, ground.database)
    seen = await here.look(_READ_PEOPLE, lambda: people.look(ground, progress), People(error="not read"))
    there = await here.look(
        _READ_FILES, lambda: files.look(ground, roots, wiring.now(), progress, frozen=here.frozen), Files()
    )
    found = [
        *await _asked(here, roots, seen, there),
        *await asyncio.to_thread(_known, here, roots, seen, there),
        *await _open(here, roots),
        *await _verified(here, roots, verify, progress),
    ]
    now = wiring.now()
    if await asyncio.to_thread(store.stage_since) != since:
        # What was seen before a freezing must not pass for what was seen in it; a move after this look makes it stale.
        here.broken = dict.fromkeys(wanted, "the school went to another stage meanwhile")
    found = [
        verdict(one.gate, now, ok=None, expected=one.expected, found=f"could not be measured: {here.broken[one.gate]}",
                fix="put that right, and measure again") if one.gate in here.broken else one
        for one in found if one.gate in wanted
    ]  # fmt: skip
    found = [_addressed(one, ground.school) for one in found]
    await asyncio.to_thread(memory.note, ground.database, code, ground.school.kinds(), found)
    return found


def _addressed(one: Measured, school: School) -> Measured:
    """Commands to be typed name the school."""
    return replace(one, fix=one.fix.replace("SCHOOL", school.code))


async def _asked(here: _Round, roots: Roots, seen: People, there: Files) -> list[Measured]:
    """What both sides and the shares answer."""
    some = sides.chosen(roots.roots.values(), there.sending)
    probed = await here.look(_ASK, lambda: sides.probe(here.ground, some, of=len(roots.roots)), sides.Probed())
    demand = await asyncio.to_thread(_demand, here.ground, roots, seen, there)
    now = wiring.now()
    return [
        sides.credentials(probed, now),
        sides.clock(probed, now),
        sides.capacity(probed, demand, now),
        *(await _devices(here)),
    ]


async def _devices(here: _Round) -> list[Measured]:
    needed = frozenset({Gate.DEVICES})
    if not needed & here.wanted:
        return []
    seen = await here.look(needed, lambda: devices.look(here.ground), devices.Compared())
    return [devices.devices(seen, here.ground.school.cutover.devices, wiring.now())]


def _demand(ground: Ground, roots: Roots, seen: People, there: Files) -> sides.Demand:
    rules = [
        rule for root in counted_roots(ground.database, ground.school.code).values() for rule in root.rules.elements()
    ]
    return sides.Demand(
        down=there.left.down,
        up=files.full_up(there, roots.roots),
        accounts=seen.accounts,
        full=rules.count("failed:quota"),
        without_licence=licenceless(ground.database, ground.school.code),
    )


def _known(here: _Round, roots: Roots, seen: People, there: Files) -> list[Measured]:
    """What follows from what was read, and from the state."""
    ground, now = here.ground, wiring.now()
    budget, _ = books.limits(ground.school)
    steps: Mapping[Gate, Callable[[], Measured]] = {
        Gate.COMPLETE_SCAN: lambda: files.scanned(seen, there, now),
        Gate.BACKLOG: lambda: files.backlog(seen, there, now, budget=budget, frozen=here.frozen),
        Gate.COUNTS: lambda: people.counts(seen, now),
        Gate.CONFIGURATION: lambda: books.configuration(ground, now),
        Gate.DECIDED: lambda: books.decided(ground, now),
        Gate.PERMISSIONS: lambda: books.permissions(ground, roots, now),
        Gate.SOAKED: lambda: books.soaked(ground, now),
        Gate.ROLLBACK_REHEARSED: lambda: books.way_back(ground, now),
        Gate.INFORMED: lambda: books.informed(now),
    }
    return [step() for gate, step in steps.items() if gate in here.wanted]


async def _open(here: _Round, roots: Roots) -> list[Measured]:
    needed = frozenset({Gate.OPEN_FILES})
    seen = await here.look(needed, lambda: opened.look(here.ground, roots.roots), opened.Open())
    return [opened.verdict_on(seen, wiring.now())]


async def _verified(here: _Round, roots: Roots, percent: float | None, progress: Progress) -> list[Measured]:
    ground = here.ground
    if Gate.VERIFIED not in here.wanted:
        return []
    if percent is None and ground.school.shares:
        known = await asyncio.to_thread(memory.measured, ground.database, ground.school.code)
        never = verdict(
            Gate.VERIFIED, wiring.now(), ok=None, expected="the files compared by their bytes", found="never compared",
            fix="schoolbridge readiness SCHOOL --verify",
        )  # fmt: skip
        return [] if Gate.VERIFIED in known else [never]
    needed, nothing = frozenset({Gate.VERIFIED}), dict[str, Any]()
    report = await here.look(needed, lambda: compared(ground, roots, percent or 100, progress), nothing)
    now = wiring.now()
    if Gate.VERIFIED in here.broken:
        return [verdict(Gate.VERIFIED, now, ok=None, expected="", found="")]
    return [contents.verified(report, now, frozen=here.frozen, shares=bool(ground.school.shares))]


async def compared(ground: Ground, roots: Roots, percent: float, progress: Progress = silent) -> dict[str, Any]:
    """The report of comparing so many percent of the files of all shares."""
    signer = await asyncio.to_thread(Signer.of, ground.settings.indexes.parent / FILE)
    today = wiring.now().astimezone(ZoneInfo(ground.settings.bridge.time_zone)).date()
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress("compare", done, None)

    started = wiring.now().isoformat()
    task = Task(ground, Sample.of(percent, today, signer.sample_key), progress=count)
    tree = report_of(ground.school, await compare_all(task, list(roots.roots.values())))
    return tree | {"started": started, "ended": wiring.now().isoformat(), "percent": percent}


def noted(ground: Ground, report: Mapping[str, Any], now: datetime) -> Measured:
    """Note what a comparison of all shares found, whoever asked for it.

    It is as old as its first file where the school went to another stage meanwhile.
    """
    store = ground.store(ground.school.code)
    started = datetime.fromisoformat(report["started"])
    at = now if store.stage_since() <= started else started
    frozen = Stage(store.stage()) is Stage.FREEZING
    found = contents.verified(report, at, frozen=frozen, shares=bool(ground.school.shares))
    found = _addressed(found, ground.school)
    memory.note(ground.database, ground.school.code, ground.school.kinds(), [found])
    return found


def standings(database: Database, school: School, stage: Stage, event: Event, *, now: datetime) -> Sequence[Standing]:
    """All gates of an event. Raises Illegal where the stage does not know it.

    Of a school that is frozen only what was measured since counts.
    """
    needed = cutover.gates(stage, event)
    found = {**memory.measured(database, school.code), **approvals.standing(database, school.code, event, now)}
    words = memory.vouched(database, school.code)
    since = database.school(school.code, school.kinds()).stage_since() if stage is Stage.FREEZING else None
    return [
        standing(
            gate, found.get(gate), words.get(gate), now,
            early=event in EARLY, since=None if gate in APPROVED else since,
        )
        for gate in needed
    ]  # fmt: skip


def gates_of(database: Database, school: School, stage: Stage, event: Event, now: datetime) -> Sequence[Standing]:
    """The same; nothing where the stage does not know the event."""
    try:
        return standings(database, school, stage, event, now=now)
    except cutover.Illegal:
        return ()


def vouch(ground: Ground, word: Vouched, *, early: bool = False) -> None:
    """Remember what a person said. ConfigurationError where the law does not let them.

    To attest the configuration is to accept it as it is now: it never covers a later change.
    """
    school = ground.school
    if word.gate is Gate.CONFIGURATION and word.how == ATTESTED:
        keep_configuration(ground.database, ground.settings, school, actor=word.actor, reason=word.reason)
        found = books.configuration(ground, wiring.now())
        memory.note(ground.database, school.code, school.kinds(), [found])
        return
    memory.vouch(ground.database, school.code, school.kinds(), word, early=early)


def holding(database: Database, school: School, stage: Stage, event: Event, *, now: datetime) -> frozenset[Gate]:
    """The gates of an event that hold by what was measured and said; none where the stage does not know it."""
    return frozenset(one.gate for one in gates_of(database, school, stage, event, now) if one.holds)


def passed(database: Database, school: School, event: Event, gates: Iterable[Gate], *, actor: str, reason: str) -> None:
    """Somebody says of these gates of an early event that they checked them; later events take no such word."""
    now = wiring.now()
    for gate in gates if event in EARLY else ():
        word = Vouched(gate, WAIVED, actor, reason, now)
        memory.vouch(database, school.code, school.kinds(), word, early=True)


def keep_configuration(database: Database, settings: Settings, school: School, *, actor: str, reason: str) -> None:
    """What is configured now is what the school rehearses with: later changes are told against it."""
    keys = books.keys_of(settings, school)
    memory.keep_rehearsed(database, school.code, school.kinds(), keys, actor=actor, reason=reason)


def next_event(stage: Stage) -> Event | None:
    """The event that leads on towards the cloud; None where there is none, or the school is paused."""
    return next((event for event in cutover.events(stage) if cutover.gates(stage, event)), None)
