"""When what is left will have been sent: a range, never a time. Pure: times, speeds and limits come in.

An hour's work is made of files and of bytes, and nobody knows how much of it was for which. So

latest    what is left at the slowest pace seen, as if files (or, where that is more, bytes) had taken all of the time
earliest  the same at the fastest pace, by the smaller of the two; never before the line's limits let the bytes through,
          nor before the service's budget lets the files through

Where a limit of the line holds, bytes go no faster. What was seen under a limit says nothing of how fast it goes
without one: until that was seen, the latest counts on no more, and the earliest on any speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bridge.engine.load import NOTHING, Amount
from bridge.settings.line import Calendar

#: Before that nothing is said: windows, and seconds in all of them.
FEWEST, SHORTEST = 3, 90.0
#: Farther than this nobody looks ahead.
HORIZON = timedelta(days=30)

NOT_READ = "not everything is read yet"
TOO_LITTLE = "too little seen yet"
STANDS_STILL = "what is left stands still, or waits until it may go on"
PARTLY_STILL = "a part of it stands still, or waits until it may go on"
TOO_FAR = "at this pace it may take more than a month"


@dataclass(frozen=True, slots=True)
class Window:
    """What was sent in so many seconds from ``begun`` on; ``files`` counts parts of files too."""

    begun: datetime
    seconds: float
    files: float
    up: int
    down: int

    @property
    def bytes(self) -> int:
        """In both directions."""
        return self.up + self.down


@dataclass(frozen=True, slots=True)
class Estimate:
    """``earliest`` None: unknown yet. Only ``latest`` None: at least that long. ``reason`` says why."""

    earliest: datetime | None = None
    latest: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Pace:
    """Files and bytes a second."""

    files: float
    bytes: float


def estimate(
    now: datetime,
    left: Amount,
    windows: Sequence[Window],
    *,
    calendar: Calendar,
    complete: bool = True,
    still: Amount = NOTHING,
    most_files: float | None = None,
) -> Estimate:
    """The range for what is left. ``complete``: more can't turn up among what was not read yet.

    ``still`` is the part of it that stands still. ``most_files``: a second, what the service's budget lets through.
    """
    if left.files <= 0:
        return Estimate(reason="" if complete else NOT_READ)
    if left.less(still).files <= 0:
        return Estimate(reason=STANDS_STILL)
    seen = [one for one in windows if one.seconds > 0]
    if len(seen) < FEWEST or sum(one.seconds for one in seen) < SHORTEST:
        return Estimate(reason=TOO_LITTLE)
    held = [one for one in seen if _held_back(one, calendar)]
    free = _slowest([one for one in seen if one not in held])
    slow = _slower(_slowest(held), free)
    if slow is None:
        return Estimate(reason=TOO_LITTLE)
    ahead = _Ahead(now, left, calendar)
    earliest = ahead.earliest(_fastest(seen) if free else _Pace(math.inf, math.inf), most_files=most_files)
    if earliest is None:
        return Estimate(_minute(now + HORIZON), None, TOO_FAR)
    if not complete or still.files > 0:
        return Estimate(_minute(earliest), None, PARTLY_STILL if complete else NOT_READ)
    latest = ahead.latest(limited=slow, free=free or slow)
    if latest is None:
        return Estimate(_minute(earliest), None, TOO_FAR if slow.bytes or not left.bytes else TOO_LITTLE)
    return Estimate(_minute(earliest), _minute(max(latest, earliest)) + timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What is left, and the line that it goes through."""

    now: datetime
    left: Amount
    calendar: Calendar

    def earliest(self, pace: _Pace, *, most_files: float | None) -> datetime | None:
        """None beyond the horizon, as below. Both directions at once, where they can."""
        left, any_ = self.left, _Pace(math.inf, math.inf)
        ways = (self._files(lambda _: pace.files), self._bytes(left, lambda _: pace))
        floors = [self._bytes(one, lambda _: any_) for one in (Amount(0, left.up, 0), Amount(0, 0, left.down))]
        if most_files:
            floors.append(self._files(lambda _: most_files))
        known = [one for one in floors if one is not None]
        found = [one for one in ways if one is not None]
        return max(min(found), *known) if found and len(known) == len(floors) else None

    def latest(self, *, limited: _Pace, free: _Pace) -> datetime | None:
        """One direction after the other."""

        def pace(at: datetime) -> _Pace:
            return limited if _limited(self.calendar, at, self.left) else free

        by_files, by_bytes = self._files(lambda at: pace(at).files), self._bytes(self.left, pace)
        return None if by_files is None or by_bytes is None else max(by_files, by_bytes)

    def _files(self, speed: Callable[[datetime], float]) -> datetime | None:
        return self._finish(self.left.files, self.now, speed=speed)

    def _bytes(self, amount: Amount, pace: Callable[[datetime], _Pace]) -> datetime | None:
        """When they are through, up before down, never faster than the line's limits."""

        def at_most(direction: Literal["up", "down"], at: datetime) -> float:
            limit = self.calendar.limit(direction, at)
            return pace(at).bytes if limit is None else min(limit, pace(at).bytes)

        middle = self._finish(amount.up, self.now, speed=lambda at: at_most("up", at))
        return None if middle is None else self._finish(amount.down, middle, speed=lambda at: at_most("down", at))

    def _finish(self, amount: float, begin: datetime, *, speed: Callable[[datetime], float]) -> datetime | None:
        """When so much is done at a speed that changes with the limits only."""
        at, end = begin, self.now + HORIZON
        while amount > 0:
            if at >= end:
                return None
            until = min(self.calendar.until(at) or end, end)
            now, seconds = speed(at), (until - at).total_seconds()
            if now * seconds >= amount:
                return min(at + timedelta(seconds=amount / now), until)
            amount -= now * seconds
            at = until
        return at


