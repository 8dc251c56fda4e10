"""The forecast: honest ranges, by hand and by properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.cutover import Stage
from bridge.core.forecast import Bottleneck, Range, Ready, Told, ready, simulate
from bridge.core.waves import Calendar, Span, Wave

NOW = datetime(2027, 2, 1, 6, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HYBRID = Told(Stage.HYBRID, files=600, slow=10, fast=20, tenant="t")
SLACK = timedelta(seconds=1)

told = st.builds(
    Told,
    stage=st.sampled_from((Stage.HYBRID, Stage.OBSERVING, Stage.SOAKING)),
    files=st.none() | st.integers(0, 10**6),
    slow=st.none() | st.floats(0.01, 100),
    fast=st.none() | st.floats(100, 1000),
    complete=st.booleans(),
    silent=st.booleans(),
    people=st.integers(0, 3),
    gates=st.integers(0, 3),
    tenant=st.sampled_from(("t", "u")),
)
schools = st.dictionaries(st.sampled_from([f"{n:04}" for n in range(12)]), told, min_size=1)
budgets = st.fixed_dictionaries({}, optional={"t": st.floats(1, 1e4), "u": st.floats(1, 1e4)})


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (HYBRID, Ready(Range(NOW + 30 * timedelta(minutes=1), NOW + HOUR), Bottleneck.LINE)),
        (replace(HYBRID, files=0), Ready(Range(NOW, NOW), Bottleneck.NOTHING)),
        (replace(HYBRID, files=0, people=3, gates=1), Ready(Range(NOW, NOW), Bottleneck.DECISIONS, 3, 1)),
        (replace(HYBRID, files=0, gates=1), Ready(Range(NOW, NOW), Bottleneck.GATES, 0, 1)),
        (replace(HYBRID, slow=None, fast=None), Ready(Range(), Bottleneck.NOTHING_KNOWN)),
        (replace(HYBRID, complete=False), Ready(Range(NOW + HOUR / 2, None), Bottleneck.LINE)),
        (replace(HYBRID, silent=True), Ready(Range(NOW + HOUR / 2, None), Bottleneck.SILENT)),
        (replace(HYBRID, stage=Stage.PAUSED_HYBRID), Ready(Range(NOW + HOUR / 2, None), Bottleneck.DECISIONS)),
        (replace(HYBRID, stage=Stage.PAUSED_HYBRID, files=0), Ready(Range(NOW, None), Bottleneck.DECISIONS)),
        (Told(), Ready(Range(), Bottleneck.NOTHING_KNOWN)),
        (Told(silent=True), Ready(Range(), Bottleneck.SILENT)),
        (replace(HYBRID, stage=Stage.OBSERVING), Ready(Range(), Bottleneck.STAGE)),
        (replace(HYBRID, stage=Stage.SOAKING, moved=NOW - DAY), Ready(Range(NOW - DAY, NOW - DAY), Bottleneck.THROUGH)),
    ],
)
def test_one_school(one: Told, expected: Ready) -> None:
    assert ready({"0101": one}, {}, NOW)["0101"] == expected


def test_a_budget_that_all_share_is_the_bottleneck_of_those_who_feel_it() -> None:
    slow = replace(HYBRID, files=60, slow=1, fast=1)
    found = ready({"a": HYBRID, "b": HYBRID, "c": slow}, {"t": 22}, NOW)
    # At worst a file costs two units: c spends 2 a minute, the others 10 each, which are 5 files a minute.
    assert found["a"].bottleneck is Bottleneck.BUDGET
    assert found["a"].when.latest == NOW + timedelta(minutes=60 + 600 / 11)  # c is through after an hour: then 11 each
    assert found["c"] == Ready(Range(NOW + HOUR, NOW + HOUR), Bottleneck.LINE)


@given(schools, budgets, st.floats(1, 10))
def test_more_budget_makes_nothing_later(some: dict[str, Told], limits: dict[str, float], more: float) -> None:
    before, after = ready(some, limits, NOW), ready(some, {name: one * more for name, one in limits.items()}, NOW)
    for code in some:
        _not_later(after[code].when, before[code].when)
    _not_later(ready(some, {}, NOW)[code].when, before[code].when)


@given(schools, budgets, st.integers(0, 10**6), st.integers(0, 11))
def test_more_backlog_makes_nothing_earlier(
    some: dict[str, Told], limits: dict[str, float], more: int, which: int
) -> None:
    code = sorted(some)[which % len(some)]
    grown = {**some, code: replace(some[code], files=(some[code].files or 0) + more)} if some[code].files else some
    before, after = ready(some, limits, NOW), ready(grown, limits, NOW)
    for one in some:
        _not_later(before[one].when, after[one].when)


@given(schools, budgets, st.randoms())
def test_the_order_of_schools_does_not_matter(some: dict[str, Told], limits: dict[str, float], dice: object) -> None:
    codes = list(some)
    dice.shuffle(codes)  # type: ignore[attr-defined]
    assert ready({code: some[code] for code in codes}, limits, NOW) == ready(some, limits, NOW)


def _not_later(one: Range, other: Range) -> None:
    """None is later than everything, where the other is known."""
    for first, second in ((one.earliest, other.earliest), (one.latest, other.latest)):
        assert second is None or (first is not None and first <= second + SLACK)


def test_waves_follow_each_other_with_pauses_days_and_blackouts() -> None:
    waves = [
        Wave("pilot", ("a",), pause=2 * DAY),
        Wave("north", ("b", "c"), not_before=NOW + 10 * DAY),
        Wave("south", ("d",)),
    ]
    holidays = Calendar(UTC, (Span(NOW + 10 * DAY, NOW + 14 * DAY, "holidays"),))
    found = ready(
        {"a": replace(HYBRID, files=0), "b": HYBRID, "c": replace(HYBRID, files=0), "d": Told(silent=True)}, {}, NOW
    )
    ahead = simulate(waves, found, holidays, NOW, runs=(HOUR, 5 * HOUR))
    assert ahead[0].begins == Range(NOW, NOW)
    assert ahead[0].ends == Range(NOW + HOUR, NOW + 5 * HOUR)
    assert ahead[1].begins == Range(NOW + 14 * DAY, NOW + 14 * DAY)
    assert ahead[1].ends == Range(NOW + 14 * DAY + HOUR, NOW + 14 * DAY + 5 * HOUR)
    assert (ahead[1].last, ahead[1].why) == ("b", Bottleneck.LINE)
    assert ahead[2] == type(ahead[2])("south", Range(), Range(), "d", Bottleneck.SILENT)


def test_nothing_after_a_wave_of_which_nobody_knows_when_it_ends() -> None:
    waves = [Wave("one", ("a",)), Wave("two", ("b",))]
    found = ready({"a": replace(HYBRID, complete=False), "b": replace(HYBRID, files=0)}, {}, NOW)
    ahead = simulate(waves, found, Calendar(UTC), NOW)
    assert ahead[0].ends.earliest is not None
    assert ahead[1].begins.earliest == ahead[0].ends.earliest
    assert ahead[1].begins.latest is None


@given(schools, budgets, st.floats(1, 10))
def test_more_budget_makes_no_wave_later(some: dict[str, Told], limits: dict[str, float], more: float) -> None:
    codes = tuple(sorted(some))
    waves = [Wave("one", codes[: len(codes) // 2] or codes[:1], pause=DAY), Wave("two", codes[len(codes) // 2 :])]
    calendar = Calendar(UTC, (Span(NOW + DAY, NOW + 9 * DAY), Span(NOW + 20 * DAY, NOW + 30 * DAY)))
    rich = {name: one * more for name, one in limits.items()}
    for poor, better in zip(
        simulate(waves, ready(some, limits, NOW), calendar, NOW),
        simulate(waves, ready(some, rich, NOW), calendar, NOW),
        strict=True,
    ):
        _not_later(better.ends, poor.ends)
        assert poor.ends.earliest is None or poor.ends.latest is None or poor.ends.earliest <= poor.ends.latest
