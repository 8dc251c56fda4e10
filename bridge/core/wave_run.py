"""A wave under way: where each of its schools stands, and what is to be asked next. Pure.

Where a school stands; the rows are asked from the top:

| seen | it stands |
|---|---|
| cut over | through |
| no run of the wave began, and it was asked to stay | kept back |
| not asked in this attempt | planned |
| no run began, and the site refused the order, or it expired or was withdrawn | failed |
| a run of the wave ended otherwise than switched | failed |
| a run goes on, and its deadline is not long over | under way |
| nothing heard of the site since a while, and the time it was to begin is long over | unknown |
| its site is heard, its time is long over, and no run began | failed: missed |
| the order is not answered | asked |
| carried out | appointed |

Unknown counts as failed, and is through as soon as the site says so. What is done with the wave:

| the wave | what is done |
|---|---|
| all of its schools are through | it is through |
| as many failed as it stops after | stopped by itself; who has not begun is asked to stay |
| no school is open any more, and some failed | stopped: nothing more will come of it |
| otherwise | each school that is planned is asked, once |

A stopped wave asks nobody to begin. It goes on when a person resumes it: those that failed get another attempt. Where
an order expired or was withdrawn, its site may have carried it out all the same: it is asked to stay, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bridge.core.cutover import Stage
from bridge.core.waves import THROUGH, named

#: So long after the time that it was to begin a school is not waited for any more: what a site itself takes to be too
#: late, and two of its reports.
PATIENCE = timedelta(minutes=30)
#: Nothing heard for so long: what was told last says nothing of now.
SILENT = timedelta(minutes=15)
#: So far apart clocks may be whose difference is known.
SKEW = timedelta(minutes=5)
#: Outcome of a run that cut the school over; a rehearsal says nothing of the wave.
SWITCHED, REHEARSED = "switched", "rehearsed"


class Stand(StrEnum):
    """Where a school of a wave stands."""

    PLANNED = "planned"
    ASKED = "asked"
    APPOINTED = "appointed"
    UNDER_WAY = "under way"
    THROUGH = "through"
    FAILED = "failed"
    UNKNOWN = "unknown"
    KEPT = "kept back"


#: Of these nothing more is to come by itself.
SETTLED = frozenset({Stand.THROUGH, Stand.FAILED, Stand.UNKNOWN, Stand.KEPT})
NOT_BEGUN = frozenset({Stand.ASKED, Stand.APPOINTED})


@dataclass(frozen=True, slots=True)
class Part:
    """One school of a wave as it was asked. ``at`` None: to begin at once. ``kept``: it was asked to stay.

    ``before``: ids of the runs that were known when it was asked; none of them is the wave's.
    """

    code: str
    at: datetime | None = None
    attempt: int = 1
    asked: datetime | None = None
    before: frozenset[str] = frozenset()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a cutover as it was told, on the hub's clock; ``ended`` None: it goes on."""

    id: str
    began: datetime
    deadline: datetime | None = None
    ended: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the hub knows of a school. ``order``: state of the order by which it was asked to begin, with the answer.

    ``heard``: when its site was heard last.
    """

    stage: Stage = Stage.CLASSIC
    heard: datetime | None = None
    order: str = ""
    answer: str = ""
    runs: Sequence[Run] = ()


_NOTHING = Seen()


class Wish(StrEnum):
    """What a site is asked, by the word of the status API."""

    SCHEDULE = "schedule"
    FREEZE = "freeze"
    UNSCHEDULE = "unschedule"


@dataclass(frozen=True, slots=True)
class Ask:
    """One order to one school; ``id`` is the same whoever decides it, and however often."""

    code: str
    wish: Wish
    id: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave that was begun. ``state``: running, stopped, through, cancelled."""

    name: str
    begun: datetime
    parts: tuple[Part, ...]
    stop_after: int = 1
    state: str = "running"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """The wave after a look, and what has to be asked for that to be so."""

    wave: Wave
    asks: tuple[Ask, ...] = ()
    stands: tuple[tuple[str, Stand, str], ...] = ()


def stand(part: Part, seen: Seen, now: datetime) -> tuple[Stand, str]:
    """The first table; with the reason, for people."""
    if seen.stage in THROUGH:
        return Stand.THROUGH, ""
    run = max((one for one in seen.runs if _mine(one, part)), key=lambda one: one.began, default=None)
    if part.kept and run is None:
        return Stand.KEPT, "it was asked to stay as it is"
    if part.asked is None:
        return Stand.PLANNED, ""
    if run is None and seen.order in ("refused", "expired", "withdrawn"):
        return Stand.FAILED, f"the order was {seen.order}" + (f": {seen.answer}" if seen.answer else "")
    if run is not None and run.ended is not None and run.outcome != SWITCHED:
        return Stand.FAILED, f"its run ended: {run.outcome or 'not switched'}"
    silent = seen.heard is None or now - seen.heard > SILENT
    begins = part.at or part.asked
    if run is not None or seen.stage is Stage.FREEZING:
        until = run.deadline if run is not None and run.deadline is not None else begins
        if not silent or now <= until + PATIENCE:
            return Stand.UNDER_WAY, ""
        return Stand.UNKNOWN, f"a run began, and nothing was heard of the site since {_at(seen.heard)}"
    if now > begins + PATIENCE:
        if silent:
            return Stand.UNKNOWN, f"nothing was heard of the site since {_at(seen.heard)}"
        if seen.order == "done":
            return Stand.FAILED, "no run began at its time"
        if now > begins + 2 * PATIENCE:
            return Stand.FAILED, "the order was not answered"
    return (Stand.APPOINTED, "") if seen.order == "done" else (Stand.ASKED, "")


