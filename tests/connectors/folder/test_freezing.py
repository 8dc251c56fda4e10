"""Freezing a directory: nobody but the bridge can write, and afterwards everything is exactly as it was."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ports import NOTICE, Freezing, KeptModes, Mode
from bridge.state import open_database
from bridge.state.frozen import Modes
from connectors.folder import FolderConnector, Options
from connectors.folder import freezing as own
from tests.connectors.folder.conftest import context

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change everybody's permissions")


class Place:
    """A directory, and what is remembered of it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "home"
        self.root.mkdir(mode=0o750)
        self.database = open_database("sqlite://")
        self.modes = Modes(self.database, "0123/homes/a")
        self.outside = root / "outside.txt"
        self.outside.write_text("not ours")
        self.outside.chmod(0o666)
        self.connector = self.opened()

    def opened(self) -> FolderConnector:
        options = Options(base=self.root, watch=False, quiet_seconds=0)
        return FolderConnector(options, replace(context(self.root.parent / "index"), modes=self.modes))

    @property
    def freezing(self) -> Freezing:
        found = self.connector.capabilities.freezing
        assert found is not None
        return found

    def fill(self) -> None:
        (self.root / "a").mkdir(mode=0o2775)
        (self.root / "a" / "b").mkdir(mode=0o700)
        for name, mode in (("a/x.txt", 0o664), ("a/b/y.txt", 0o600), ("z.txt", 0o444), ("run.sh", 0o4755)):
            (self.root / name).write_text(name)
            (self.root / name).chmod(mode)
        (self.root / "link").symlink_to(self.outside)
        (self.root / "folder-link").symlink_to(self.root.parent)
        os.mkfifo(self.root / "pipe", 0o666)
        os.link(self.root / "a/x.txt", self.root / "same.txt")

    def state(self) -> dict[str, int]:
        return {
            str(path.relative_to(self.root)): stat.S_IMODE(path.lstat().st_mode)
            for path in (self.root, *self.root.rglob("*"))
            if not path.is_symlink()
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.fill()
    return made


async def test_everything_is_taken_and_given_back(place: Place) -> None:
    before = place.state()
    done = await place.freezing.freeze()
    assert (done.troubles, done.changed) == ({}, 6), "three folders, three files; z.txt was read-only before"
    frozen = place.state()
    assert {path for path, mode in frozen.items() if mode & 0o222} == {"pipe"}
    assert frozen["run.sh"] == 0o4555
    assert stat.S_IMODE(place.outside.stat().st_mode) == 0o666, "no link is followed"
    assert (await place.freezing.freeze()).changed == 0
    assert place.modes.any()
    thawed = await place.freezing.thaw()
    assert (thawed.troubles, place.state(), place.modes.any()) == ({}, before, False)
    assert (await place.freezing.thaw()).changed == 0


async def test_names_may_change_and_things_may_go_meanwhile(place: Place) -> None:
    before = place.state()
    await place.freezing.freeze()
    (place.root / "a" / "x.txt").rename(place.root / "moved.txt")
    (place.root / "a" / "b" / "y.txt").unlink()
    await place.freezing.thaw()
    after = place.state()
    assert after["moved.txt"] == before["a/x.txt"]
    assert not place.modes.any(), "what is gone is forgotten, too"


async def test_what_people_move_behind_the_walk_is_given_back_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = place.state(), own._given_back

    def moving(opened: Sequence[int], modes: KeptModes, count: own._Count) -> int:
        done = real(opened, modes, count)
        inner = place.root / "a" / "b"
        if inner.exists() and (place.root / "a").stat().st_mode & 0o200:  # what is in the root was listed before
            inner.rename(place.root / "b")
        return done

    await place.freezing.freeze()
    monkeypatch.setattr(own, "_given_back", moving)
    assert (await place.freezing.thaw()).troubles == {}
    after = place.state()
    assert (after["b"], after["b/y.txt"]) == (before["a/b"], before["a/b/y.txt"])
    assert not place.modes.any()


async def test_who_changed_permissions_meanwhile_is_right(place: Place) -> None:
    await place.freezing.freeze()
    (place.root / "a" / "x.txt").chmod(0o640)
    await place.freezing.thaw()
    assert place.state()["a/x.txt"] == 0o640


async def test_a_crash_between_remembering_and_changing_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = place.state(), os.fchmod
    for survive in range(6):
        left = [survive]

        def dying(fd: int, mode: int, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(fd, mode)

        with monkeypatch.context() as patch:
            patch.setattr(own.os, "fchmod", dying)
            with pytest.raises(KeyboardInterrupt):
                own._taken(_all(place.root), place.modes, own._Count())
        place.connector = place.opened()
        await place.freezing.thaw()
        assert place.state() == before, survive
        assert not place.modes.any()


def _all(root: Path) -> list[int]:
    return [os.open(path, os.O_RDONLY) for path in (root, *root.rglob("*")) if path.is_dir() or path.is_file()]


def acl(path: Path) -> list[tuple[int, int, int]]:
    """(tag, permissions, id) of its access control list (linux/posix_acl.h)."""
    return list(struct.iter_unpack("<HHI", os.getxattr(path, "system.posix_acl_access")[4:]))


async def test_named_people_of_an_access_control_list_are_kept_out_and_let_in_again(place: Place) -> None:
    target, nobody, none = place.root / "a" / "x.txt", 65534, 0xFFFFFFFF
    entries = [(0x01, 6, none), (0x02, 6, nobody), (0x04, 6, none), (0x10, 6, none), (0x20, 4, none)]
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
    os.setxattr(target, "system.posix_acl_access", raw)
    before = acl(target)
    await place.freezing.freeze()
    assert [may for tag, may, _ in acl(target) if tag == 0x10] == [4], "the mask keeps named people out"
    await place.freezing.thaw()
    assert acl(target) == before


async def test_the_notice_comes_goes_and_is_never_mirrored(place: Place) -> None:
    await place.freezing.post("old")
    await place.freezing.post("Umgezogen.")
    assert (place.root / NOTICE).read_text() == "Umgezogen."
    names = [one.fields.get("name") async for page in place.connector.observe(None) for one in page.observations]
    assert "x.txt" in names
    assert NOTICE not in names
    await place.freezing.unpost()
    await place.freezing.unpost()
    assert not (place.root / NOTICE).exists()


@settings(max_examples=60, deadline=None)
@given(
    modes=st.lists(st.integers(0, 0o7777), min_size=1, max_size=8),
    again=st.integers(0, 2),
)
def test_any_permissions_come_back(tmp_path_factory: pytest.TempPathFactory, modes: list[int], again: int) -> None:
    root = tmp_path_factory.mktemp("modes")
    database = open_database("sqlite://")
    kept = Modes(database, "0123/homes/a")
    for number, mode in enumerate(modes):
        (root / f"f{number}").touch()
        (root / f"f{number}").chmod(mode)
    real = [stat.S_IMODE((root / f"f{number}").stat().st_mode) for number in range(len(modes))]
    for _ in range(again + 1):
        opened = [os.open(root / f"f{number}", os.O_RDONLY) for number in range(len(modes))]
        own._taken(opened, kept, own._Count())
        assert not any(os.fstat(fd).st_mode & 0o222 for fd in opened)
    own._given_back(opened, kept, own._Count())
    assert [stat.S_IMODE((root / f"f{number}").stat().st_mode) for number in range(len(modes))] == real
    database.close()


def test_what_is_remembered_is_of_one_root_alone() -> None:
    database = open_database("sqlite://")
    one, other = Modes(database, "0123/homes/a"), Modes(database, "0123/homes/b")
    one.remember([Mode("1", 0o644, 0o444), Mode("2", 0o600, 0o400)])
    one.remember([Mode("1", 0o664, 0o444)])
    assert other.recall(["1"]) == {}
    assert one.recall(["1", "3"]) == {"1": Mode("1", 0o664, 0o444)}
    other.forget()
    one.forget(["1"])
    assert one.recall(["1", "2"]) == {"2": Mode("2", 0o600, 0o400)}
