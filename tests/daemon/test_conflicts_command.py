"""``schoolbridge conflicts``: listed, decided, refused in words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.core.kinds import KINDS
from bridge.core.model import Action, Digest, Operation, Side
from bridge.ports import Done, Observation, Page, Pair, Trouble, Written
from bridge.state import open_database
from tests.daemon.embedded import Embedded

NOW = datetime(2026, 11, 23, 19, 5, tzinfo=UTC)
COPY = "a (conflict cloud 2026-11-23 19-05).txt"


@pytest.fixture
def disputed(tmp_path: Path) -> Embedded:
    """A school with one root in which one file was changed on both sides."""
    one = Embedded(tmp_path)
    one.fill(2)
    assert one.run("sync").code == 0
    database = open_database(f"sqlite:///{tmp_path}/state.db", clock=lambda: NOW)
    store = database.school("0123/homes/anna", {name: KINDS[name] for name in ("folder", "file")})
    seen = Observation("file", "c1", "1", {"name": "a.txt", "content": Digest("sha256", "1", 1)})
    store.fold(Side.CLOUD, Page((seen,), token="t"), now=NOW)
    store.pair([Pair("L1", "file", None, "c1")])
    cut = Operation("L1", "file", Side.CLOUD, Action.DETACH, "c1", before={"name": "a.txt"}, after={"name": COPY})
    store.record([Done(cut, {}, Written("L1", "c1", "2"))], cycle="c", now=NOW)
    database.close()
    return one


def test_conflicts_are_listed_and_decided(disputed: Embedded) -> None:
    (found,) = disputed.run("conflicts", "0123", "--json").json["conflicts"]
    assert (found["path"], found["copy"], found["side"], found["decided"]) == ("/a.txt", f"/{COPY}", "cloud", None)
    assert found["root"] == "0123/homes/anna"
    shown = disputed.run("conflicts").out
    assert found["id"] in shown
    assert "--keep-other" in shown
    answer = disputed.run("conflicts", "0123", "--keep-other", found["id"], "--reason", "asked", "--json")
    assert answer.code == 0
    assert [one["decided"] for one in answer.json["conflicts"]] == ["keep-other"]
    assert "with the next cycle" in disputed.run("conflicts").out


def test_what_can_not_be_decided_is_told(disputed: Embedded) -> None:
    unknown = disputed.run("conflicts", "0123", "--keep-this", "nothing")
    assert unknown.code == 1
    assert 'no open conflict "nothing"' in unknown.err
    twice = disputed.run("conflicts", "0123", "--keep-this", "1", "--keep-both", "2")
    assert twice.code == 1
    assert "one at a time" in twice.err


def test_what_the_guard_holds_in_a_folder_is_released_as_its_message_says(disputed: Embedded) -> None:
    code = "0123/homes/anna"
    database = open_database(f"sqlite:///{disputed.root}/state.db", clock=lambda: NOW)
    store = database.school(code, {name: KINDS[name] for name in ("folder", "file")})
    store.trouble([Trouble("L1", "file", Side.CLOUD, Action.DELETE, "", "guard:delete", "too many", NOW)])
    answer = disputed.run("release", code, "--all", "file:delete", "--reason", "they tidied up", "--json")
    assert (answer.code, answer.json["released"]) == (0, ["L1"])
    assert store.released() == {"L1"}
    database.close()
    unknown = disputed.run("release", "0123/homes/ben", "--all", "file:delete", "--reason", "x")
    assert (unknown.code, "mirrors no folder" in unknown.err) == (1, True)
