"""Times as people write them, on the clock of a place. An hour that comes twice, or never, is not guessed.

| written | on the clock | what becomes of it |
|---|---|---|
| with an offset | – | taken as it is |
| without one | once | that moment |
| without one | twice (the clocks go back) | refused, with both readings |
| without one | never (the clocks go forward) | refused, with the moments before and after |
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

WRITTEN = "%Y-%m-%d %H:%M"


class Unclear(ValueError):
    """No moment, or two of them; ``str`` is ``what is wrong|what would be right``."""


def moment(text: str, zone: tzinfo) -> datetime:
    """The moment that is meant, with an offset; raises Unclear."""
    try:
        said = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unclear('not a time|write day and hour like "2026-11-23 18:00"') from None
    if len(text.strip()) <= len("2026-11-23"):
        raise Unclear('the hour is missing|write day and hour like "2026-11-23 18:00"')
    if not 2000 <= said.year < 2100:  # at the ends of the calendar a clock can't be moved
        raise Unclear('not a time of this century|write day and hour like "2026-11-23 18:00"')
    if said.tzinfo is not None:
        return said
    first, second = readings(said, zone)
    if first == second:
        return first
    written = said.strftime(WRITTEN)
    both = " or ".join(f'"{shown(one, zone)}"' for one in sorted((first, second)))
    if _on_clock(first, zone) == said:
        raise Unclear(f"{written} comes twice in that night, because the clocks go back|write which: {both}")
    raise Unclear(f"{written} does not exist, because the clocks go forward in that night|write {both}")


def readings(said: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Both moments that a time without an offset may mean; nearly always the same one."""
    first, second = (said.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def day_begins(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day."""
    return min(readings(datetime.combine(day, time(0)), zone))


def day_ends(day: date, zone: tzinfo) -> datetime:
    """The first moment of the day after."""
    return day_begins(day + timedelta(days=1), zone)


def last_at(clock: time, zone: tzinfo, now: datetime) -> datetime:
    """The last moment, not after ``now``, at which the clock showed that time; once a day, also when it comes twice."""
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=1), today, today - timedelta(days=1), today - timedelta(days=2))
    moments = (min(readings(datetime.combine(day, clock), zone)) for day in days)
    return next(at for at in moments if at <= now)


def shown(at: datetime, zone: tzinfo) -> str:
    """A moment on the clock of the place, with its offset, as it may be written."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="minutes")


def _on_clock(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)
