"""``schoolbridge restore``: what was deleted or overwritten comes back, and is mirrored again."""

from pathlib import Path
from typing import Any

import pytest

from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from tests.daemon.folders import Folders, tree
from tests.daemon.test_shares import mirrored


@pytest.fixture
def school(tmp_path: Path) -> Folders:
    one = Folders(tmp_path)
    (one.home / "Deutsch" / "Texte").mkdir(parents=True)
    (one.home / "Deutsch" / "Aufsatz.odt").write_bytes(b"first")
    (one.home / "Deutsch" / "Texte" / "a.txt").write_bytes(b"a")
    (one.home / "Bild.png").write_bytes(b"\x89PNG")
    one.mirror()
    assert tree(one.home) == tree(one.drive)
    return one


def listed(school: Folders, *more: str) -> list[dict[str, Any]]:
    answer = school.run("restore", "0123", *more, "--json")
    assert answer.code == 0, answer.err
    found: list[dict[str, Any]] = answer.json["trash"]
    return found


def test_a_file_deleted_by_the_mirror_comes_back_on_both_sides(school: Folders) -> None:
    before = tree(school.home)
    (school.drive / "Bild.png").unlink()
    school.mirror()
    assert "Bild.png" not in tree(school.home)
    (one,) = listed(school)
    assert (one["path"], one["what"], one["size"]) == ("Bild.png", "deleted", 4)
    answer = school.run("restore", "0123", "Bild.png", "--reason", "was a mistake")
    assert answer.code == 0, answer.err
    assert tree(school.home) == before
    school.mirror()
    assert tree(school.drive) == before
    assert not listed(school)
    school.mirror()
    assert tree(school.drive) == tree(school.home) == before, "and it stays"
    journal = school.run("journal", "verify")
    assert journal.code == 0, journal.out


def test_it_comes_back_by_id_from_the_other_side_too(school: Folders) -> None:
    before = tree(school.home)
    (school.home / "Bild.png").unlink()
    school.mirror()
    assert not listed(school)
    (one,) = listed(school, "--side", "cloud")
    assert school.run("restore", "0123", one["id"], "--side", "cloud").code == 0
    school.mirror()
    assert tree(school.home) == tree(school.drive) == before


def test_a_whole_folder_comes_back_with_what_lay_in_it(school: Folders) -> None:
    before = tree(school.home)
    for path in sorted((school.drive / "Deutsch").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (school.drive / "Deutsch").rmdir()
    school.mirror()
    assert set(tree(school.home)) == {"Bild.png"}
    answer = school.run("restore", "0123", "Deutsch", "--json")
    assert answer.code == 0, answer.out
    assert tree(school.home) == before
    school.mirror()
    assert tree(school.drive) == before


def test_an_overwritten_version_comes_back_beside_the_new_one(school: Folders) -> None:
    (school.drive / "Deutsch" / "Aufsatz.odt").write_bytes(b"second one")
    school.mirror()
    (one,) = listed(school, "--find", "aufsatz")
    assert one["what"] == "overwritten"
    answer = school.run("restore", "0123", "Deutsch/Aufsatz.odt", "--json")
    (back,) = answer.json["restored"]
    assert back["now"].startswith("Deutsch/Aufsatz (restored ")
    assert back["now"].endswith(").odt")
    school.mirror()
    assert tree(school.home) == tree(school.drive)
    assert tree(school.home)["Deutsch/Aufsatz.odt"] == b"second one"
    assert tree(school.home)[back["now"]] == b"first"
    assert len(listed(school)) == 1, "the version stays in the trash until its days are over"


def test_what_lies_at_the_old_place_now_is_never_replaced(school: Folders) -> None:
    (school.drive / "Bild.png").unlink()
    school.mirror()
    (school.home / "Bild.png").write_bytes(b"another")
    assert school.run("restore", "0123", "Bild.png").code == 0
    bodies = sorted(body for path, body in tree(school.home).items() if path.startswith("Bild"))
    assert bodies == [b"another", b"\x89PNG"]


def test_mistakes_change_nothing_and_say_what_is_there(school: Folders) -> None:
    (school.drive / "Bild.png").unlink()
    school.mirror()
    before = tree(school.home)
    for words, told in (
        (("Bild.pgn",), "did you mean Bild.png?"),
        (("Bild.png", "nothing.txt"), "nothing.txt"),
        (("Bild.png", "--owner", "anna7"), "did you mean anna"),
        (("Bild.png", "--share", "hoomes"), "did you mean homes?"),
    ):
        answer = school.run("restore", "0123", *words)
        assert answer.code == 1
        assert told in answer.err
    assert tree(school.home) == before
    assert "did you mean 0123?" in school.run("restore", "0132").err


def test_where_a_side_has_no_list_its_recycle_bin_is_asked_by_id(tmp_path: Path) -> None:
    school = mirrored(tmp_path)
    home = Shelf(tmp_path / "home-anna1.json", MemorySide(name="home"))
    with home.changing() as side:
        folder = side.create("folder", {"name": "Deutsch"})
        anchor = side.create("file", {"name": "Aufsatz.odt", "parent": folder, "modified": "2026-11-23T08:00:00Z"})
    assert school.run("sync").code == 0
    with home.changing() as side:
        side.delete(anchor)
    assert school.run("sync").code == 0
    assert "which" not in school.run("restore", "0123", "--owner", "anna1").err
    assert "whose folder" in school.run("restore", "0123").err
    there = school.run("restore", "0123", "--owner", "anna1", "--side", "cloud", "--json").json["trash"]
    assert [one["path"] for one in there] == ["Deutsch/Aufsatz.odt"]
    words = ("restore", "0123", "Deutsch/Aufsatz.odt", "--owner", "anna1", "--side", "cloud")
    assert school.run(*words).code == 0
    assert school.run("sync").code == 0
    home.refresh()
    assert sorted(str(one.fields["name"]) for one in home.side.records()) == ["Aufsatz.odt", "Deutsch"]
