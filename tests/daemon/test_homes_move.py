"""A year change: pupils get another class, and their folders are moved to the new class's, sooner or later."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.roots import roots_of
from bridge.settings import load
from tests.daemon.embedded import Embedded, person
from tests.daemon.folders import tree
from tests.daemon.test_service import board, daemon
from tests.waiting import until

_HOMES = """\
shares:
  - name: homes
    for: user
    school: {{connector: folder, base: '{root}/homes', root: '{{class}}/{{login}}', quiet_seconds: 0}}
    cloud: {{connector: folder, base: '{root}/drives', root: '{{cloud_id}}', quiet_seconds: 0, watch: false}}
schedule: {{school_poll: 1s, jitter: 0s}}
guard: {{pause: 0s}}
"""
_TEXT = b"Es war einmal" * 999


class Year(Embedded):
    """Two pupils of class 5a, anna0 and anna1, whose homes were mirrored with a file each."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, more=_HOMES.format(root=root))
        self.fill(2)
        self.groups: dict[str, str] = {}
        with self.school.changing() as side:
            self.groups["5a"] = next(one.anchor for one in side.records("group"))
            for name in ("6a", "6b"):
                group = {"source_anchor": f"G{name}", "display_name": name, "role": "class", "nickname_base": name}
                self.groups[name] = side.create("group", {**group, "members": frozenset()})
        self.homes, self.drives = root / "homes", root / "drives"
        self.drives.mkdir()
        self.run("sync")  # the people first: nobody has a home yet
        for name in ("anna0", "anna1"):
            home = self.homes / "5a" / name
            home.mkdir(parents=True)
            (home / "Aufsatz.odt").write_bytes(_TEXT + name.encode())
            self.drive(name).mkdir()
        assert self.mirror() == {"file:create": 2}

    def drive(self, login: str) -> Path:
        """The folder that stands for somebody's OneDrive."""
        with wiring.database(load(self.config, Catalog()), create=False) as database:
            found = roots_of(load(self.config, Catalog()).schools[0], database)
        by_login = {root.filled["login"]: root for root in found.roots.values()}
        return Path(str(by_login[login].sides[Side.CLOUD].options.path))  # type: ignore[attr-defined]

    def advance(self, name: str, *members: int) -> None:
        """The directory puts pupils (by number) into a class, and out of the others."""
        mine = frozenset(self.people[number] for number in members)
        with self.school.changing() as side:
            for other, anchor in self.groups.items():
                now = next(one for one in side.records("group") if one.anchor == anchor).fields.get("members")
                now = now if isinstance(now, frozenset) else frozenset()
                side.change(anchor, {"members": now | mine if other == name else now - mine})

    def move(self, login: str, old: str, new: str) -> None:
        """The admin moves a folder."""
        (self.homes / new).mkdir(exist_ok=True)
        (self.homes / old / login).rename(self.homes / new / login)

    def mirror(self, *, code: int = 0) -> dict[str, int]:
        """One cycle: what was done to files and folders."""
        answer = self.run("sync", "--json")
        assert answer.code == code, answer.err + answer.out
        self.said = answer.err + " ".join(" ".join(one["warnings"]) for one in answer.json["schools"])
        done: Counter[str] = Counter()
        for one in answer.json["schools"][1:]:
            done.update(one["executed"])
        return dict(done)

    def contents(self, login: str) -> dict[str, bytes]:
        """What is in somebody's drive."""
        return tree(self.drive(login))


@pytest.fixture
def year(tmp_path: Path) -> Year:
    return Year(tmp_path)


def test_a_home_that_moves_with_its_class_goes_on_and_nothing_is_sent(year: Year) -> None:
    before = {path: path.stat().st_ino for path in year.drives.rglob("*")}
    year.advance("6a", 0)
    year.move("anna0", "5a", "6a")
    assert year.mirror() == {}
    assert {path: path.stat().st_ino for path in year.drives.rglob("*")} == before
    (year.homes / "6a" / "anna0" / "neu.txt").write_text("neu")
    assert year.mirror() == {"file:create": 1}
    assert sorted(year.contents("anna0")) == ["Aufsatz.odt", "neu.txt"]


