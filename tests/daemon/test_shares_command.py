"""``schoolbridge shares``: what a person reads of the folders of the shares, in words and as JSON."""

from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Action, Side
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.plain_words import words
from bridge.daemon.root_states import State, away, states
from bridge.daemon.share_rows import RootRow, ShareRow
from bridge.ports import Trouble
from bridge.settings import load
from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from tests.daemon.embedded import Embedded
from tests.daemon.test_service import board, daemon
from tests.daemon.test_shares import HOMES, mirrored
from tests.waiting import until


def filled(root: Path) -> Embedded:
    """Three homes, in that of anna1 a folder with a file, all of it mirrored."""
    school = mirrored(root)
    with Shelf(root / "home-anna1.json", MemorySide(name="home")).changing() as side:
        folder = side.create("folder", {"name": "Deutsch"})
        side.create("file", {"name": "Aufsatz.odt", "parent": folder, "modified": "2026-11-23T08:00:00Z"})
    assert school.run("sync").code == 0
    return school


def hold(school: Embedded, rule: str) -> None:
    """Mark the file as held in its root, as the engine does when a side refuses it."""
    settings = load(school.config, Catalog())
    kinds = {name: kind for name, kind in settings.schools[0].kinds().items() if kind.parent}
    with wiring.database(settings, create=False) as database:
        for code in database.schools():
            if "/" not in code:
                continue
            store = database.school(code, kinds)
            for sighting in store.find("Aufsatz"):
                store.trouble(
                    [
                        Trouble(
                            sighting.link or "", "file", Side.CLOUD, Action.UPDATE, "", rule, "400 nameNotAllowed",
                            wiring.now(), 1, None,
                        )
                    ]
                )  # fmt: skip
                return
    raise AssertionError("no such file")


def test_counts_come_from_the_state_also_without_a_daemon(tmp_path: Path) -> None:
    school = filled(tmp_path)
    answer = school.run("shares", "0123", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["daemon"] is False
    rows = answer.json["roots"]
    assert len(rows) == 3
    assert {row["state"] for row in rows} == {"unknown"}
    (full,) = (row for row in rows if row["records"])
    assert full["records"] == {"school:file": 1, "school:folder": 1, "cloud:file": 1, "cloud:folder": 1}
    assert "1 files and 1 folders" in school.run("shares").out


def test_one_owner_by_login_and_a_wrong_name_is_guessed(tmp_path: Path) -> None:
    school = filled(tmp_path)
    assert len(school.run("shares", "0123", "--owner", "ANNA1", "--json").json["roots"]) == 1
    wrong = school.run("shares", "0123", "--owner", "anna7")
    assert wrong.code == 1
    assert "did you mean anna" in wrong.err
    assert "did you mean homes?" in school.run("shares", "0123", "--share", "home").err
    assert "did you mean 0123?" in school.run("shares", "0124").err


def test_what_is_held_is_in_the_report_in_words_for_a_teacher(tmp_path: Path) -> None:
    school = filled(tmp_path)
    assert "All files are on both sides." in school.run("shares", "--report").out
    hold(school, "failed:name_refused")
    (row,) = school.run("shares", "--report", "--json").json["report"]
    assert (row["owner"], row["path"], row["rule"]) == ("anna1", "Deutsch/Aufsatz.odt", "failed:name_refused")
    assert "Rename it" in row["reason"]
    assert "1 held" in school.run("shares").out
    school.school_file.write_text(school.school_file.read_text() + "language: de\n")
    german = school.run("shares", "--report").out
    assert "Bitte umbenennen" in german
    assert "Deutsch/Aufsatz.odt" in german


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_cause_has_words_of_its_own_and_an_unknown_one_general_ones(language: str) -> None:
    rules = ("failed:name_refused", "failed:path_too_long", "waits:busy", "waits:locked", "failed:quota", "guard:mass")
    told = {words(rule, language) for rule in (*rules, "never:heard")}  # type: ignore[arg-type]
    assert len(told) == len(rules) + 1


def test_the_status_file_names_those_that_are_not_in_step() -> None:
    now = wiring.now()
    rows = {name: RootRow() for name in ("rest", "new", "still", "busy", "nobody")}
    for name in ("rest", "still", "busy"):
        rows[name].note({}, frozenset(Side), now)
    rows["still"].fail("the server is gone", now)
    rows["nobody"].wait()
    rows["busy"].doing = "write: 3 of 9"
    found = dict(states({"away": away(ShareRow(rows, {"odd": "{login} is empty"}))}))
    assert {owner: state.state for owner, state in found.items()} == {
        "new": State.WAITS,
        "still": State.STANDS_STILL,
        "busy": State.AT_WORK,
        "nobody": State.WAITS,
        "odd": State.NO_FOLDER,
    }
    assert (found["still"].why, found["still"].since) == ("the server is gone", now.isoformat())
    assert found["busy"].doing == "write: 3 of 9"


def test_with_the_daemon_each_root_has_its_state(tmp_path: Path) -> None:
    school = Embedded(tmp_path, more=HOMES.format(root=tmp_path, key="login") + "schedule: {school_poll: 1s}\n")
    school.fill(2)
    (tmp_path / "home-anna0.json").write_text("broken")
    with daemon(school):
        until((tmp_path / "run" / "status.json").exists)
        until(lambda: _homes(tmp_path).get("complete") == 1 and _homes(tmp_path).get("stopped") == 1)
        rows = {row["state"]: row for row in school.run("shares", "--json").json["roots"]}
        assert set(rows) == {"stands still", "in step"}
        assert rows["stands still"]["since"]
        assert "home-anna0" in rows["stands still"]["why"]


def _homes(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = board(root)["0123"]["shares"].get("homes", {})
    return found
