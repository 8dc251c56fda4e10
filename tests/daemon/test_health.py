"""Healthy is said only of what went through whole cycles in time; all else has a cause and a time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Side
from bridge.daemon import board as boards
from bridge.daemon.board import Board, SchoolRow, SideRow
from bridge.daemon.health import Colour, judge
from bridge.ports import ConfigurationError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ago(**length: float) -> str:
    return (NOW - timedelta(**length)).isoformat()


def tree(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "observed": True,
        "since": ago(hours=1),
        "error": "",
        "error_since": None,
        "sides": {
            "school": {"period": 60, "complete": ago(seconds=30)},
            "cloud": {"period": 300, "complete": ago(seconds=200)},
        },
    }
    top = {
        name: changes.pop(name) for name in ("beat", "configuration_error", "configuration_since") if name in changes
    }
    sides = {side: {**facts, **changes.pop(side, {})} for side, facts in row["sides"].items()}
    return {"beat": ago(seconds=5), **top, "schools": {"0123": {**row, "sides": sides, **changes}}}


@pytest.mark.parametrize(
    ("found", "colour", "text", "since"),
    [
        (tree(), Colour.GREEN, "", None),
        (None, Colour.RED, "the daemon is not running", None),
        (tree(beat=ago(minutes=2)), Colour.RED, "not running any more", ago(minutes=2)),
        (tree(beat="yesterday"), Colour.RED, "not running any more", None),
        ({"beat": ago(seconds=1), "schools": {}}, Colour.RED, "does not know this school", None),
        (tree(school={"complete": ago(minutes=4)}), Colour.AMBER, "school side", ago(minutes=4)),
        (tree(school={"complete": ago(minutes=7)}), Colour.RED, "school side", ago(minutes=7)),
        (tree(cloud={"complete": ago(minutes=12)}), Colour.AMBER, "cloud side", ago(minutes=12)),
        (tree(cloud={"complete": ago(minutes=27)}), Colour.RED, "cloud side", ago(minutes=27)),
        (tree(cloud={"complete": None}, since=ago(minutes=1)), Colour.AMBER, "not gone through", ago(minutes=1)),
        (tree(cloud={"complete": None}, since=ago(hours=1)), Colour.RED, "not gone through", ago(hours=1)),
        (tree(error="no answer", error_since=ago(minutes=1)), Colour.AMBER, "no answer", ago(minutes=1)),
        (tree(error="no answer", error_since=ago(minutes=11)), Colour.RED, "no answer", ago(minutes=11)),
        (tree(moved=ago(seconds=30)), Colour.GREEN, "", None),
        (tree(moved=ago(minutes=2)), Colour.AMBER, "gets no further", ago(minutes=2)),
        (tree(moved=ago(minutes=11)), Colour.RED, "gets no further", ago(minutes=11)),
        (
            tree(configuration_error="a.yaml:1:1: x", configuration_since=ago(minutes=3)),
            Colour.AMBER,
            "a.yaml:1:1: x",
            ago(minutes=3),
        ),
        (tree(observed=False, cloud={"complete": None}), Colour.GREEN, "", None),
    ],
)
def test_the_table(found: dict[str, Any] | None, colour: Colour, text: str, since: str | None) -> None:
    health = judge(found, "0123", NOW)
    assert health.colour is colour
    if colour is Colour.GREEN:
        assert health.causes == ()
    else:
        assert text in health.causes[0].text
        found_since = health.causes[0].since
        assert (found_since.isoformat() if found_since else None) == since


def test_what_a_roll_back_could_not_give_back_is_amber_until_it_is() -> None:
    """The cycle right after the roll back may still do it."""
    late, soon = NOW - timedelta(minutes=5), NOW - timedelta(seconds=30)
    assert judge(tree(), "0123", NOW, owed=26, owed_since=soon).colour is Colour.GREEN
    health = judge(tree(owing="grant This.Right"), "0123", NOW, owed=26, owed_since=late)
    (cause,) = health.causes
    assert (health.colour, cause.kind, cause.count, cause.since) == (Colour.AMBER, "authority", 26, late)
    assert cause.text.startswith("the cloud still masters 26 people and groups")
    assert cause.text.endswith(": grant This.Right")
    (cause,) = judge(tree(), "0123", NOW, owed=1, owed_since=late).causes
    assert "1 person or group" in cause.text
    assert "schoolbridge check --online" in cause.text


def test_what_is_held_is_never_green_and_the_worst_comes_first() -> None:
    health = judge(tree(cloud={"complete": ago(hours=2)}), "0123", NOW, held=3, held_since=NOW)
    assert [cause.colour for cause in health.causes] == [Colour.RED, Colour.AMBER]
    assert judge(tree(), "0123", NOW, held=1).colour is Colour.AMBER


def test_an_error_keeps_its_first_time_and_ends_with_a_whole_cycle(tmp_path: Path) -> None:
    board = Board(tmp_path / boards.FILE, pid=1, started=NOW.isoformat())
    board.schools["0123"] = SchoolRow(sides={side.value: SideRow(60) for side in Side})
    assert board.fail("0123", "no answer", NOW)
    assert not board.fail("0123", "no answer", NOW + timedelta(minutes=1)), "told once, not each time"
    assert board.fail("0123", "another", NOW + timedelta(minutes=2))
    assert board.schools["0123"].error_since == NOW.isoformat()
    assert board.complete("0123", frozenset({Side.CLOUD}), NOW)
    assert (board.schools["0123"].error, board.schools["0123"].sides["school"].complete) == ("", None)
    board.write(NOW)
    read = boards.read(tmp_path)
    assert read is not None
    assert read["schools"]["0123"]["sides"]["cloud"] == {"period": 60, "complete": NOW.isoformat()}


def test_a_broken_status_file_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", "{"):
        (tmp_path / boards.FILE).write_text(text)
        assert boards.read(tmp_path) is None


def test_the_runtime_directory_is_made_or_missed_clearly(tmp_path: Path) -> None:
    boards.prepare(tmp_path / "run")
    boards.prepare(tmp_path / "run")
    with pytest.raises(ConfigurationError, match="create it"):
        boards.prepare(tmp_path / "no" / "run")


def test_who_can_not_be_told_makes_it_amber() -> None:
    known = {**tree(), "telling": {"it": {"why": "the server can't be reached", "since": NOW.isoformat()}}}
    health = judge(known, "0123", NOW)
    assert health.colour is Colour.AMBER
    assert "schoolbridge notify test it" in health.causes[0].text
    assert (health.causes[0].kind, health.causes[0].subject) == ("telling", "it")