def _limited(calendar: Calendar, at: datetime, ways: Amount | Window) -> bool:
    """Whether a limit holds in a direction that is used."""
    up = ways.up > 0 and calendar.limit("up", at) is not None
    return up or (ways.down > 0 and calendar.limit("down", at) is not None)


def _held_back(one: Window, calendar: Calendar) -> bool:
    ends = one.begun + timedelta(seconds=one.seconds)
    return _limited(calendar, one.begun, one) or _limited(calendar, ends, one)


def _slowest(windows: Sequence[Window]) -> _Pace | None:
    """The average, less what the slowest window with any work in it was behind it; None when nothing was sent."""
    seconds = sum(one.seconds for one in windows)
    files, sent = sum(one.files for one in windows), sum(one.bytes for one in windows)
    if not files and not sent:
        return None
    shares = (
        max(one.files * seconds / files if files else 0.0, one.bytes * seconds / sent if sent else 0.0) / one.seconds
        for one in windows
    )
    part = min(1.0, *(share for share in shares if share > 0))
    return _Pace(files / seconds * part, sent / seconds * part)


def _slower(one: _Pace | None, other: _Pace | None) -> _Pace | None:
    if one is None or other is None:
        return one or other
    return _Pace(min(one.files, other.files), min(one.bytes, other.bytes))


def _fastest(windows: Sequence[Window]) -> _Pace:
    return _Pace(max(one.files / one.seconds for one in windows), max(one.bytes / one.seconds for one in windows))


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


# --- in words ---------------------------------------------------------------------------------------------------------

_HOUR, _DAY = 3600, 86_400
#: Lengths that are told, in seconds.
_STEPS = (
    *(60 * one for one in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(_HOUR * one for one in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 24, 36)),
    *(_DAY * one for one in (2, 3, 4, 5, 6, 8, 10, 14, 21, 30)),
)


def in_words(found: Estimate, now: datetime) -> str:
    """``2 to 5 hours``, ``at least 3 hours``, ``unknown yet``; with the reason where there is one."""
    why = f" ({found.reason})" if found.reason else ""
    if found.earliest is None:
        return f"unknown yet{why}"
    first = max((step for step in _STEPS if step <= (found.earliest - now).total_seconds()), default=0)
    if found.latest is None:
        return f"at least {_told(first)}{why}" if first else f"unknown yet{why}"
    wanted = max((found.latest - now).total_seconds(), first + 1)
    last = next((step for step in _STEPS if step >= wanted), None)
    if last is None:
        return f"at least {_told(first)}{why}"
    if not first:
        return f"up to {_told(last)}{why}"
    same = _unit(first) == _unit(last)
    return f"{_number(first) if same else _told(first)} to {_told(last)}{why}"


def _unit(seconds: int) -> tuple[int, str]:
    return (60, "minute") if seconds < _HOUR else (_HOUR, "hour") if seconds < 2 * _DAY else (_DAY, "day")


def _number(seconds: int) -> str:
    return str(seconds // _unit(seconds)[0])


def _told(seconds: int) -> str:
    return f"{_number(seconds)} {_unit(seconds)[1]}{'s' if _number(seconds) != '1' else ''}"