def test_a_home_that_was_not_moved_yet_is_mirrored_where_it_lies(year: Year) -> None:
    year.advance("6a", 0)
    (year.homes / "5a" / "anna0" / "spät.txt").write_text("noch am alten Platz")
    assert year.mirror() == {"file:create": 1}
    assert f"still lies at directory {year.homes}/5a/anna0" in year.said
    assert f"{year.homes}/6a/anna0" in year.said
    answer = year.run("plan")
    assert f"lies elsewhere: directory {year.homes}/6a/anna0" in " ".join(answer.out.split()), answer.out
    # Twice in a year: it is known where it lay, not where it was expected in between.
    year.advance("6b", 0)
    (year.drive("anna0") / "aus der Cloud.txt").write_text("hin")
    assert year.mirror() == {"file:create": 1}
    assert (year.homes / "5a" / "anna0" / "aus der Cloud.txt").read_text() == "hin"
    year.move("anna0", "5a", "6b")
    assert year.mirror() == {}
    assert "still lies" not in year.said


def test_a_home_that_was_moved_too_early_waits_for_the_directory(year: Year) -> None:
    year.move("anna0", "5a", "6a")
    assert year.mirror(code=1) == {}
    assert "It was there before" in year.said
    assert sorted(year.contents("anna0")) == ["Aufsatz.odt"]
    year.advance("6a", 0)
    assert year.mirror() == {}


def test_a_new_empty_home_beside_the_old_one_deletes_and_doubles_nothing(year: Year) -> None:
    year.advance("6a", 0)
    new = year.homes / "6a" / "anna0"
    new.mkdir(parents=True)
    for _ in range(2):
        assert year.mirror(code=1) == {}
        assert f"directory {new} is not the folder that was mirrored" in year.said
        assert f"still lies at directory {year.homes}/5a/anna0" in year.said
        assert "remove the new one" in year.said
        assert list(new.iterdir()) == []
        assert sorted(year.contents("anna0")) == ["Aufsatz.odt"]
    new.rmdir()
    year.move("anna0", "5a", "6a")
    assert year.mirror() == {}


def test_a_copy_is_not_taken_for_the_home(year: Year) -> None:
    year.advance("6a", 0)
    shutil.copytree(year.homes / "5a" / "anna0", year.homes / "6a" / "anna0")
    shutil.rmtree(year.homes / "5a" / "anna0")
    assert year.mirror(code=1) == {}
    assert "a copy is another folder" in year.said
    assert sorted(year.contents("anna0")) == ["Aufsatz.odt"]


def test_namesakes_who_swap_their_classes_never_get_each_others_files(tmp_path: Path) -> None:
    year = Year(tmp_path)
    year.advance("6a", 1)
    year.move("anna1", "5a", "6a")
    assert year.mirror() == {}
    texts = {login: year.contents(login) for login in ("anna0", "anna1")}
    year.school_file.write_text(year.school_file.read_text().replace("{class}/{login}", "{class}/{name}"))
    (year.homes / "5a" / "anna0").rename(year.homes / "5a" / "Anna Lang")
    (year.homes / "6a" / "anna1").rename(year.homes / "6a" / "Anna Lang")
    assert year.mirror() == {}
    year.advance("6a", 0)
    year.advance("5a", 1)
    assert year.mirror(code=1) == {}, "the folders have not been swapped yet"
    (year.homes / "5a" / "Anna Lang").rename(year.homes / "swap")
    (year.homes / "6a" / "Anna Lang").rename(year.homes / "5a" / "Anna Lang")
    assert year.mirror(code=1) == {}
    (year.homes / "swap").rename(year.homes / "6a" / "Anna Lang")
    assert year.mirror() == {}
    drives = {path.name: tree(path) for path in year.drives.iterdir()}
    assert sorted(map(sorted, map(dict.items, drives.values()))) == sorted(map(sorted, map(dict.items, texts.values())))


def test_a_newcomer_does_not_get_the_folder_of_a_namesake_who_was_not_moved_yet(year: Year) -> None:
    year.advance("6a", 0)
    with year.school.changing() as side:
        # The login was given away anew, and the folder of who had it before still lies where his is expected.
        side.change(year.people[0], {"login": "anna0x"})
        year.people.append(side.create("user", {**person(7), "login": "anna0"}))
    year.advance("5a", 2)
    year.run("sync")
    year.drive("anna0").mkdir()
    assert year.mirror(code=1) == {}
    assert "is still the folder of" in year.said
    assert year.contents("anna0") == {}
    year.move("anna0", "5a", "6a")
    (year.homes / "6a" / "anna0").rename(year.homes / "6a" / "anna0x")
    assert year.mirror() == {}
    (year.homes / "5a" / "anna0").mkdir()
    (year.homes / "5a" / "anna0" / "eigen.txt").write_text("eigen")
    assert year.mirror() == {"file:create": 1}
    assert sorted(year.contents("anna0")) == ["eigen.txt"]
    assert sorted(year.contents("anna0x")) == ["Aufsatz.odt"]


