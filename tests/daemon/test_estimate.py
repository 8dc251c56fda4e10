"""When it will be done: a range that what was seen allows, never before the line's calendar does."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.daemon.estimate import (
    HORIZON,
    NOT_READ,
    PARTLY_STILL,
    STANDS_STILL,
    TOO_FAR,
    TOO_LITTLE,
    Estimate,
    Window,
    estimate,
    in_words,
)
from bridge.engine.load import Amount
from bridge.settings.line import DAYS, BandwidthRule, Calendar

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday
FREE = Calendar()
BERLIN = ZoneInfo("Europe/Berlin")


def rule(**said: Any) -> BandwidthRule:
    return BandwidthRule.model_validate(said)


#: 125,000 bytes a second to the cloud from 7:30 to 16:00.
SCHOOL_HOURS = Calendar((rule(**{"from": "07:30", "to": "16:00", "days": ["mon..fri"], "up": "1 Mbit/s"}),))


def seen(*windows: tuple[float, int], until: datetime = NOW, seconds: float = 60) -> list[Window]:
    """Windows of (files, bytes to the cloud), the last one until then."""
    begun = until - timedelta(seconds=seconds * len(windows))
    return [
        Window(begun + timedelta(seconds=seconds * number), seconds, files, up, 0)
        for number, (files, up) in enumerate(windows)
    ]


STEADY = seen(*[(60, 60_000_000)] * 4)  # a file of a megabyte each second


def minutes(found: Estimate, now: datetime = NOW) -> tuple[float, float]:
    assert found.earliest is not None, found
    assert found.latest is not None, found
    return (found.earliest - now).total_seconds() / 60, (found.latest - now).total_seconds() / 60


def test_a_steady_pace_gives_a_narrow_range_around_the_truth() -> None:
    first, last = minutes(estimate(NOW, Amount(6000, 6_000_000_000, 0), STEADY, calendar=FREE))
    assert (first, last) == (100, 101)


def test_the_range_comes_from_the_slowest_and_the_fastest_window() -> None:
    windows = seen((30, 30_000_000), (60, 60_000_000), (120, 120_000_000), (30, 30_000_000))
    first, last = minutes(estimate(NOW, Amount(6000, 6_000_000_000, 0), windows, calendar=FREE))
    assert (first, last) == (50, 201)


def test_many_small_files_after_few_large_ones_make_it_wide_and_not_wrong() -> None:
    # Large files at 10 MB/s; what is left are small ones of 1 kB, and nobody knows how many of them a second will go.
    first, last = minutes(estimate(NOW, Amount(3000, 3_000_000, 0), seen(*[(3, 600_000_000)] * 4), calendar=FREE))
    assert first < 1
    assert last >= 1000


@pytest.mark.parametrize(
    ("left", "windows", "more", "reason"),
    [
        (Amount(), STEADY, {}, ""),
        (Amount(), STEADY, {"complete": False}, NOT_READ),
        (Amount(1, 1, 0), STEADY[:2], {}, TOO_LITTLE),
        (Amount(1, 1, 0), [], {}, TOO_LITTLE),
        (Amount(1, 1, 0), seen(*[(1, 9)] * 4, seconds=10), {}, TOO_LITTLE),
        (Amount(1, 1, 0), seen(*[(0, 0)] * 9), {}, TOO_LITTLE),
        (Amount(1, 1, 0), STEADY, {"still": Amount(1, 1, 0)}, STANDS_STILL),
    ],
)
def test_it_is_unknown_and_says_why(left: Amount, windows: list[Window], more: dict[str, Any], reason: str) -> None:
    assert estimate(NOW, left, windows, calendar=FREE, **more) == Estimate(reason=reason)


@pytest.mark.parametrize(
    ("left", "more", "reason"),
    [
        (Amount(6000, 6_000_000_000, 0), {"complete": False}, NOT_READ),
        (Amount(6000, 6_000_000_000, 0), {"still": Amount(1, 1, 0)}, PARTLY_STILL),
        (Amount(10**9, 10**15, 0), {}, TOO_FAR),
    ],
)
def test_what_is_no_whole_is_a_lower_bound(left: Amount, more: dict[str, Any], reason: str) -> None:
    found = estimate(NOW, left, STEADY, calendar=FREE, **more)
    assert found.earliest is not None
    assert (found.latest, found.reason) == (None, reason)


def test_the_files_that_the_budget_lets_through_are_a_floor() -> None:
    fast = seen(*[(6000, 6_000_000)] * 4)
    left = Amount(60_000, 60_000_000, 0)
    assert minutes(estimate(NOW, left, fast, calendar=FREE))[0] == 10
    assert minutes(estimate(NOW, left, fast, calendar=FREE, most_files=10))[0] == 100


def test_a_night_without_a_limit_was_seen_and_the_day_is_counted_at_its_limit() -> None:
    night = seen(*[(60, 600_000_000)] * 4, until=NOW - timedelta(hours=6))  # 10 MB a second, at 4 in the morning
    day = seen(*[(1, 7_500_000)] * 4)
    left = Amount(360, 3_600_000_000, 0)
    first, last = minutes(estimate(NOW, left, [*night, *day], calendar=SCHOOL_HOURS))
    # 6 hours at 125,000 a second are 2.7 GB; the rest takes a minute and a half after 16:00.
    assert 360 <= first < last <= 364


def test_with_nothing_seen_but_limited_hours_the_earliest_is_when_the_limit_lets_it() -> None:
    day = seen(*[(1, 7_500_000)] * 4)
    first, last = minutes(estimate(NOW, Amount(3600, 36_000_000_000, 0), day, calendar=SCHOOL_HOURS))
    assert first == 360, "nobody knows how fast it goes after 16:00"
    assert last == pytest.approx(36e9 / 125_000 / 60, abs=2)


def test_a_limit_of_the_other_direction_is_none() -> None:
    down = Calendar((rule(down="64 kbit/s"),))
    assert minutes(estimate(NOW, Amount(6000, 6_000_000_000, 0), STEADY, calendar=down)) == (100, 101)


def test_a_direction_after_the_other_ends_at_the_horizon_as_one_does() -> None:
    slow = seen(*[(1, 60_000_000)] * 4)  # 1 MB a second: 20 days up, 20 days down
    amount = 20 * 86_400 * 1_000_000
    assert estimate(NOW, Amount(1, amount, 0), slow, calendar=FREE).latest is not None
    assert estimate(NOW, Amount(1, amount, amount), slow, calendar=FREE).latest is None


def test_more_in_the_limited_direction_is_not_done_sooner_because_limited_hours_went_well() -> None:
    lunch = Calendar((rule(**{"from": "09:00", "to": "10:00", "down": "40 Mbit/s"}), rule(down="20 Mbit/s")))
    held = [Window(one.begun, 60, 600, 600_000_000, 1) for one in STEADY]
    left = Amount(6000, 6_000_000_000, 0)
    one = estimate(NOW, left, [*held, *STEADY], calendar=lunch)
    other = estimate(NOW, left + Amount(0, 0, 1), [*held, *STEADY], calendar=lunch)
    assert one.latest is not None
    assert other.latest is not None
    assert other.latest >= one.latest


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_the_calendar_keeps_to_the_clocks_on_the_wall_when_they_are_changed(day: str) -> None:
    calendar = Calendar((rule(**{"from": "02:30", "to": "02:45", "up": "1 Mbit/s"}),), BERLIN)
    at = datetime.fromisoformat(f"{day}T00:00:00+01:00").astimezone(UTC)
    for _ in range(40):
        until = calendar.until(at)
        assert until is not None
        while at < until:
            following = at + timedelta(minutes=1)
            assert following > until or calendar.limit("up", at) == calendar.limit("up", until - timedelta(seconds=1))
            at = following
        at = until


# --- whatever is left and whatever was seen ---------------------------------------------------------------------------

_TIMES = st.sampled_from(["00:00", "02:30", "06:00", "07:30", "12:00", "16:00", "22:15"])
_RATES = st.sampled_from(["64 kbit/s", "1 Mbit/s", "40 Mbit/s"])
_RULES = st.builds(
    lambda begins, ends, days, up, down: rule(
        **{"from": begins, "to": ends, "days": days, "up": up, **({"down": down} if down else {})}
    ),
    _TIMES,
    _TIMES,
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=7),
    _RATES,
    st.none() | _RATES,
)
CALENDARS = st.builds(lambda rules, zone: Calendar(tuple(rules), zone), st.lists(_RULES, max_size=3), st.just(BERLIN))
#: Weeks around both changes of the clocks, too.
MOMENTS = st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 30), timezones=st.just(UTC))  # noqa: DTZ001
AMOUNTS = st.builds(Amount, st.integers(0, 10**6), st.integers(0, 10**12), st.integers(0, 10**12))
HISTORY = st.lists(
    st.tuples(st.floats(20, 7200), st.floats(0, 10**4), st.integers(0, 10**9), st.integers(0, 10**9)), max_size=12
)


def history(now: datetime, parts: list[tuple[float, float, int, int]]) -> list[Window]:
    found, at = [], now
    for seconds, files, up, down in parts:
        at -= timedelta(seconds=seconds)
        found.append(Window(at, seconds, files, up, down))
    return found[::-1]


def _late(moment: datetime | None) -> float:
    return math.inf if moment is None else moment.timestamp()


@given(MOMENTS, AMOUNTS, AMOUNTS, HISTORY, CALENDARS, st.none() | st.floats(0.1, 20))
def test_the_earliest_comes_first_and_more_never_ends_sooner(
    now: datetime,
    left: Amount,
    more: Amount,
    parts: list[tuple[float, float, int, int]],
    calendar: Calendar,
    most: float | None,
) -> None:
    windows = history(now, parts)
    one = estimate(now, left, windows, calendar=calendar, most_files=most)
    if one.earliest is not None and one.latest is not None:
        assert now - timedelta(minutes=1) < one.earliest < one.latest
    other = estimate(now, left + more, windows, calendar=calendar, most_files=most)
    if left.files and one.earliest is not None:
        assert other.earliest is not None
        assert one.earliest <= other.earliest
        assert _late(one.latest) <= _late(other.latest)


@given(MOMENTS, AMOUNTS, HISTORY, CALENDARS)
def test_no_estimate_is_earlier_than_the_calendar_allows(
    now: datetime, left: Amount, parts: list[tuple[float, float, int, int]], calendar: Calendar
) -> None:
    windows = history(now, parts)
    found = estimate(now, left, windows, calendar=calendar)
    if found.earliest is None:
        return
    # Minute by minute, as the line itself asks: what may pass until then. Rules begin at whole minutes.
    end = min(found.earliest + timedelta(minutes=1), now + timedelta(days=2))
    for direction, amount in (("up", left.up), ("down", left.down)):
        passed, at = 0.0, now
        while at < end:
            following = min(at.replace(second=0, microsecond=0) + timedelta(minutes=1), end)
            passed += (calendar.limit(direction, at) or math.inf) * (following - at).total_seconds()  # type: ignore[arg-type]
            at = following
        assert end < found.earliest or passed >= amount * (1 - 1e-9)


@given(MOMENTS, CALENDARS)
def test_limits_stay_until_the_time_that_the_calendar_tells(now: datetime, calendar: Calendar) -> None:
    until = calendar.until(now)
    if until is None:
        assert not calendar.rules
        return
    assert now < until <= now + timedelta(hours=26)
    at = now
    while at < until:
        for direction in ("up", "down"):
            assert calendar.limit(direction, at) == calendar.limit(direction, now)  # type: ignore[arg-type]
        at += timedelta(minutes=5)


# --- in words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (130, 290, "2 to 5 hours"),
        (45, 170, "45 minutes to 3 hours"),
        (12, 14, "10 to 15 minutes"),
        (60, 60, "1 to 2 hours"),
        (0, 4, "up to 5 minutes"),
        (0, 0, "up to 1 minute"),
        (3000, 9000, "2 to 8 days"),
        (1500, 3000, "24 hours to 3 days"),
        (130, None, "at least 2 hours (why)"),
        (0, None, "unknown yet (why)"),
        (None, None, "unknown yet (why)"),
        (50_000, 90_000, "at least 30 days"),
    ],
)
def test_words(first: float | None, last: float | None, text: str) -> None:
    moments = [None if one is None else NOW + timedelta(minutes=one) for one in (first, last)]
    assert in_words(Estimate(*moments, reason="" if last is not None else "why"), NOW) == text


@given(st.floats(0, 60 * 24 * 40), st.floats(0, 60 * 24 * 40))
def test_words_are_always_a_range_that_holds_the_estimate(one: float, other: float) -> None:
    first, last = sorted((one, other))
    text = in_words(Estimate(NOW + timedelta(minutes=first), NOW + timedelta(minutes=last)), NOW)
    assert " to " in text or text.startswith(("up to ", "at least "))
    shifted = in_words(Estimate(NOW + timedelta(minutes=first), NOW + timedelta(minutes=last)), NOW)
    assert text == shifted


def test_nothing_beyond_the_horizon() -> None:
    found = estimate(NOW, Amount(10**9, 10**15, 0), STEADY, calendar=FREE)
    assert found.earliest == NOW + HORIZON
