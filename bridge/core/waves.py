"""In which order schools are cut over, and when none is: may a school begin now, and if not, why.

The rows are asked from the top; the first that fits is the reason.

| seen | may it begin? |
|---|---|
| a blackout (holidays, exams), of the bridge or of the school | no, until it ends |
| no waves are configured | yes |
| it is in no wave | no |
| its wave is not to begin before a day | no, until that day |
| a school of an earlier wave is not through | no |
| the last school of the wave before was cut over less than that wave's pause ago | no, until then |
| so many others of its wave failed that the wave is stopped | no; those that failed may be tried again |
| none of it | yes |

A school is through once it is cut over. It failed if a run of its ended and it is not through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from bridge.core.cutover import Stage
from bridge.core.local_time import shown

THROUGH = frozenset(
    {Stage.SOAKING, Stage.PAUSED_SOAKING, Stage.CLOUD, Stage.PAUSED_CLOUD, Stage.RETIRED}
)  # fmt: skip
#: So many codes are named in a reason.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which no cutover begins: from ``begins`` up to, not including, ``ends``."""

    begins: datetime
    ends: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """All blackouts that concern a school, and the clock on which they are told."""

    zone: tzinfo
    spans: tuple[Span, ...] = ()

    def closed(self, at: datetime) -> Span | None:
        """The blackout at a moment, ending where the last of those ends that follow each other without a gap."""
        inside = [span for span in self.spans if span.begins <= at < span.ends]
        if not inside:
            return None
        end = max(span.ends for span in inside)
        while later := [span.ends for span in self.spans if span.begins <= end < span.ends]:
            end = max(later)
        first = min(inside, key=lambda span: span.begins)
        return Span(first.begins, end, first.reason)


@dataclass(frozen=True, slots=True)
class Wave:
    """Schools that are cut over together. ``pause``: how long the next wave waits after its last school."""

    name: str
    schools: tuple[str, ...]
    stop_after: int = 1
    not_before: datetime | None = None
    pause: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a school stands. ``moved``: since when it is through; ``failed``: a run of its ended, and it is not."""

    stage: Stage
    moved: datetime | None = None
    failed: bool = False

    @property
    def through(self) -> bool:
        """Whether it is cut over."""
        return self.stage in THROUGH


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a school may not begin. ``until`` is None where no time alone changes it."""

    cause: str
    text: str
    until: datetime | None = None


_UNKNOWN = Place(Stage.CLASSIC)


def may_start(
    code: str, *, waves: Sequence[Wave], places: Mapping[str, Place], calendar: Calendar, now: datetime
) -> str:
    """Empty when the school may begin now, else why not, for a person."""
    found = hindrance(code, waves=waves, places=places, calendar=calendar, now=now)
    return found.text if found else ""


def hindrance(
    code: str, *, waves: Sequence[Wave], places: Mapping[str, Place], calendar: Calendar, now: datetime
) -> Hindrance | None:
    """The same with its cause and its end."""
    if (closed := blackout(code, calendar, now)) is not None:
        return closed
    if not waves:
        return None
    order = next((number for number, wave in enumerate(waves) if code in wave.schools), None)
    if order is None:
        text = f"{code} is in no wave; add it to `waves` in bridge.yaml"
        return Hindrance("no wave", text)
    wave = waves[order]
    if wave.not_before is not None and now < wave.not_before:
        until = shown(wave.not_before, calendar.zone)
        text = f"{code}: the wave {wave.name} does not begin before {until}"
        return Hindrance("not before", text, wave.not_before)
    return _earlier(code, waves[:order], places, calendar, now) or _stopped(code, wave, places)


def blackout(code: str, calendar: Calendar, now: datetime) -> Hindrance | None:
    """The first row alone: the only one that may hold for some schools of a wave and not for others."""
    closed = calendar.closed(now)
    if closed is None:
        return None
    why = f" ({closed.reason})" if closed.reason else ""
    until = shown(closed.ends, calendar.zone)
    return Hindrance("blackout", f"{code}: no cutover begins before {until}: blackout{why}", closed.ends)


def _earlier(
    code: str, waves: Sequence[Wave], places: Mapping[str, Place], calendar: Calendar, now: datetime
) -> Hindrance | None:
    """Whether all waves before are through, and their pauses over."""
    rests = [Hindrance("", "", now)]
    for wave in waves:
        missing = [one for one in wave.schools if not places.get(one, _UNKNOWN).through]
        if missing:
            held = f", and the wave is stopped: {len(failed(wave, places))} failed" if stopped(wave, places) else ""
            text = f"{code}: the wave {wave.name} is not through yet{held}; not cut over there: {named(missing)}"
            return Hindrance("earlier wave", text)
        last = max((moved for one in wave.schools if (moved := places[one].moved)), default=None)
        if last is not None and now < last + wave.pause:
            until = last + wave.pause
            text = f"{code}: after the wave {wave.name} there is a pause until {shown(until, calendar.zone)}"
            rests.append(Hindrance("pause", text, until))
    longest = max(rests, key=lambda one: one.until or now)
    return longest if longest.cause else None


def _stopped(code: str, wave: Wave, places: Mapping[str, Place]) -> Hindrance | None:
    if not stopped(wave, places) or code in failed(wave, places):
        return None
    names = failed(wave, places)
    text = (
        f"{code}: the wave {wave.name} is stopped: {len(names)} failed ({named(names)}), it stops after "
        f"{wave.stop_after}. Find out why and cut those over first, or raise `stop_after`"
    )
    return Hindrance("wave stopped", text)


def failed(wave: Wave, places: Mapping[str, Place]) -> tuple[str, ...]:
    """The schools of a wave that failed and are not through since."""
    return tuple(
        one for one in wave.schools if places.get(one, _UNKNOWN).failed and not places.get(one, _UNKNOWN).through
    )


def stopped(wave: Wave, places: Mapping[str, Place]) -> bool:
    """Whether so many of a wave failed that no other of it begins."""
    return len(failed(wave, places)) >= wave.stop_after


def named(codes: Sequence[str]) -> str:
    """The first codes, and how many more there are."""
    more = len(codes) - _NAMED
    return ", ".join(codes[:_NAMED]) + (f" and {more} more" if more > 0 else "")
