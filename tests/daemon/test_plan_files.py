"""``plan`` of shares: what would happen to files, and that looking changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.embedded import person
from tests.daemon.folders import Folders


@pytest.fixture
def school(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def everything(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a directory but those of the state, with content and time; and every row of the state."""
    found = {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith("state.db")
    }
    with sqlite3.connect(root / "state.db") as state:
        found["state"] = ("\n".join(state.iterdump()).encode(), 0)
    return found


def planned(school: Folders, *more: str) -> dict[str, Any]:
    answer = school.run("plan", "--json", *more)
    assert answer.code in {0, 2}, answer.err
    (one,) = answer.json["schools"][0]["shares"]
    found: dict[str, Any] = one
    return found


def counts(plan: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    return {(one["side"], one["kind"], one["action"]): one["count"] for one in plan["counts"]}


def test_what_was_never_mirrored_is_planned_and_nothing_is_written(school: Folders, tmp_path: Path) -> None:
    (school.home / "Deutsch").mkdir()
    for number in range(30):
        (school.home / "Deutsch" / f"{number}.txt").write_bytes(b"x" * 100)
    (school.drive / "from the cloud.txt").write_bytes(b"y" * 7)
    before = everything(tmp_path)
    plan = planned(school, "--limit", "3")
    assert everything(tmp_path) == before
    assert counts(plan) == {
        ("cloud", "folder", "create"): 1,
        ("cloud", "file", "create"): 30,
        ("school", "file", "create"): 1,
    }
    assert plan["bytes"] == {"school": 7, "cloud": 3000}
    assert len(plan["operations"]) == 3
    said = school.run("plan").out
    assert "30 × create file in the cloud" in said
    assert "3.0 kB to the cloud" in said
    assert "anna0 (homes)" in said
    school.mirror()
    assert not counts(planned(school))
    assert "1 folders of shares: nothing to do" in school.run("plan").out
    assert school.run("plan").code == 0


def test_a_plan_of_a_known_root_shows_the_change_alone_and_knows_who_moved(school: Folders, tmp_path: Path) -> None:
    for number in range(5):
        (school.home / f"{number}.txt").write_text(f"text {number}")
    school.mirror()
    (school.home / "0.txt").rename(school.home / "zero.txt")
    (school.home / "1.txt").write_text("changed")
    before = everything(tmp_path)
    plan = planned(school)
    assert everything(tmp_path) == before
    assert counts(plan) == {("cloud", "file", "update"): 2}
    assert plan["bytes"] == {"school": 0, "cloud": len("changed")}
    (renamed,) = (one for one in plan["operations"] if one["after"].get("name"))
    assert (renamed["before"]["name"], renamed["after"]["name"]) == ("0.txt", "zero.txt")


def test_what_the_guard_would_hold_is_shown_as_held(school: Folders) -> None:
    for number in range(80):
        (school.home / f"{number}.txt").write_text(f"text {number}")
    school.mirror()
    for number in range(70):
        (school.home / f"{number}.txt").unlink()
    plan = planned(school, "--limit", "5")
    assert plan["held"] == {"file:guard:delete": 70}
    assert not counts(plan)
    assert len(plan["holds"]) == 5
    assert school.run("plan").code == 2


def test_a_folder_that_is_not_there_yet_is_no_error_and_one_that_is_gone_is(school: Folders) -> None:
    with school.school.changing() as side:
        side.create("user", {**person(7), "login": "neu"})
    assert school.run("sync").code in {0, 1}
    (absent,) = (one for one in school.run("plan", "--json").json["schools"][0]["shares"] if one["no_folder"])
    assert absent["error"] is None
    assert "1 folders of shares: there is no folder yet" in school.run("plan").out
    school.home.rmdir()
    gone = school.run("plan")
    assert gone.code == 1
    assert "It was there before" in gone.out


def test_a_plan_of_people_only_and_of_one_share_only(school: Folders) -> None:
    (school.home / "a.txt").write_text("text")
    assert school.run("plan", "--no-shares", "--json").json["schools"][0]["shares"] == []
    assert counts(planned(school, "--share", "homes"))
    wrong = school.run("plan", "--share", "home")
    assert wrong.code == 1
    assert "homes" in wrong.err
