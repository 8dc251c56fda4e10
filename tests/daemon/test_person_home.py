"""A person's folders: their trash is told in an export, and goes with an erasure, as do their state and indexes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.core.model import Side
from bridge.state.roots import BETWEEN
from tests.daemon.folders import Folders, tree
from tests.daemon.test_leavers import Clock, clock  # noqa: F401

SECRET = "Geheimtagebuch-von-A.odt"


@pytest.fixture
def school(tmp_path: Path, clock: Clock) -> Folders:  # noqa: F811
    """Three pupils; the first has a file in the trash of the home, then leaves."""
    one = Folders(tmp_path, people=3)
    for home in one.places(Side.SCHOOL):
        (home / SECRET).write_bytes(b"dear diary")
        (home / "bleibt.txt").write_bytes(b"stays")
    one.mirror()
    for drive in one.places(Side.CLOUD):
        (drive / SECRET).unlink()
    one.mirror()
    return one


def trash(home: Path) -> list[Path]:
    return [path for path in home.rglob(SECRET) if path.is_file()]


def leave(school: Folders, clock: Clock) -> str:  # noqa: F811
    link = str(school.run("explain", "user", "R0", "--json").json["found"][0]["link"])
    with school.school.changing() as side:
        side.delete(school.people[0])
    school.run("sync")
    clock.pass_(days=31)
    school.run("sync")
    return link


def test_an_export_tells_what_lies_in_the_trash(school: Folders) -> None:
    out = school.root / "dossier.json"
    answer = school.run("person", "export", "0123", "R0", "--out", str(out))
    assert answer.code == 0, answer.err
    (folder,) = json.loads(out.read_text())["folders"]
    assert [(one["path"], one["deleted"]) for one in folder["trash"]] == [(SECRET, True)]
    assert folder["indexes"]
    assert not folder["not_readable"]
    rows = json.loads(out.read_text())["stores"]["observation"]
    assert {one["school"].partition(BETWEEN)[0] for one in rows} == {"0123"}
    assert any(one["fields"].get("name") == "bleibt.txt" for one in rows)


def test_an_erasure_takes_trash_indexes_and_state_and_leaves_the_home_and_everybody_else(
    school: Folders,
    clock: Clock,  # noqa: F811
) -> None:
    homes = school.places(Side.SCHOOL)
    link = leave(school, clock)
    assert len(trash(homes[0])) == 1
    (school.places(Side.CLOUD)[0] / "bleibt.txt").unlink()  # of the second pupil, just before
    school.mirror()
    indexes = {path for path in (school.root / "indexes").rglob("*") if path.is_file()}
    out = school.root / "receipt.pdf"
    answer = school.run("person", "erase", "0123", link, "--reason", "request", "--out", str(out), "--json")
    assert answer.code == 0, answer.err
    assert [(one["versions"], one["not_reached"]) for one in answer.json["folders"]] == [(1, "")]
    assert trash(homes[0]) == []
    assert [path for path in homes[1].rglob("bleibt.txt") if path.is_file()] != []
    assert tree(homes[0]) == {"bleibt.txt": b"stays"}  # the home itself is the school's
    left = {path for path in (school.root / "indexes").rglob("*") if path.is_file()}
    assert left < indexes
    told = school.root / "after.json"
    assert school.run("person", "export", "0123", link, "--out", str(told)).code == 0
    # Nothing but the receipt itself, and what the journal keeps of a link that means nobody.
    assert set(json.loads(told.read_text())["stores"]) == {"journal"}
    assert school.run("journal", "verify").code == 0
    school.mirror()


def test_another_folder_at_its_place_is_never_emptied(school: Folders, clock: Clock) -> None:  # noqa: F811
    home = school.places(Side.SCHOOL)[0]
    link = leave(school, clock)
    home.rename(home.with_name("moved"))
    home.mkdir()
    other = home / ".schoolbridge" / "trash"
    other.mkdir(parents=True)
    out = school.root / "receipt.pdf"
    answer = school.run("person", "erase", "0123", link, "--reason", "request", "--out", str(out), "--json")
    assert answer.code == 0, answer.err
    (folder,) = answer.json["folders"]
    assert folder["versions"] == 0
    assert "another folder lies at its place" in folder["not_reached"]
    assert any("its trash was not reached" in one for one in answer.json["left"])
    assert len(trash(home.with_name("moved"))) == 1
