"""A folder is known by its id, however its creation time is told; what gets that id after it is something else."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Action, Evidence
from bridge.lab.file_server import FileServer
from bridge.ports import Write
from tests.conformance.base import watch, written
from tests.connectors.smb.conftest import Rig, rig


@pytest.fixture
async def share(file_server: FileServer, tmp_path: Path) -> AsyncIterator[Rig]:
    """Not watched: a watch keeps the id of a deleted folder in use for a while."""
    async for one in rig(file_server, tmp_path, watch=False):
        yield one


#: How often it is tried: another program may be given the id.
TRIES = 20


async def test_a_known_folder_keeps_its_anchor_however_its_creation_time_is_told(share: Rig) -> None:
    (share.folder / "a").mkdir()
    seen = await watch(share.connector)
    (anchor,) = seen.records
    for times in ((2_000_000_000, 2_000_000_000), (1_000_000_000, 1_000_000_000)):
        os.utime(share.folder / "a", times)
        (share.folder / "a").rename(share.folder / f"b {times[0]}")
        (share.folder / f"b {times[0]}").rename(share.folder / "a")
        seen = await watch(share.connector, seen.token)
        assert seen.gone == {}
        assert set(seen.records) <= {anchor}
    (share.folder / "a").rename(share.folder / "c")
    seen = await watch(share.connector, seen.token)
    assert (seen.gone, seen.records) == ({}, {anchor: {"parent": None, "name": "c"}})
    rename = Write("w1", "folder", Action.UPDATE, anchor, {"name": "d"}, expected=seen.versions[anchor])
    assert (await written(share.connector, rename)).anchor == anchor
    assert (share.folder / "d").is_dir()


async def test_a_folder_that_gets_the_id_of_a_deleted_one_is_another(share: Rig) -> None:
    seen = await watch(share.connector)
    for number in range(TRIES):
        old, new = share.folder / f"a {number}", share.folder / f"b {number}"
        old.mkdir()
        (old / f"x {number}.txt").write_text("x")
        seen = await watch(share.connector, seen.token)
        before, ino = set(seen.records), old.stat().st_ino
        shutil.rmtree(old)
        seen = await watch(share.connector, seen.token)
        assert seen.gone == dict.fromkeys(before, Evidence.DELETED)
        new.mkdir()
        seen = await watch(share.connector, seen.token)
        (found,) = seen.records
        assert found not in before
        if new.stat().st_ino == ino:
            assert found.startswith(f"{ino}:")
            return
    pytest.skip("this file system gives no id away again")


async def test_a_folder_that_is_made_with_the_id_of_one_that_was_just_deleted_is_another(share: Rig) -> None:
    (share.folder / "there").mkdir()
    seen = await watch(share.connector)
    (there,) = seen.records
    for number in range(TRIES):
        old, new = share.folder / f"a {number}", share.folder / "there" / f"b {number}"
        old.mkdir()
        (old / f"x {number}.txt").write_text("x")
        seen = await watch(share.connector, seen.token)
        before, ino = set(seen.records), old.stat().st_ino
        shutil.rmtree(old)
        done = await written(
            share.connector, Write("w1", "folder", Action.CREATE, None, {"name": new.name, "parent": there})
        )
        seen = await watch(share.connector, seen.token)
        assert done.anchor not in before
        assert seen.gone == dict.fromkeys(before, Evidence.DELETED)
        assert seen.records == {done.anchor: {"parent": there, "name": new.name}}
        if new.stat().st_ino == ino:
            return
    pytest.skip("this file system gives no id away again")


async def test_a_folder_from_the_trash_is_the_one_that_it_was(share: Rig) -> None:
    (share.folder / "a").mkdir()
    seen = await watch(share.connector)
    (anchor,) = seen.records
    deletion = Write("w1", "folder", Action.DELETE, anchor, expected=seen.versions[anchor])
    await written(share.connector, deletion)
    seen = await watch(share.connector, seen.token)
    done = await written(share.connector, Write("w1", "folder", Action.RESTORE, anchor))
    after = await watch(share.connector, seen.token)
    assert done.anchor == anchor
    assert after.records == {anchor: {"parent": None, "name": "a"}}
