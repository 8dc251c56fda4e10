"""Waves and blackouts: each row of the table, and the clock on the nights when it is changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.cutover import Stage
from bridge.core.local_time import Unclear, day_begins, day_ends, last_at, moment, shown
from bridge.core.waves import THROUGH, Calendar, Place, Span, Wave, failed, hindrance, may_start, stopped

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)
HYBRID, SOAKING = Place(Stage.HYBRID), Place(Stage.SOAKING, moved=NOW - timedelta(days=2))
FAILED = Place(Stage.HYBRID, failed=True)
PILOT, NEXT = Wave("pilot", ("a",)), Wave("three", ("b", "c", "d"), stop_after=2)
OPEN = Calendar(BERLIN)


def why(code: str, *, waves: tuple[Wave, ...] = (PILOT, NEXT), calendar: Calendar = OPEN, **places: Place) -> str:
    return may_start(code, waves=waves, places=places, calendar=calendar, now=NOW)


def test_without_waves_any_school_may_begin() -> None:
    assert why("x", waves=()) == ""


def test_the_first_wave_begins_and_the_next_one_waits_for_all_of_it() -> None:
    assert why("a", a=HYBRID) == ""
    assert "wave pilot is not through" in why("b", a=HYBRID, b=HYBRID)
    assert ": a" in why("b", b=HYBRID), "a school that the state does not know is not through"
    assert why("b", a=SOAKING, b=HYBRID) == ""


def test_a_school_in_no_wave_does_not_begin() -> None:
    assert "in no wave" in why("x", a=SOAKING)


def test_a_wave_does_not_begin_before_its_day() -> None:
    late = Wave("late", ("a",), not_before=NOW + timedelta(hours=1))
    assert "does not begin before 2026-09-14 15:00+02:00" in why("a", waves=(late,), a=HYBRID)
    assert why("a", waves=(Wave("late", ("a",), not_before=NOW),), a=HYBRID) == ""


def test_the_pause_after_a_wave_counts_from_its_last_school() -> None:
    pilot = Wave("pilot", ("a", "z"), pause=timedelta(days=7))
    early = Place(Stage.CLOUD, moved=NOW - timedelta(days=30))
    assert "pause until 2026-09-19" in why("b", waves=(pilot, NEXT), a=SOAKING, z=early)
    assert why("b", waves=(pilot, NEXT), a=early, z=early) == ""


def test_a_wave_stops_after_so_many_failures_and_those_may_try_again() -> None:
    assert why("d", a=SOAKING, b=FAILED) == ""
    text = why("d", a=SOAKING, b=FAILED, c=FAILED)
    assert "stopped: 2 failed (b, c)" in text
    assert "stop_after" in text
    assert why("b", a=SOAKING, b=FAILED, c=FAILED) == ""
    through = Place(Stage.SOAKING, moved=NOW, failed=True)
    assert why("d", a=SOAKING, b=through, c=FAILED) == "", "what is through did not fail"


def test_a_blackout_counts_for_every_school_and_tells_its_end() -> None:
    exams = Span(NOW - timedelta(hours=1), NOW + timedelta(days=1), "exams")
    more = Span(NOW + timedelta(days=1), NOW + timedelta(days=3), "holidays")
    text = why("a", calendar=Calendar(BERLIN, (exams, more)), a=HYBRID)
    assert "before 2026-09-17 14:00+02:00" in text
    assert "exams" in text
    found = hindrance("a", waves=(), places={}, calendar=Calendar(BERLIN, (exams,)), now=NOW)
    assert found is not None
    assert (found.cause, found.until) == ("blackout", exams.ends)


def test_a_blackout_ends_with_its_last_moment() -> None:
    span = Span(NOW - timedelta(hours=1), NOW)
    assert Calendar(BERLIN, (span,)).closed(NOW) is None
    assert Calendar(BERLIN, (Span(NOW, NOW + timedelta(minutes=1)),)).closed(NOW) is not None


_places = st.builds(Place, st.sampled_from(Stage), st.none() | st.just(NOW - timedelta(days=1)), st.booleans())
_codes = st.sampled_from("abcdefgh")


@st.composite
def _plans(draw: st.DrawFn) -> tuple[tuple[Wave, ...], dict[str, Place]]:
    codes = draw(st.permutations("abcdefgh"))
    cuts = sorted(draw(st.lists(st.integers(1, 7), max_size=3, unique=True)))
    parts = [codes[first:last] for first, last in zip([0, *cuts], [*cuts, 8], strict=True)]
    waves = tuple(
        Wave(f"w{number}", tuple(part), stop_after=draw(st.integers(1, 3))) for number, part in enumerate(parts)
    )
    return waves, draw(st.dictionaries(_codes, _places))


@given(_plans(), _codes)
def test_no_school_overtakes_an_earlier_wave(plan: tuple[tuple[Wave, ...], dict[str, Place]], code: str) -> None:
    waves, places = plan
    answer = may_start(code, waves=waves, places=places, calendar=OPEN, now=NOW)
    order = next(number for number, wave in enumerate(waves) if code in wave.schools)
    before = [one for wave in waves[:order] for one in wave.schools]
    missing = [one for one in before if one not in places or places[one].stage not in THROUGH]
    mine = waves[order]
    blocked = stopped(mine, places) and code not in failed(mine, places)
    assert (answer == "") == (not missing and not blocked)


@given(_plans())
def test_some_school_may_always_go_on(plan: tuple[tuple[Wave, ...], dict[str, Place]]) -> None:
    """The order never locks itself: unless all are through, at least one that isn't may begin."""
    waves, places = plan
    left = [one for wave in waves for one in wave.schools if one not in places or not places[one].through]
    answers = [may_start(one, waves=waves, places=places, calendar=OPEN, now=NOW) for one in left]
    assert not left or "" in answers