def test_somebody_without_a_class_for_a_while_loses_nothing(year: Year) -> None:
    year.advance("5a", 1)
    with year.school.changing() as side:
        side.change(year.groups["5a"], {"members": frozenset({year.people[1]})})
    assert year.mirror() == {}
    year.advance("6a", 0)
    year.move("anna0", "5a", "6a")
    assert year.mirror() == {}
    assert sorted(year.contents(login="anna0")) == ["Aufsatz.odt"]


def test_a_crash_between_the_proof_and_its_note_changes_nothing(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise OSError("the power failed")

    year.advance("6a", 0)
    year.move("anna0", "5a", "6a")
    with monkeypatch.context() as failing:
        failing.setattr("bridge.state.whereabouts.keep", dies)
        with pytest.raises(OSError, match="power"):
            raise_through(year)
    # Back at the old place before the next start: that is where it is known to have lain.
    year.move("anna0", "6a", "5a")
    assert year.mirror() == {}
    year.move("anna0", "5a", "6a")
    assert year.mirror() == {}
    assert sorted(year.contents("anna0")) == ["Aufsatz.odt"]


def raise_through(year: Year) -> None:
    answer = year.run("sync")
    assert answer.code != 0
    raise OSError(answer.err)


# --- the daemon -------------------------------------------------------------------------------------------------------


def homes(year: Year) -> dict[str, Any]:
    try:
        found: dict[str, Any] = board(year.root)["0123"]["shares"].get("homes", {})
    except FileNotFoundError:
        return {}
    return found


def until_homes(year: Year, probe: Callable[[dict[str, Any]], object]) -> None:
    until(lambda: bool((row := homes(year)) and probe(row)))


def test_the_daemon_warns_follows_by_itself_and_stands_still_beside_a_new_folder(year: Year) -> None:
    with daemon(year):
        until_homes(year, lambda row: row["complete"] == 2)
        year.advance("6a", 0)
        until_homes(year, lambda row: row["elsewhere"] == 1 and row["complete"] == 2)
        (cause,) = (one for one in year.run("status", "--json").json["schools"][0]["causes"] if "homes" in one["text"])
        assert cause["colour"] == "amber"
        assert "1 folders lie elsewhere than expected" in cause["text"]
        assert "lies elsewhere" in year.run("shares", "0123", "--owner", "anna0").out
        (year.homes / "5a" / "anna0" / "spät.txt").write_text("spät")
        until(lambda: "spät.txt" in year.contents("anna0"))
        year.move("anna0", "5a", "6a")
        until_homes(year, lambda row: row["elsewhere"] == 0 and row["stopped"] == 0)
        (year.homes / "6a" / "anna0" / "neu.txt").write_text("neu")
        until(lambda: "neu.txt" in year.contents("anna0"))
        # Too early for the directory.
        year.move("anna1", "5a", "6b")
        until_homes(year, lambda row: row["stopped"] == 1)
        year.advance("6b", 1)
        until_homes(year, lambda row: row["stopped"] == 0 and row["complete"] == 2)
        # Windows makes a new one at logon.
        year.advance("6a", 1)
        until_homes(year, lambda row: row["elsewhere"] == 1)
        (year.homes / "6a" / "anna1").mkdir()
        until_homes(year, lambda row: row["stopped"] == 1)
        (year.homes / "6a" / "anna1").rmdir()
        year.move("anna1", "6b", "6a")
        until_homes(year, lambda row: row["stopped"] == 0)
    assert sorted(year.contents("anna0")) == ["Aufsatz.odt", "neu.txt", "spät.txt"]
    assert sorted(year.contents("anna1")) == ["Aufsatz.odt"]
    words = (year.root / "log").read_text()
    assert "broke off" not in words
    actions = {row["action"] for row in year.run("journal", "show", "--limit", "500", "--json").json["rows"]}
    assert "delete" not in actions
