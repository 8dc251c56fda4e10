"""When each school could be ready, and each wave begin and end: ranges out of what was told. Pure.

ready    the files that are left, at the slowest and at the fastest pace that its site measured; schools of one tenant
         share its budget max-min fair, at one unit a file at best, two at worst
people   what waits for people takes as long as they take: it is named beside the range, never guessed
waves    one after the other: no wave before all schools of the one before are through and its pause is over; nobody
         begins before its day or in a blackout; a school begins when it is ready

Where nothing was measured there is no number. More budget makes nothing later, more backlog nothing earlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.core.cutover import Stage
from bridge.core.fair import shares
from bridge.core.waves import THROUGH, Calendar, Wave

#: Farther than this nobody looks ahead.
HORIZON = timedelta(days=400)
#: Units of a tenant's budget that a file costs: down, up.
CHEAP, DEAR = 1.0, 2.0
#: So often a tenant's budget is shared anew at most.
_STEPS = 200
#: A budget that makes a school this part later is what it waits for.
_FELT = 1.05
#: How long a cutover takes, as long as none was measured.
ASSUMED = (timedelta(hours=1), timedelta(days=1))


class Bottleneck(StrEnum):
    """What a school waits for, or what keeps anybody from saying when it is ready."""

    THROUGH = "through"
    NOTHING_KNOWN = "nothing known"
    SILENT = "silent site"
    STAGE = "not mirrored yet"
    LINE = "line"
    BUDGET = "file budget of the tenant"
    DECISIONS = "decisions of people"
    GATES = "gates that do not hold"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Told:
    """One school. ``slow``, ``fast``: files a minute as measured; None: not measured. ``files`` None: not known.

    ``moved``: since when it is through. ``people``: held operations and conflicts.
    """

    stage: Stage = Stage.CLASSIC
    files: float | None = None
    slow: float | None = None
    fast: float | None = None
    complete: bool = True
    silent: bool = False
    people: int = 0
    gates: int = 0
    tenant: str = ""
    moved: datetime | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """``earliest`` None: not known. Only ``latest`` None: at least that long."""

    earliest: datetime | None = None
    latest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """When a school could be ready if people do their part, and what it waits for."""

    when: Range
    bottleneck: Bottleneck
    people: int = 0
    gates: int = 0


@dataclass(frozen=True, slots=True)
class WaveAhead:
    """``last``: the school that ends it, and what that waits for; empty where nobody knows."""

    name: str
    begins: Range
    ends: Range
    last: str = ""
    why: Bottleneck = Bottleneck.NOTHING


def ready(
    schools: Mapping[str, Told], budgets: Mapping[str, float], now: datetime
) -> dict[str, Ready]:  # fmt: skip
    """School -> when it could be ready. ``budgets``: tenant -> units of files a minute; absent: as much as it likes."""
    best = _through(schools, budgets, now, pace=lambda one: one.fast, cost=CHEAP)
    worst = _through(schools, budgets, now, pace=lambda one: one.slow, cost=DEAR)
    alone = _through(schools, {}, now, pace=lambda one: one.slow, cost=DEAR)
    return {code: _ready(one, best[code], worst[code], alone[code], now) for code, one in schools.items()}


def _ready(
    one: Told, best: datetime | None, worst: datetime | None, alone: datetime | None, now: datetime
) -> Ready:  # fmt: skip
    if one.stage in THROUGH:
        moved = one.moved or now
        return Ready(Range(moved, moved), Bottleneck.THROUGH)
    if one.files is None:
        unknown = Bottleneck.SILENT if one.silent else Bottleneck.NOTHING_KNOWN
        return Ready(Range(), unknown, one.people, one.gates)
    if one.stage not in (Stage.HYBRID, Stage.FREEZING, Stage.PAUSED_HYBRID):
        return Ready(Range(), Bottleneck.STAGE, one.people, one.gates)
    paused = one.stage is Stage.PAUSED_HYBRID  # nothing moves until a person resumes it
    latest = None if one.silent or paused or not one.complete else worst
    found = Range(best, latest)
    if one.silent:
        return Ready(found, Bottleneck.SILENT, one.people, one.gates)
    if paused:
        return Ready(found, Bottleneck.DECISIONS, one.people, one.gates)
    if one.files > 0 and best is None:
        return Ready(Range(), Bottleneck.NOTHING_KNOWN, one.people, one.gates)
    if one.files > 0:
        felt = worst is not None and alone is not None and (worst - now) > (alone - now) * _FELT
        late = worst is None and alone is not None
        why = Bottleneck.BUDGET if felt or late else Bottleneck.LINE
        return Ready(found, why, one.people, one.gates)
    why = Bottleneck.DECISIONS if one.people else Bottleneck.GATES if one.gates else Bottleneck.NOTHING
    return Ready(found, why, one.people, one.gates)


def _through(
    schools: Mapping[str, Told],
    budgets: Mapping[str, float],
    now: datetime,
    *,
    pace: Callable[[Told], float | None],
    cost: float,
) -> dict[str, datetime | None]:
    """School -> when its files are through; None: not known, or beyond the horizon."""
    found: dict[str, datetime | None] = {}
    tenants: dict[str, dict[str, tuple[float, float]]] = {}
    for code, one in sorted(schools.items()):
        speed = pace(one)
        if one.files is None or (one.files > 0 and not speed):
            found[code] = None
        elif one.files <= 0 or speed is None:
            found[code] = now
        else:
            tenants.setdefault(one.tenant, {})[code] = (one.files * cost, speed * cost)
    for tenant, work in tenants.items():
        for code, minutes in _fluid(work, budgets.get(tenant, math.inf)).items():
            found[code] = _ahead(now, minutes)
    return found


def _fluid(work: Mapping[str, tuple[float, float]], limit: float) -> dict[str, float]:
    """School -> minutes until its units are spent, each at its own pace at most, together at the limit at most.

    What one no longer spends is shared anew each time that one is through; of very many, each time that a few are.
    """
    left = {code: units for code, (units, _) in work.items()}
    few = max(1, len(work) // _STEPS)
    at, found = 0.0, dict[str, float]()
    while left:
        caps = {code: work[code][1] for code in left}
        free = sum(caps.values()) <= limit
        rates = caps if free else shares(caps, limit)
        times = {code: left[code] / rates[code] if rates[code] > 0 else math.inf for code in left}
        step = math.inf if free else sorted(times.values())[min(few, len(times)) - 1]
        found |= {code: at + minutes for code, minutes in times.items() if minutes <= step * (1 + 1e-12)}
        left = {code: max(0.0, units - rates[code] * step) for code, units in left.items() if code not in found}
        at += step
    return found


def _ahead(now: datetime, minutes: float) -> datetime | None:
    if minutes > HORIZON.total_seconds() / 60:
        return None
    return now + timedelta(minutes=minutes)


# --- waves ------------------------------------------------------------------------------------------------------------


def simulate(
    waves: Sequence[Wave],
    found: Mapping[str, Ready],
    calendar: Calendar,
    now: datetime,
    *,
    runs: tuple[timedelta, timedelta] = ASSUMED,
) -> list[WaveAhead]:
    """Wave by wave. ``runs``: how long a cutover takes at least and at most."""
    ahead: list[WaveAhead] = []
    first, last = Range(now, now), Range(now, now)  # from when on the next wave may begin
    for wave in waves:
        places = {code: found.get(code, Ready(Range(), Bottleneck.NOTHING_KNOWN)) for code in wave.schools}
        early = {
            code: _done(wave, one, one.when.earliest, first.earliest, calendar, runs[0]) for code, one in places.items()
        }
        late = {code: _done(wave, one, one.when.latest, last.latest, calendar, runs[1]) for code, one in places.items()}
        ends = Range(_last(early), _last(late))
        begins = Range(
            _first(wave, places, first.earliest, calendar, early=True),
            _first(wave, places, last.latest, calendar, early=False),
        )
        who = _who(places, early, late)
        why = places[who].bottleneck if who else Bottleneck.NOTHING
        ahead.append(WaveAhead(wave.name, begins, ends, who, why))
        first = Range(_add(ends.earliest, wave.pause), None)
        last = Range(None, _add(ends.latest, wave.pause))
    return ahead


def _done(
    wave: Wave, one: Ready, at: datetime | None, opens: datetime | None, calendar: Calendar, run: timedelta
) -> datetime | None:
    """When a school is cut over, if it is ready ``at``; None: not known."""
    if one.bottleneck is Bottleneck.THROUGH:
        return at
    if at is None or opens is None:
        return None
    return _open(wave, max(at, opens), calendar) + run


def _open(wave: Wave, at: datetime, calendar: Calendar) -> datetime:
    """The first moment from then on at which a school of the wave may begin."""
    if wave.not_before is not None:
        at = max(at, wave.not_before)
    while (closed := calendar.closed(at)) is not None:
        at = closed.ends
    return at


def _first(
    wave: Wave, places: Mapping[str, Ready], opens: datetime | None, calendar: Calendar, *, early: bool
) -> datetime | None:
    """When the first school of a wave begins; of one under way, when the first was through."""
    done = [one.when.earliest for one in places.values() if one.bottleneck is Bottleneck.THROUGH and one.when.earliest]
    if done:
        return min(done)
    times = [one.when.earliest if early else one.when.latest for one in places.values()]
    known = [at for at in times if at is not None]
    if opens is None or not known or (not early and len(known) < len(times)):
        return None
    return _open(wave, max(min(known), opens), calendar)


def _last(times: Mapping[str, datetime | None]) -> datetime | None:
    """The last of them; None where one is not known."""
    if any(at is None for at in times.values()):
        return None
    return max((at for at in times.values() if at is not None), default=None)


def _who(
    places: Mapping[str, Ready], early: Mapping[str, datetime | None], late: Mapping[str, datetime | None]
) -> str:  # fmt: skip
    """Who ends it: first of all those of whom nobody knows when, then the latest; none where all are through."""
    open_ = [code for code in sorted(places) if places[code].bottleneck is not Bottleneck.THROUGH]
    unknown = [code for code in open_ if early[code] is None] or [code for code in open_ if late[code] is None]
    if unknown:
        return unknown[0]
    return max(open_, key=lambda code: late[code] or early[code], default="")  # type: ignore[arg-type,return-value]


def _add(at: datetime | None, pause: timedelta) -> datetime | None:
    return None if at is None else at + pause