# -- the clock


def test_a_time_is_taken_on_the_schools_clock() -> None:
    assert moment("2026-11-23 18:00", BERLIN) == datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    assert moment("2026-07-01T18:00", BERLIN) == datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
    assert moment("2026-07-01 18:00+00:00", BERLIN) == datetime(2026, 7, 1, 18, 0, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_refused_with_both_readings() -> None:
    with pytest.raises(Unclear, match="comes twice") as found:
        moment("2026-10-25 02:30", BERLIN)
    for reading in ("2026-10-25 02:30+02:00", "2026-10-25 02:30+01:00"):
        assert reading in str(found.value)
        moment(reading, BERLIN)


def test_an_hour_that_never_comes_is_refused_with_both_readings() -> None:
    with pytest.raises(Unclear, match="does not exist") as found:
        moment("2026-03-29 02:30", BERLIN)
    for reading in ("2026-03-29 01:30+01:00", "2026-03-29 03:30+02:00"):
        assert reading in str(found.value)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-11-23", "18:00", "2026-13-01 10:00", "0001-01-01 00:00"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Unclear, match="2026-11-23 18:00"):
        moment(text, BERLIN)


ZONES = st.sampled_from(["Europe/Berlin", "Europe/London", "America/St_Johns", "Australia/Lord_Howe", "UTC"])
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, ZONES)
def test_what_is_shown_can_be_written_and_means_the_same(at: datetime, name: str) -> None:
    zone, at = ZoneInfo(name), at.replace(second=0, microsecond=0)
    assert moment(shown(at, zone), zone) == at
    try:
        again: datetime | None = moment(shown(at, zone)[:16], zone)
    except Unclear as error:
        again = at if shown(at, zone) in str(error) else None  # one of the readings has to be this moment
    assert again == at


@given(st.dates(date(2020, 1, 1), date(2035, 1, 1)), ZONES)
def test_days_follow_each_other_without_a_gap(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    begins, ends = day_begins(day, zone), day_ends(day, zone)
    assert timedelta(hours=22) < ends - begins < timedelta(hours=26)
    assert ends == day_begins(day + timedelta(days=1), zone)
    assert begins.astimezone(zone).date() == day


@given(MOMENTS, ZONES, st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_day_comes_once_a_day(at: datetime, name: str, hour: int, minute: int) -> None:
    zone, clock = ZoneInfo(name), time(hour, minute)
    last = last_at(clock, zone, at)
    assert timedelta(0) <= at - last < timedelta(hours=26)
    assert last_at(clock, zone, last) == last
    before = last_at(clock, zone, last - timedelta(minutes=1))
    assert timedelta(hours=22) < last - before < timedelta(hours=26)
