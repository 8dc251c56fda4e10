"""The bridge makes the homes of who has none, moves them with the class, and makes none that was there before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.state import homes as memory
from tests.daemon.accounts import FIRST_UID, known
from tests.daemon.embedded import Answer, Embedded, person
from tests.daemon.test_service import board, daemon
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")

_HOMES = """\
shares:
  - name: homes
    for: user
    make: true
    school: {{connector: folder, base: '{root}/homes', root: '{place}', quiet_seconds: 0}}
    cloud: {{connector: memory, name: drive, path: '{root}/drive-{{cloud_id}}.json', kinds: [folder, file]}}
schedule: {{school_poll: 1s, jitter: 0s}}
guard: {{pause: 0s, thresholds: [{{tally: create, side: school, kind: user, count: {most}}}]}}
"""


class Homes(Embedded):
    """Pupils anna0, anna1 … of class 5a, all of them known to the machine, none with a home."""

    def __init__(
        self, root: Path, *, people: int = 2, place: str = "{login}", most: int = 50, stage: str = "hybrid"
    ) -> None:
        super().__init__(root, more=_HOMES.format(root=root, place=place, most=most), stage=stage)
        self.fill(people)
        self.homes = root / "homes"
        self.homes.mkdir()
        (root / "run").mkdir()
        self.extra = known(root, [f"anna{number}" for number in range(people)])

    def mirror(self, *, code: int = 0) -> Answer:
        """One cycle, as a process that knows the accounts."""
        answer = self.start("sync")
        assert answer.code == code, answer.err + answer.out
        return answer

    def there(self) -> list[str]:
        """All homes, and whatever else is in their folder."""
        return sorted(str(path.relative_to(self.homes)) for path in self.homes.rglob("*") if path.is_dir())

    def journaled(self) -> list[tuple[str, str]]:
        """(action, anchor) of what the journal says of homes."""
        rows = self.run("journal", "show", "--limit", "500", "--json").json["rows"]
        return [(one["action"], one["anchor"]) for one in rows if one["kind"] == "folder"]

    def advance(self, number: int, name: str) -> None:
        """The directory puts a pupil into another class."""
        with self.school.changing() as side:
            for group in side.records("group"):
                members = group.fields.get("members")
                if isinstance(members, frozenset):
                    side.change(group.anchor, {"members": members - {self.people[number]}})
            group_ = {"source_anchor": f"G{name}", "display_name": name, "role": "class", "nickname_base": name}
            side.create("group", {**group_, "members": frozenset({self.people[number]})})


def test_homes_are_made_with_their_owners_and_mirrored(tmp_path: Path) -> None:
    school = Homes(tmp_path)
    school.mirror()
    assert school.there() == ["anna0", "anna1"]
    for number, name in enumerate(school.there()):
        state = (school.homes / name).stat()
        assert (state.st_uid, state.st_mode & 0o777) == (FIRST_UID + number, 0o700)
    assert sorted(action for action, _ in school.journaled()) == ["create", "create", "intend", "intend"]
    (school.homes / "anna0" / "Aufsatz.odt").write_text("Es war einmal")
    school.mirror()
    assert "Aufsatz.odt" in "".join(path.read_text() for path in tmp_path.glob("drive-*.json"))
    assert sorted(action for action, _ in school.journaled()) == ["create", "create", "intend", "intend"]
    assert "anna" not in str(school.run("journal", "show", "--limit", "500", "--json").json["rows"][-4:])


def test_a_home_that_was_there_is_never_made_again(tmp_path: Path) -> None:
    school = Homes(tmp_path)
    school.mirror()
    (school.homes / "anna0" / "Aufsatz.odt").write_text("Es war einmal")
    school.mirror()
    drives = {path: path.read_bytes() for path in tmp_path.glob("drive-*.json")}
    shutil.rmtree(school.homes / "anna0")
    for _ in range(2):
        assert "It was there before" in school.mirror(code=1).err
    assert school.there() == ["anna1"]
    assert {path: path.read_bytes() for path in tmp_path.glob("drive-*.json")} == drives


def test_a_stage_that_writes_nothing_makes_none_and_the_plan_says_what_would_be(tmp_path: Path) -> None:
    school = Homes(tmp_path)
    school.school_file.write_text(school.school_file.read_text().replace("make: true", "make: false"))
    school.mirror()
    school.school_file.write_text(school.school_file.read_text().replace("make: false", "make: true"))
    assert school.run("stage", "0123", "pause", "--reason", "holidays").code == 0
    school.mirror()
    rows = school.run("plan", "--json").json["schools"][0]["shares"]
    assert [one["makes_folder"] for one in rows] == [True, True]
    assert "would be made in the school" in school.run("plan").out
    assert school.there() == []
    assert school.journaled() == []


def test_who_is_disabled_or_unknown_to_the_machine_gets_none(tmp_path: Path) -> None:
    school = Homes(tmp_path, people=3)
    school.extra = known(tmp_path, [])
    school.mirror()
    with school.school.changing() as side:
        side.change(school.people[0], {"enabled": False})
    school.extra = known(tmp_path, ["anna0", "anna1"])
    school.mirror()
    assert school.there() == ["anna1"]
    with daemon(school):
        until(lambda: homes(school).get("waiting") == 2)
        out = school.run("shares", "0123", "--owner", "anna2").out
        assert "does not know its owner's account" in out.replace("\n", " ")


def homes(school: Embedded) -> dict[str, Any]:
    try:
        found: dict[str, Any] = board(school.root)["0123"]["shares"].get("homes", {})
    except FileNotFoundError:
        return {}
    return found


def test_too_many_at_once_are_held_until_a_person_releases_them(tmp_path: Path) -> None:
    school = Homes(tmp_path, people=4, most=3)
    said = school.mirror(code=1).err
    assert "4 folders of role pupil are missing" in said
    assert "3 may be made at once" in said
    assert school.there() == []
    held = school.run("quarantine", "--json").json["held"]
    assert [(one["kind"], one["rule"]) for one in held] == [("folder", "guard:create")] * 4
    rows = school.run("plan", "--json").json["schools"][0]["shares"]
    assert all("3 may be made at once" in one["folder_held"] and not one["makes_folder"] for one in rows)
    school.mirror(code=1)
    assert [one["since"] for one in school.run("quarantine", "--json").json["held"]] == [one["since"] for one in held]
    assert school.run("release", "0123", held[0]["link"], "--reason", "checked").code == 0
    school.mirror(code=1)
    assert 1 <= len(school.there()) < 4
    assert school.run("release", "0123", "--all", "folder:create", "--reason", "checked").code == 0
    school.mirror()
    assert len(school.there()) == 4
    assert school.run("quarantine", "--json").json["held"] == []


def test_all_that_are_held_are_released_at_once(tmp_path: Path) -> None:
    school = Homes(tmp_path, people=5, most=0)
    school.mirror(code=1)
    assert school.run("release", "0123", "--all", "folder:create", "--reason", "the first homes").code == 0
    school.mirror()
    assert len(school.there()) == 5
    assert school.run("quarantine", "--json").json["held"] == []


def test_those_that_were_made_lately_count(tmp_path: Path) -> None:
    school = Homes(tmp_path, people=3, most=3)
    school.mirror()
    with school.school.changing() as side:
        side.create("user", {**person(7), "login": "anna7"})
    school.extra = known(tmp_path, ["anna0", "anna1", "anna2", "anna7"])
    assert "(3 more were made recently)" in school.mirror(code=1).err
    assert len(school.there()) == 3


def test_a_disk_that_is_not_mounted_is_not_filled_with_homes(tmp_path: Path) -> None:
    school = Homes(tmp_path)
    school.mirror()
    school.homes.rename(tmp_path / "disk")
    school.homes.mkdir()
    with school.school.changing() as side:
        side.create("user", {**person(7), "login": "anna7"})
    school.extra = known(tmp_path, ["anna0", "anna1", "anna7"])
    assert "not one of 2 folders that are known was there" in school.mirror(code=1).err
    assert school.there() == []
    school.homes.rmdir()
    (tmp_path / "disk").rename(school.homes)
    school.mirror()
    assert school.there() == ["anna0", "anna1", "anna7"]


def test_a_home_moves_with_its_class_and_a_folder_of_another_class_is_not_doubled(tmp_path: Path) -> None:
    school = Homes(tmp_path, place="{class}/{login}")
    (school.homes / "6a" / "anna1").mkdir(parents=True)  # somebody made it where it will be next year
    school.advance(1, "6a")
    school.mirror()
    assert school.there() == ["5a", "5a/anna0", "6a", "6a/anna1"]
    identity = (school.homes / "5a" / "anna0").stat().st_ino
    (school.homes / "5a" / "anna0" / "Aufsatz.odt").write_text("Es war einmal")
    school.mirror()
    drives = {path: path.read_bytes() for path in tmp_path.glob("drive-*.json")}
    school.advance(0, "7c")
    assert "lies at" not in school.mirror().err
    assert (school.homes / "7c" / "anna0").stat().st_ino == identity
    assert school.there() == ["5a", "6a", "6a/anna1", "7c", "7c/anna0"]
    assert {path: path.read_bytes() for path in tmp_path.glob("drive-*.json")} == drives
    assert [action for action, _ in school.journaled()][-1] == "move"
    # Something is at the new place already: nothing is touched, and it goes on where it lies.
    school.advance(0, "8d")
    (school.homes / "8d" / "anna0").mkdir(parents=True)
    assert "a new one was made before the old one was moved" in school.mirror(code=1).err
    assert (school.homes / "7c" / "anna0" / "Aufsatz.odt").exists()


def test_who_lies_in_another_class_already_is_not_given_a_second_home(tmp_path: Path) -> None:
    school = Homes(tmp_path, place="{class}/{login}")
    school.advance(1, "6a")
    (school.homes / "6a" / "anna0").mkdir(parents=True)
    school.mirror()
    assert school.there() == ["6a", "6a/anna0", "6a/anna1"]


@pytest.mark.parametrize("step", ["intend", "note"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_beside_the_journal_makes_no_second_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool
) -> None:
    school = Homes(tmp_path, people=1)
    with school.school.changing() as side:
        side.change(school.people[0], {"login": "nobody"})  # whom this process knows without further ado
    school.extra = {}
    real: Callable[..., None] = getattr(memory, step)

    def dies(*args: Any) -> None:
        if after:
            real(*args)
        raise OSError("the power failed")

    with monkeypatch.context() as failing:
        failing.setattr(memory, step, dies)
        assert school.run("sync").code != 0
    identity = [path.stat().st_ino for path in school.homes.iterdir()]
    assert len(identity) == (1 if step == "note" else 0)
    for _ in range(2):
        assert school.run("sync").code == 0
    assert school.there() == ["nobody"]
    assert identity in ([], [(school.homes / "nobody").stat().st_ino])
    assert [action for action, _ in school.journaled()].count("intend") == 1


def test_the_daemon_makes_the_home_of_a_newcomer_and_says_so(tmp_path: Path) -> None:
    school = Homes(tmp_path, people=1)
    school.extra = known(tmp_path, ["anna0", "anna7"])
    with daemon(school):
        until(lambda: homes(school).get("complete") == 1)
        with school.school.changing() as side:
            side.create("user", {**person(7), "login": "anna7"})
        until(lambda: homes(school).get("complete") == 2)
        # While it is looked at again, that is what is said of it.
        until(lambda: "its folder was made by the bridge" in school.run("shares", "0123", "--owner", "anna7").out)
        shutil.rmtree(school.homes / "anna7")
        until(lambda: homes(school).get("stopped") == 1)
        assert school.there() == ["anna0"]
    assert "anna7" not in (tmp_path / "log").read_text().replace(str(school.homes / "anna7"), "")


def test_only_homes_of_people_are_made(tmp_path: Path) -> None:
    school = Homes(tmp_path)
    school.school_file.write_text(school.school_file.read_text().replace("for: user", "for: group"))
    answer = school.run("check")
    assert answer.code == 1
    assert "only homes of people are made" in answer.err + answer.out
