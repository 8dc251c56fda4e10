"""How much of the school's line may be used: written in bridge.yaml, held by time of day, changed without a restart."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.service import Service
from bridge.settings import SettingsError, load, shown
from bridge.settings.line import DAYS, BandwidthRule, limit_of
from connectors.bandwidth import LINE, unlimited
from tests.daemon.embedded import Embedded

SCHOOL_HOURS = (
    'bandwidth:\n  - {from: "07:30", to: "16:00", days: [mon..fri], up: 1 Mbit/s, down: 4 Mbit/s}\n'
    '  - {from: "22:00", to: "06:00", days: [sat], up: 500 kbit/s}\n'
)


@pytest.mark.parametrize(
    ("moment", "up", "down"),
    [
        ("2026-11-23 07:29", None, None),  # a Monday
        ("2026-11-23 07:30", 125_000, 500_000),
        ("2026-11-27 15:59", 125_000, 500_000),
        ("2026-11-27 16:00", None, None),
        ("2026-11-28 12:00", None, None),
        ("2026-11-28 05:00", None, None),  # Saturday morning: it begins on Saturday evening
        ("2026-11-28 22:00", 62_500, None),
        ("2026-11-29 05:59", 62_500, None),
        ("2026-11-29 06:00", None, None),
    ],
)
def test_school_hours(tmp_path: Path, moment: str, up: float | None, down: float | None) -> None:
    school = Embedded(tmp_path)
    school.config.write_text(school.config.read_text() + SCHOOL_HOURS)
    rules = load(school.config, Catalog()).bridge.bandwidth
    local = datetime.fromisoformat(moment)
    assert (limit_of(rules, "up", local), limit_of(rules, "down", local)) == (up, down)


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("{up: 1000}", "not a speed", '"1 Mbit/s"'),
        ("{up: 1 MB/s}", "not a speed", "kbit/s"),
        ("{up: 8 kbit/s}", "too slow", "64 kbit/s"),
        ("{from: '07:30'}", "limits nothing", "`up`, `down`"),
        ("{days: [monday], up: 1 Mbit/s}", "not a day", "mon..fri"),
        ("{days: mon..fri, up: 1 Mbit/s}", "not a list", "[mon..fri]"),
        ("{from: '7:30', up: 1 Mbit/s}", "time of day", "02:30"),
        ("{untill: '08:00', up: 1 Mbit/s}", "untill", "did you mean"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_right(tmp_path: Path, rule: str, wrong: str, right: str) -> None:
    school = Embedded(tmp_path)
    school.config.write_text(school.config.read_text() + f"bandwidth:\n  - {rule}\n")
    with pytest.raises(SettingsError) as caught:
        load(school.config, Catalog())
    assert wrong in str(caught.value)
    if "did you mean" not in right:
        assert right in str(caught.value)


def test_it_is_shown_as_it_was_written(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.config.write_text(school.config.read_text() + SCHOOL_HOURS)
    (first, _) = shown(load(school.config, Catalog()))["bridge"]["bandwidth"]
    assert first["up"] == "1 Mbit/s"
    assert tuple(first["days"]) == DAYS[:5]


@given(
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=3),
    st.times(),
    st.times(),
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-01-01")),
)
def test_a_rule_and_that_of_the_rest_of_the_day_never_hold_together(
    days: list[str], begins: object, ends: object, local: datetime
) -> None:
    first, last = (f"{one:%H:%M}" for one in (begins, ends))
    whole = [BandwidthRule.model_validate({"from": "00:00", "days": [day], "up": "1 Mbit/s"}) for day in DAYS]
    assert sum(rule.holds(local) for rule in whole) == 1
    if first == last:
        return
    parts = [
        BandwidthRule.model_validate({"from": a, "to": b, "days": list(DAYS), "up": "1 Mbit/s"})
        for a, b in ((first, last), (last, first))
    ]
    assert sum(rule.holds(local) for rule in parts) == 1
    some = BandwidthRule.model_validate({"from": first, "to": last, "days": days, "up": "1 Mbit/s"})
    assert not some.holds(local) or parts[0].holds(local)


def test_a_new_limit_holds_without_a_restart(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    (tmp_path / "run").mkdir()
    before = school.config.read_text()

    async def change() -> list[tuple[float | None, bool]]:
        settings = load(school.config, Catalog())
        seen = []
        with wiring.database(settings, create=True) as database:
            service = Service(settings, Catalog(), database)
            service.scheduler.start()
            for one in settings.schools:
                service._begin(one)
            first = dict(service.supervisors)
            for rate in ("1 Mbit/s", "2 Mbit/s"):
                school.config.write_text(f"{before}bandwidth:\n  - {{up: {rate}}}\n")
                await service._load_anew()
                assert not service.board.configuration_error
                seen.append((LINE._limits("up"), service.supervisors == first))
            service.scheduler.shutdown(wait=False)
            await asyncio.gather(*(one.stop() for one in first.values()))
        return seen

    try:
        assert asyncio.run(change()) == [(125_000, True), (250_000, True)]
    finally:
        LINE.limit(unlimited)


def test_the_time_of_day_is_the_schools_own(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.config.write_text(f"{school.config.read_text()}time_zone: Europe/Berlin\n{SCHOOL_HOURS}")
    settings = load(school.config, Catalog())
    clock = [datetime(2026, 7, 6, 5, 29, tzinfo=UTC)]  # 07:29 in summer
    try:
        wiring.limit_line(settings, Catalog(), clock=lambda: clock[0])
        assert LINE._limits("up") is None
        clock[0] = datetime(2026, 7, 6, 5, 30, tzinfo=UTC)
        assert LINE._limits("up") == 125_000
    finally:
        LINE.limit(unlimited)
