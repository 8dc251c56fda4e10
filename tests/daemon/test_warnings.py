"""What a side warns of stands in the status until that side is read without it; it colours, and is no error."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.commands.operations import _grouped
from bridge.core.model import Side
from bridge.daemon import turn, watched, wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.health import Colour, judge
from bridge.engine.bridged import Report
from bridge.engine.wrap import Wrapped
from bridge.ports import Page, Unreachable
from bridge.settings import load
from tests.daemon.embedded import Embedded, person

Step = tuple[dict[Side, tuple[str, ...]], set[Side], bool]


class Complaining(Wrapped):
    """Warns with each page; breaks off where told to."""

    said: tuple[str, ...] = ()
    broken: Unreachable | None = None

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        if self.broken:
            raise self.broken
        async for page in super().observe(token, recall=recall):
            yield replace(page, warnings=self.said)


async def turns(school: Embedded, *steps: Step) -> list[Report]:
    """Cycles over sides that warn, or break off."""
    settings = load(school.config, Catalog())
    settings.runtime.mkdir(exist_ok=True)
    one = settings.schools[0]
    reports = []
    with wiring.database(settings, create=True) as database:
        store = database.school(one.code, one.kinds())
        turn.begin(store, one, settings.runtime)
        async with wiring.bridged(settings, Catalog(), one, store) as bridged:
            wrapped = {side: Complaining(connector) for side, connector in bridged.connectors.items()}
            bridged.connectors = wrapped
            for warnings, sides, broken in steps:
                for side, connector in wrapped.items():
                    connector.said = warnings.get(side, ())
                    connector.broken = Unreachable("no answer", retry_after=40) if broken else None
                reports.append(await turn.turn(bridged, one, store, sides=sides))
    return reports


def test_a_warning_stands_until_its_side_is_read_without_it(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(1)
    moved = "OU=A is now OU=B: its people are kept"
    asyncio.run(turns(school, ({Side.SCHOOL: (moved,)}, set(Side), False)))

    def shown() -> list[dict[str, str]]:
        answer = school.run("status", "--json").json["schools"][0]
        causes = [one for one in answer["causes"] if one["text"] == moved]
        assert causes == [{"colour": "amber", "text": moved, "since": None} for _ in answer["warnings"]]
        assert "warned" not in answer["last_cycle"]["counts"]
        return list(answer["warnings"])

    assert shown() == [{"side": "school", "text": moved}]
    assert moved in school.run("status").out
    asyncio.run(turns(school, ({}, {Side.CLOUD}, False), ({}, {Side.SCHOOL}, True)))
    assert shown() == [{"side": "school", "text": moved}], "the other side and a failure prove nothing"
    asyncio.run(turns(school, ({}, {Side.SCHOOL}, False)))
    assert shown() == []


def test_a_side_that_asks_for_a_pause_gets_it_within_reason(tmp_path: Path) -> None:
    (report,) = asyncio.run(turns(Embedded(tmp_path), ({}, set(Side), True)))
    assert (report.error, report.retry_after) == ("no answer", 40)
    assert watched.pause_after(1) == watched.FIRST_PAUSE
    assert watched.pause_after(1, 40) == 40
    assert watched.pause_after(50, 40) == watched.LONGEST_PAUSE
    assert watched.pause_after(1, 10**9) == watched.MOST_PATIENCE


def test_warnings_colour_the_health_as_such() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    row = {"observed": True, "since": now.isoformat(), "error": "", "sides": {}}
    tree = {"beat": now.isoformat(), "schools": {"0123": row}}
    assert judge(tree, "0123", now).colour is Colour.GREEN
    assert judge(tree, "0123", now, warnings=["an OU was renamed"]).colour is Colour.AMBER


@pytest.mark.parametrize("number", [1, 3])
def test_a_plan_says_once_what_holds_for_many(tmp_path: Path, number: int) -> None:
    school = Embedded(tmp_path)
    with school.school.changing() as side:
        for count in range(number):
            side.create("user", {**person(count), "consent": False})
    said = school.run("plan").out
    assert said.count("no consent, no account") == 1
    assert (f"{number} × user: " in said) == (number > 1)
    assert len(school.run("plan", "--json").json["schools"][0]["messages"]) == number


def test_only_what_is_the_same_is_grouped() -> None:
    several = ["a: user 1: x.", "a: user 2: x.", "a: group 3: x.", "a: user 4: y.", "something else"]
    assert _grouped(several) == ["a: 2 × user: x. Whom: schoolbridge quarantine", *several[2:]]


def test_a_cloud_that_lost_everything_right_after_the_mirror_is_not_called_healthy(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(40)
    assert school.run("sync").code == 0
    with school.cloud.changing() as side:
        for one in list(side.records()):
            side.entries.pop(one.anchor)
        side.epoch += 1  # as a server that was set back: its old tokens are worth nothing
    school.run("sync", "--full")
    (row,) = school.run("status", "--json").json["schools"]
    assert row["doubts"] == {"cloud": 41}
    assert any("shows 41 records otherwise" in one["text"] for one in row["causes"])
