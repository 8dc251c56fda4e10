"""Writes: nothing is overwritten unread, nothing is half there, and every failure says what it was."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.core.model import Action
from bridge.ports import Failed, Unreachable, Written
from connectors.folder import hands, parts
from connectors.folder.trash import Trash
from connectors.tree.hands import Place
from tests.conformance.base import write, written
from tests.connectors.folder.conftest import Bytes, Mirrored, anchor_of, really


def trashed(mirrored: Mirrored) -> list[bytes]:
    """The contents in the trash."""
    return [path.read_bytes() for path in mirrored.root.rglob("*") if _is_trashed(path)]


def _is_trashed(path: Path) -> bool:
    return ".schoolbridge-trash" in path.parts and path.is_file() and path.name != "origin.json"


async def refused(mirrored: Mirrored, *args: object, **fields: object) -> Failed:
    outcome = (await write(mirrored.connector, mirrored.write(*args, **fields)))["w1"]  # type: ignore[arg-type]
    assert isinstance(outcome, Failed), outcome
    return outcome


async def test_a_file_is_made_with_its_time_and_the_owner_of_its_folder(mirrored: Mirrored) -> None:
    if os.geteuid() == 0:
        os.chown(mirrored.root, 1234, 2345)
    mirrored.root.chmod(0o2750)
    await mirrored.look()
    one = mirrored.write(
        Action.CREATE, "file", name="Ü.txt", content=b"x" * 5000, modified="2026-09-01T06:00:00Z", parent=None
    )
    done = await written(mirrored.connector, one)
    there = (mirrored.root / "Ü.txt").stat()
    assert (mirrored.root / "Ü.txt").read_bytes() == b"x" * 5000
    assert there.st_mtime_ns == 1_788_242_400 * 10**9
    assert there.st_mode & 0o777 == 0o640
    if os.geteuid() == 0:
        assert (there.st_uid, there.st_gid) == (1234, 2345)
    await mirrored.look()
    assert mirrored.seen.versions[done.anchor] == done.version
    assert mirrored.seen.records[done.anchor]["content"] == done.shown
    assert mirrored.seen.records[done.anchor]["modified"] == "2026-09-01T06:00:00Z"


async def test_a_taken_name_is_never_written_over(mirrored: Mirrored) -> None:
    mirrored.put("a.txt", "theirs")
    mirrored.put("b.txt", "other")
    await mirrored.look()
    for action, path in ((Action.CREATE, None), (Action.UPDATE, "b.txt")):
        outcome = await refused(mirrored, action, "file", path, parent=None, name="a.txt")
        assert outcome.cause == "name_taken"
    assert (mirrored.root / "a.txt").read_text() == "theirs"
    assert (mirrored.root / "b.txt").read_text() == "other"


async def test_an_update_keeps_the_old_version_rights_and_anchor(mirrored: Mirrored) -> None:
    path = mirrored.put("a.txt", "old")
    path.chmod(0o604)
    os.setxattr(path, "user.note", b"kept")
    await mirrored.look()
    anchor = mirrored.at("a.txt")
    done = await written(mirrored.connector, mirrored.write(Action.UPDATE, "file", "a.txt", content=b"new"))
    assert done.anchor == anchor
    assert (path.read_bytes(), path.stat().st_mode & 0o777, os.getxattr(path, "user.note")) == (b"new", 0o604, b"kept")
    assert trashed(mirrored) == [b"old"]
    assert really(mirrored.root) == {"a.txt": "file"}


async def test_an_edit_before_or_while_the_content_comes_is_never_lost(mirrored: Mirrored) -> None:
    path = mirrored.put("a.txt", "old")
    await mirrored.look()
    source = Bytes(b"from the cloud")
    source.meanwhile = lambda: path.write_text("edited here")
    change = mirrored.write(Action.UPDATE, "file", "a.txt", content=source)
    outcome = (await write(mirrored.connector, change))["w1"]
    assert isinstance(outcome, Failed)
    assert (outcome.cause, outcome.transient) == ("stale", True)
    assert path.read_text() == "edited here"
    assert trashed(mirrored) == []
    deletion = await refused(mirrored, Action.DELETE, "file", "a.txt")
    assert deletion.cause == "stale"
    assert path.read_text() == "edited here"


async def test_an_edit_in_the_last_moment_is_put_back(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mirrored.put("a.txt", "old")
    await mirrored.look()
    real = hands.rename

    def late(*args: object, **flags: object) -> None:
        if flags:
            path.write_text("edited here")
        real(*args, **flags)  # type: ignore[arg-type]

    monkeypatch.setattr(hands, "rename", late)
    outcome = await refused(mirrored, Action.UPDATE, "file", "a.txt", content=b"new")
    assert outcome.cause == "stale"
    assert b"edited here" in {path.read_bytes(), *trashed(mirrored)}
    assert path.read_text() == "edited here"


@pytest.mark.parametrize("new", [False, True])
async def test_an_edit_right_after_the_last_step_is_a_change_of_what_was_written(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    """Between the last step and the look at what is there now: taken for ours, it would never reach the other side."""
    path, real = mirrored.root / "a.txt", hands.rename
    if not new:
        mirrored.put("a.txt", "old")
    await mirrored.look()

    def edited(*args: object, **flags: object) -> None:
        real(*args, **flags)  # type: ignore[arg-type]
        path.write_text("theirs")

    fields = {"content": b"ours", "modified": "2026-03-02T07:30:00Z"}
    if new:
        write_ = mirrored.write(Action.CREATE, "file", name="a.txt", parent=None, **fields)
        monkeypatch.setattr(hands, "rename", edited)
    else:
        write_ = mirrored.write(Action.UPDATE, "file", "a.txt", **fields)
        whole = hands.FolderHands.exchange

        def late(*args: object, **more: object) -> None:
            whole(*args, **more)  # type: ignore[arg-type]
            path.write_text("theirs")

        monkeypatch.setattr(hands.FolderHands, "exchange", late)
    done = await written(mirrored.connector, write_)
    monkeypatch.undo()
    assert done.content == write_.fields["content"]
    await mirrored.look()
    assert mirrored.seen.versions[done.anchor] != done.version
    assert path.read_text() == "theirs"


@pytest.mark.parametrize("fields", [{"name": "b.txt"}, {"modified": "2026-03-02T07:30:00Z"}])
async def test_an_edit_right_after_a_new_name_or_time_is_a_change_too(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str]
) -> None:
    path = mirrored.put("a.txt", "old")
    await mirrored.look()
    known, real = mirrored.seen.records[mirrored.at("a.txt")]["content"], hands.FolderHands.look

    def late(self: hands.FolderHands, place: Place, held: object = None) -> object:
        (path if path.exists() else path.with_name("b.txt")).write_text("theirs")
        return real(self, place, held)  # type: ignore[arg-type]

    write_ = mirrored.write(Action.UPDATE, "file", "a.txt", **fields)
    monkeypatch.setattr(hands.FolderHands, "look", late)
    done = await written(mirrored.connector, write_)
    monkeypatch.undo()
    await mirrored.look()
    assert mirrored.seen.versions[done.anchor] != done.version
    assert mirrored.seen.records[done.anchor]["content"] != known


async def test_a_content_that_changed_on_its_way_is_not_written(mirrored: Mirrored) -> None:
    await mirrored.look()
    outcome = await refused(
        mirrored, Action.CREATE, "file", parent=None, name="a.txt", content=Bytes(b"half", changes=True)
    )
    assert (outcome.cause, outcome.transient) == ("changed", True)
    assert os.listdir(mirrored.root) == []  # noqa: PTH208


async def test_a_file_open_for_writing_is_busy(mirrored: Mirrored) -> None:
    path = mirrored.put("a.txt", "old")
    await mirrored.look()
    with path.open("a"):
        outcome = await refused(mirrored, Action.UPDATE, "file", "a.txt", content=b"new")
    assert (outcome.cause, outcome.transient) == ("busy", True)
    await written(mirrored.connector, mirrored.write(Action.UPDATE, "file", "a.txt", content=b"new"))


async def test_a_folder_goes_only_when_it_is_empty_and_takes_leftovers_along(mirrored: Mirrored) -> None:
    mirrored.put("Kurs/a.txt", "x")
    mirrored.put("Kurs/Thumbs.db", "left over")
    await mirrored.look()
    assert (await refused(mirrored, Action.DELETE, "folder", "Kurs")).cause == "not_empty"
    assert (mirrored.root / "Kurs" / "a.txt").exists()
    await written(mirrored.connector, mirrored.write(Action.DELETE, "file", "Kurs/a.txt"))
    await written(mirrored.connector, mirrored.write(Action.DELETE, "folder", "Kurs"))
    assert really(mirrored.root) == {}
    assert sorted(trashed(mirrored)) == [b"left over", b"x"]
    trash = Trash(mirrored.connector.sight.storage.root.fd)
    assert {one.origin.path for one in trash.entries()} == {"Kurs", "Kurs/a.txt"}


async def test_a_folder_is_adopted_and_what_is_in_it_told(mirrored: Mirrored) -> None:
    await mirrored.look()
    mirrored.put("Kurs/a.txt", "x")
    done = await written(mirrored.connector, mirrored.write(Action.CREATE, "folder", parent=None, name="Kurs"))
    assert (done.adopted, done.anchor) == (True, anchor_of(mirrored.root / "Kurs"))
    await mirrored.look()
    assert mirrored.tree() == {"Kurs": "folder", "Kurs/a.txt": "file"}


@pytest.mark.parametrize(
    ("number", "cause"),
    [(errno.ENOSPC, "quota"), (errno.EDQUOT, "quota"), (errno.EROFS, "denied"), (errno.EACCES, "denied")],
)
@pytest.mark.parametrize("step", ["write", "fsync", "link", "exchange"])
async def test_a_disk_that_refuses_changes_nothing(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, number: int, cause: str, step: str
) -> None:
    path = mirrored.put("a.txt", "old")
    await mirrored.look()

    def broken(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    if step == "write":
        monkeypatch.setattr(parts.Part, "write", broken)
    elif step == "exchange":
        monkeypatch.setattr(hands, "rename", broken)
    else:
        monkeypatch.setattr(os, step, broken)
    outcome = await refused(mirrored, Action.UPDATE, "file", "a.txt", content=b"new")
    monkeypatch.undo()
    assert outcome.cause == cause
    assert str(mirrored.root) in outcome.message
    assert path.read_text() == "old"
    assert really(mirrored.root) == {"a.txt": "file"}
    await mirrored.look()
    done = (await write(mirrored.connector, mirrored.write(Action.UPDATE, "file", "a.txt", content=b"new")))["w1"]
    assert isinstance(done, Written)
    assert path.read_text() == "new"


async def test_no_exchange_and_no_links_still_lose_nothing(
    mirrored: Mirrored, fails: Callable[[str, int], None]
) -> None:
    path = mirrored.put("a.txt", "old")
    await mirrored.look()
    fails("link", errno.EOPNOTSUPP)
    await written(mirrored.connector, mirrored.write(Action.UPDATE, "file", "a.txt", content=b"new"))
    assert path.read_text() == "new"
    assert trashed(mirrored) == [b"old"]


async def test_a_root_that_is_replaced_stops_everything(mirrored: Mirrored) -> None:
    mirrored.put("a.txt", "x")
    await mirrored.look()
    mirrored.root.rename(mirrored.root.with_name("away"))
    with pytest.raises(Unreachable):
        await mirrored.look()
    mirrored.root.mkdir()
    for work in (mirrored.look, lambda: refused(mirrored, Action.DELETE, "file", "a.txt"), mirrored.connector.identify):
        with pytest.raises(Unreachable, match="is not the one it was"):
            await work()
    assert mirrored.seen.gone == {}


async def test_nothing_outside_the_root_is_written(mirrored: Mirrored, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    mirrored.put("Kurs/a.txt", "x")
    await mirrored.look()
    kurs = mirrored.at("Kurs")
    (mirrored.root / "Kurs").rename(mirrored.root / "away")
    (mirrored.root / "Kurs").symlink_to(outside)
    outcome = await refused(mirrored, Action.CREATE, "file", parent=kurs, name="b.txt", content=b"secret")
    assert outcome.transient
    assert os.listdir(outside) == []  # noqa: PTH208
    for name in ("../b.txt", "", "..", "a\0b"):
        assert (await refused(mirrored, Action.CREATE, "file", parent=None, name=name)).cause == "name_refused"


async def test_the_trash_is_emptied_after_its_days(mirrored: Mirrored) -> None:
    mirrored.put("a.txt", "x")
    await mirrored.look()
    await written(mirrored.connector, mirrored.write(Action.DELETE, "file", "a.txt"))
    trash = Trash(mirrored.connector.sight.storage.root.fd)
    day = mirrored.connector.context.clock().date()
    assert await asyncio.to_thread(trash.expire, day, 30) == 0
    assert [one.origin.path for one in trash.entries()] == ["a.txt"]
    assert trash.expire(day.replace(year=day.year + 1), 30) == 1
    assert list(trash.entries()) == []