def _mine(run: Run, part: Part) -> bool:
    """Whether it is what the wave asked for: not known then, and not from before. Clocks differ a little."""
    since = part.asked is not None and run.began >= part.asked - SKEW
    return since and run.id not in part.before and run.outcome != REHEARSED


def stands(wave: Wave, seen: Mapping[str, Seen], now: datetime) -> tuple[tuple[str, Stand, str], ...]:
    """The same for each school of a wave, whatever its state."""
    return tuple((part.code, *stand(part, seen.get(part.code, _NOTHING), now)) for part in wave.parts)


def look(wave: Wave, seen: Mapping[str, Seen], now: datetime) -> Decided:
    """The second table. A wave that does not run is left as it is; its schools are shown all the same."""
    found = stands(wave, seen, now)
    if wave.state != "running":
        return Decided(wave, (), found)
    failed = [code for code, one, _ in found if one in (Stand.FAILED, Stand.UNKNOWN)]
    if all(one is Stand.THROUGH for _, one, _ in found):
        return Decided(replace(wave, state="through", why=""), (), found)
    if len(failed) >= wave.stop_after:
        why = f"{len(failed)} failed ({named(failed)}); it stops after {wave.stop_after}"
        return end(wave, seen, now, state="stopped", why=why)
    if all(one in SETTLED for _, one, _ in found):
        why = f"nothing is under way any more; not cut over: {named(failed)}"
        return end(wave, seen, now, state="stopped", why=why)
    planned = {code for code, one, _ in found if one is Stand.PLANNED}
    asks = tuple(_begin(wave, part) for part in wave.parts if part.code in planned)
    parts = tuple(_asked(part, seen, now) if part.code in planned else part for part in wave.parts)
    return Decided(replace(wave, parts=parts), asks, found)


def _asked(part: Part, seen: Mapping[str, Seen], now: datetime) -> Part:
    return replace(part, asked=now, before=frozenset(run.id for run in seen.get(part.code, _NOTHING).runs))


def end(wave: Wave, seen: Mapping[str, Seen], now: datetime, *, state: str, why: str) -> Decided:
    """Stop or cancel: nobody else begins; who was asked and has not begun is asked to stay."""
    found = stands(wave, seen, now)
    open_ = {code: one for code, one, _ in found if one in (*NOT_BEGUN, Stand.PLANNED)}
    asks = tuple(
        Ask(part.code, Wish.UNSCHEDULE, order_id(wave, part, Wish.UNSCHEDULE))
        for part in wave.parts
        if open_.get(part.code) in NOT_BEGUN or _unsure(part, seen.get(part.code, _NOTHING))
    )
    parts = tuple(replace(part, kept=True) if part.code in open_ else part for part in wave.parts)
    return Decided(replace(wave, state=state, why=why, parts=parts), asks, found)


def _unsure(part: Part, seen: Seen) -> bool:
    """Whether the site may go by an order of which nobody knows what became: it may hold an appointment."""
    begun = any(_mine(one, part) for one in seen.runs) or seen.stage in THROUGH or seen.stage is Stage.FREEZING
    return part.asked is not None and not part.kept and not begun and seen.order in ("expired", "withdrawn")


def resumed(wave: Wave, seen: Mapping[str, Seen], now: datetime, *, times: Mapping[str, datetime | None]) -> Wave:
    """Go on: another attempt, at a new time, for all that are neither through nor under way."""

    def again(part: Part) -> Part:
        if stand(replace(part, kept=False), seen.get(part.code, _NOTHING), now)[0] in (Stand.THROUGH, Stand.UNDER_WAY):
            return replace(part, kept=False)
        return Part(part.code, at=times.get(part.code), attempt=part.attempt + 1)

    return replace(wave, state="running", why="", parts=tuple(again(part) for part in wave.parts))


def order_id(wave: Wave, part: Part, wish: Wish) -> str:
    """The id of an order: two processes, or one after a crash, never ask for the same thing twice."""
    said = "\n".join((wave.name, wave.begun.astimezone(UTC).isoformat(), part.code, str(part.attempt), wish))
    return "wave-" + hashlib.sha256(said.encode()).hexdigest()[:40]


def begins_with(part: Part) -> Wish:
    """How a school is asked to begin."""
    return Wish.FREEZE if part.at is None else Wish.SCHEDULE


def _begin(wave: Wave, part: Part) -> Ask:
    wish = begins_with(part)
    return Ask(part.code, wish, order_id(wave, part, wish), part.at)


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "ever"
