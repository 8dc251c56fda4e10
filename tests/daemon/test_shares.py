"""Shares: which roots a school has, and that each home reaches its owner's drive and nobody else's."""

from pathlib import Path
from typing import Any

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.roots import Roots, roots_of
from bridge.settings import load
from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from tests.daemon.embedded import Embedded

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


def _names(path: Path) -> list[str]:
    shelf = Shelf(path, MemorySide())
    shelf.refresh()
    return [str(one.fields["name"]) for one in shelf.side.records()]
