"""Shares: which roots a school has, and that each home reaches its owner's drive and nobody else's."""

from pathlib import Path
from typing import Any

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.roots import Roots, roots_of
from bridge.settings import load
from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from tests.daemon.embedded import Embedded, person
from tests.daemon.test_service import board, daemon
from tests.waiting import until

HOMES = """\
shares:
  - name: homes
    for: user
    roles: [pupil]
    school: {{connector: memory, name: home, path: '{root}/home-{{{key}}}.json', kinds: [folder, file]}}
    cloud: {{connector: memory, name: drive, path: '{root}/drive-{{cloud_id}}.json', kinds: [folder, file]}}
"""


def mirrored(root: Path, *, key: str = "login", **changes: str) -> Embedded:
    """Three pupils of one class, mirrored; ``changes`` replaces logins."""
    school = Embedded(root, more=HOMES.format(root=root, key=key))
    school.fill(3)
    with school.school.changing() as side:
        for old, new in changes.items():
            anchor = next(one.anchor for one in side.records("user") if one.fields["login"] == old)
            side.change(anchor, {"login": new})
    answer = school.run("sync")
    assert answer.code in {0, 1}, answer.err
    return school


def expanded(school: Embedded) -> Roots:
    settings = load(school.config, Catalog())
    with wiring.database(settings, create=False) as database:
        return roots_of(settings.schools[0], database)


def paths(found: Roots) -> set[str]:
    return {Path(str(one.path)).name for root in found.roots.values() for one in [_options(root)]}


def _options(root: Any) -> Any:
    return root.sides[wiring.Side.SCHOOL].options


def test_every_owner_gets_a_root_of_his_own(tmp_path: Path) -> None:
    found = expanded(mirrored(tmp_path))
    assert paths(found) == {"home-anna0.json", "home-anna1.json", "home-anna2.json"}
    assert not found.unfit
    assert all(code == f"0123/homes/{root.owner}" for code, root in found.roots.items())


def test_a_login_that_would_lead_out_of_the_share_gets_none(tmp_path: Path) -> None:
    found = expanded(mirrored(tmp_path, anna0="../anna1", anna1=".."))
    assert paths(found) == {"home-anna2.json"}
    assert {"homes"} == {share for share, _ in found.unfit}
    assert all("{login}" in why and "anna" not in why for why in found.unfit.values())


def test_two_owners_of_one_folder_get_none_of_it(tmp_path: Path) -> None:
    found = expanded(mirrored(tmp_path, key="name"))  # all of them are called Anna Lang
    assert not found.roots
    assert len(found.unfit) == 3
    assert all("same school endpoint" in why for why in found.unfit.values())


def test_a_file_reaches_its_owners_drive_and_comes_back(tmp_path: Path) -> None:
    school = mirrored(tmp_path)
    home = Shelf(tmp_path / "home-anna1.json", MemorySide(name="home"))
    with home.changing() as side:
        folder = side.create("folder", {"name": "Deutsch"})
        side.create("file", {"name": "Aufsatz.odt", "parent": folder, "modified": "2026-11-23T08:00:00Z"})
    assert school.run("sync").code == 0
    names = {path.name: sorted(_names(path)) for path in tmp_path.glob("drive-*.json")}
    assert sorted(names.values(), key=len)[-1] == ["Aufsatz.odt", "Deutsch"]
    assert sum(map(len, names.values())) == 2
    (drive,) = (tmp_path / name for name, held in names.items() if held)
    cloud = Shelf(drive, MemorySide(name="drive"))
    with cloud.changing() as side:
        anchor = next(one.anchor for one in side.records("file"))
        side.change(anchor, {"name": "Aufsatz (Endfassung).odt"})
    assert school.run("sync").code == 0
    assert sorted(_names(home.path)) == ["Aufsatz (Endfassung).odt", "Deutsch"]
    verdicts = school.run("journal", "verify", "--json").json
    assert verdicts["ok"]
    codes = [one["school"] for one in verdicts["schools"]]
    assert codes[0] == "0123"
    assert all(code.startswith("0123/homes/") for code in codes[1:])
    (chain,) = (one for one in verdicts["schools"][1:] if one["rows"] > 1)
    rows = school.run("journal", "show", "--json").json["rows"]
    assert {"folder", "file"} <= {row["kind"] for row in rows if row["school"] == chain["school"]}
    assert school.run("journal", "verify", "--against", chain["checkpoint"]).code == 0


def _names(path: Path) -> list[str]:
    shelf = Shelf(path, MemorySide())
    shelf.refresh()
    return [str(one.fields["name"]) for one in shelf.side.records()]


def test_the_daemon_mirrors_homes_and_those_of_newcomers(tmp_path: Path) -> None:
    school = Embedded(tmp_path, more=HOMES.format(root=tmp_path, key="login") + "schedule: {school_poll: 1s}\n")
    school.fill(2)
    _write(tmp_path / "home-anna1.json", "Aufsatz.odt")
    _write(tmp_path / "home-neu.json", "Bild.png")
    with daemon(school):
        until(lambda: _everywhere(tmp_path) == ["Aufsatz.odt"])
        with school.school.changing() as side:
            side.create("user", {**person(7), "login": "neu"})
        until(lambda: _everywhere(tmp_path) == ["Aufsatz.odt", "Bild.png"])
        until(lambda: board(tmp_path)["0123"]["shares"]["homes"]["complete"] == 3)
        assert school.run("status").code == 0


def test_a_root_that_stands_still_shows_and_leaves_the_others_alone(tmp_path: Path) -> None:
    school = Embedded(tmp_path, more=HOMES.format(root=tmp_path, key="login") + "schedule: {school_poll: 1s}\n")
    school.fill(2)
    (tmp_path / "home-anna0.json").write_text("broken")
    _write(tmp_path / "home-anna1.json", "Aufsatz.odt")
    with daemon(school):
        until(lambda: _everywhere(tmp_path) == ["Aufsatz.odt"])
        until(lambda: board(tmp_path)["0123"]["shares"]["homes"]["stopped"] == 1)
        status = school.run("status", "--json").json
        (cause,) = (one for one in status["schools"][0]["causes"] if "homes" in one["text"])
        assert cause["colour"] == "amber"
        assert "1 of 2 folders stand still" in cause["text"]
        assert cause["since"]


def _write(path: Path, name: str) -> None:
    with Shelf(path, MemorySide(name="home")).changing() as side:
        side.create("file", {"name": name, "modified": "2026-11-23T08:00:00Z"})


def _everywhere(root: Path) -> list[str]:
    return sorted(name for path in root.glob("drive-*.json") for name in _names(path))
