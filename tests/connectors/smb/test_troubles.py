"""What goes wrong on a share, on a real Samba: nothing is lost, and it is said what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Action, Evidence
from bridge.lab.file_server import PASSWORD, USER, FileServer
from bridge.ports import Busy, Failed, Unreachable, Write
from connectors.smb import SmbConnector
from connectors.smb.line import FILE, READ, SHARE_READ, WRITE, WRITE_ATTRIBUTES, Line
from connectors.smb.trash import Trash, write_small
from connectors.smb.wire import READ_ONLY, basic
from connectors.tree.rules import part_name
from tests.conformance.base import watch, write, written
from tests.connectors.smb.conftest import Rig, options, rig, smb_context, start
from tests.connectors.smb.test_shares import Body, bytes_of, quickxor, trashed, visible

_PART = part_name("0123456789abcdef")


@pytest.fixture
async def share(file_server: FileServer, tmp_path: Path) -> AsyncIterator[Rig]:
    async for one in rig(file_server, tmp_path):
        yield one


def changed(seen: object, body: Body) -> Write:
    """A new content for the only file that was seen."""
    (anchor,) = seen.records  # type: ignore[attr-defined]
    return Write("w1", "file", Action.UPDATE, anchor, {}, expected=seen.versions[anchor], content=body)  # type: ignore[attr-defined]


# --- the server -------------------------------------------------------------------------------------------------------


class Cut(Body):
    """Its server dies when a part of it was given out."""

    server: FileServer

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        async for piece in super().chunks(start):
            yield piece
            if self.server.alive:
                self.server.outage()


async def test_a_server_that_dies_while_a_content_comes_keeps_the_old_one(tmp_path: Path) -> None:
    with start() as server:
        async for one in rig(server, tmp_path):
            (one.folder / "a.bin").write_bytes(b"alt")
            seen = await watch(one.connector)
            body = Cut(os.urandom(5 << 20))
            body.server = server
            with pytest.raises(Unreachable):
                await write(one.connector, changed(seen, body))
            assert visible(one.folder) == {"a.bin": b"alt"}
            left = [path.name for path in one.folder.iterdir() if path.name != "a.bin"]
            assert len(left) == 1, "what had come lies beside it until somebody looks"
            server.restart()
            after = await watch(one.connector)
            assert after.gone == {}
            assert "unfinished" in " ".join(after.pages[-1].warnings)
            assert [path.name for path in one.folder.iterdir()] == ["a.bin"]
            whole = Body(os.urandom(5 << 20))
            await written(one.connector, changed(after, whole))
            assert quickxor((one.folder / "a.bin").read_bytes()) == quickxor(whole._body)
            assert trashed(one.folder) == [b"alt"]


async def test_a_server_that_dies_while_a_file_is_read_is_unreachable_and_back_later(tmp_path: Path) -> None:
    with start() as server:
        async for one in rig(server, tmp_path):
            content = os.urandom(5 << 20)
            (one.folder / "a.bin").write_bytes(content)
            seen = await watch(one.connector)
            (anchor,) = seen.records
            contents = one.connector.capabilities.contents
            assert contents is not None
            pieces = contents.source(anchor, seen.versions[anchor]).chunks()
            got = await anext(pieces)
            server.outage()
            with pytest.raises(Unreachable):
                await anext(pieces)
            server.restart()
            rest = await bytes_of(one.connector, anchor, seen.versions[anchor], len(got))
            assert got + rest == content


async def test_an_overflow_of_the_servers_buffer_loses_nothing(share: Rig) -> None:
    (share.folder / "tief" / "tiefer").mkdir(parents=True)
    seen = await watch(share.connector)
    listening = share.connector.storage.watch
    names = {f"{number:04} {'x' * 100}.txt" for number in range(900)}
    with listening._lock:  # the thread that asks the server for more stands still
        for name in names:
            write_small(share.line, f"tief/tiefer/{name}", b"x")
    for _ in range(3000):  # a fence would be lost with the other names
        with listening._lock:
            if listening._lost:
                break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("900 names of 200 bytes don't fit into the 64 KiB that the server keeps")
    after = await watch(share.connector, seen.token)
    assert names <= {str(fields["name"]) for fields in after.records.values()}
    assert after.gone == {}


# --- folders and files that are not for us ----------------------------------------------------------------------------


async def test_nothing_is_concluded_about_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    with start(users={USER: PASSWORD, "bote": "Geheim.2026"}) as server:
        root = server.share("daten") / "wurzel"
        for name in ("verwaltung", "offen"):
            (root / name).mkdir(parents=True)
            (root / name / "a.txt").write_text(name)
        context = dataclasses.replace(smb_context(tmp_path / "index"), secret=lambda _: b"Geheim.2026")
        connector = SmbConnector(
            options(server, "wurzel", watch=False).model_copy(update={"username": "bote"}), context
        )
        seen = await watch(connector)
        assert len(seen.records) == 4
        (root / "verwaltung").chmod(0o700)
        (root / "verwaltung" / "a.txt").unlink()
        (root / "offen" / "a.txt").unlink()
        closed = await watch(connector, seen.token)
        assert closed.gone == {}
        assert not closed.pages[-1].complete
        assert "verwaltung" in " ".join(closed.pages[-1].warnings)
        (root / "verwaltung").chmod(0o755)
        opened = await watch(connector, closed.token)
        assert sorted(opened.gone.values()) == [Evidence.DELETED, Evidence.DELETED]
        await connector.close()


async def test_a_file_that_another_client_keeps_to_itself_is_busy(share: Rig) -> None:
    (share.folder / "a.txt").write_bytes(b"alt")
    seen = await watch(share.connector)
    (anchor,) = seen.records
    with share.line.opened("a.txt", access=READ, share=0, options=FILE):
        with pytest.raises(Busy):
            await bytes_of(share.connector, anchor, seen.versions[anchor])
        outcome = (await write(share.connector, changed(seen, Body(b"neu"))))["w1"]
        assert isinstance(outcome, Failed)
        assert (outcome.cause, outcome.transient) == ("busy", True)
        assert list((await watch(share.connector)).records) == [anchor], "it is listed all the same"
    await written(share.connector, changed(seen, Body(b"neu")))
    assert visible(share.folder) == {"a.txt": b"neu"}


def mark(line: Line, path: str, attributes: int) -> None:
    with line.opened(path, access=WRITE_ATTRIBUTES, options=FILE) as handle:
        line.set(handle, 4, basic(attributes=attributes))


def marked(line: Line, path: str) -> bool:
    with line.opened(path) as handle:
        return bool(handle.node.attributes & READ_ONLY)


async def test_a_read_only_file_is_replaced_stays_read_only_and_leaves_the_trash_in_the_end(share: Rig) -> None:
    write_small(share.line, "a.txt", b"alt")
    mark(share.line, "a.txt", READ_ONLY)
    seen = await watch(share.connector)
    await written(share.connector, changed(seen, Body(b"neu")))
    assert visible(share.folder) == {"a.txt": b"neu"}
    assert marked(share.line, "a.txt")
    again = await watch(share.connector)
    (anchor,) = again.records
    await written(share.connector, Write("w2", "file", Action.DELETE, anchor, expected=again.versions[anchor]))
    assert sorted(trashed(share.folder)) == [b"alt", b"neu"]
    day = share.connector.context.clock().date()
    assert Trash(share.line).expire(day.replace(year=day.year + 1), 30) == 1
    assert trashed(share.folder) == []


# --- what a killed process left ---------------------------------------------------------------------------------------


async def test_what_a_killed_process_left_is_swept_unless_it_is_still_written(share: Rig) -> None:
    others = [".schoolbridge-part-zettel", f"{_PART}.txt"]
    for name in (_PART, *others):
        (share.folder / name).write_bytes(b"half")
    with share.line.opened(_PART, access=READ | WRITE, share=SHARE_READ, options=FILE):
        seen = await watch(share.connector)
        assert (share.folder / _PART).exists(), "somebody writes it"
        assert seen.records == {}
    after = await watch(share.connector)
    assert sorted(path.name for path in share.folder.iterdir()) == sorted(others)
    (warning,) = after.pages[-1].warnings
    assert "1 unfinished" in warning


async def test_a_share_that_is_only_read_is_not_swept(file_server: FileServer, tmp_path: Path) -> None:
    async for one in rig(file_server, tmp_path, read_only=True):
        (one.folder / _PART).write_bytes(b"half")
        await watch(one.connector)
        assert (one.folder / _PART).exists()


# --- bringing back ----------------------------------------------------------------------------------------------------


async def kept(one: Rig) -> dict[tuple[str, bool], str]:
    """Path and whether it was deleted -> id."""
    trash = one.connector.capabilities.trash
    assert trash is not None
    return {(there.path, there.deleted): there.id async for there in trash.kept()}


async def back(one: Rig, path: str, *, deleted: bool = True) -> str:
    trash = one.connector.capabilities.trash
    assert trash is not None
    return await trash.bring_back((await kept(one))[path, deleted])


async def test_a_deleted_file_comes_back_as_the_same_one_into_a_folder_that_is_made_again(share: Rig) -> None:
    (share.folder / "k" / "l").mkdir(parents=True)
    write_small(share.line, "k/l/a.txt", b"alt")
    seen = await watch(share.connector)
    named = {str(fields["name"]): anchor for anchor, fields in seen.records.items()}
    gone = [
        Write(name, seen.kinds[named[name]], Action.DELETE, named[name], expected=seen.versions[named[name]])
        for name in ("a.txt", "l", "k")
    ]
    for one in gone:
        await written(share.connector, one)
    assert visible(share.folder) == {}
    before = await watch(share.connector, seen.token)
    assert await back(share, "k/l/a.txt") == "k/l/a.txt"
    assert visible(share.folder) == {"k/l/a.txt": b"alt"}
    await share.told()
    after = await watch(share.connector, before.token)
    assert named["a.txt"] in after.records
    assert ("k/l/a.txt", True) not in await kept(share)


async def test_an_overwritten_version_comes_back_as_a_copy_beside_the_new_one(share: Rig) -> None:
    (share.folder / "a.txt").write_bytes(b"alt" * 500_000)
    os.utime(share.folder / "a.txt", (1_700_000_000, 1_700_000_000))
    seen = await watch(share.connector)
    await written(share.connector, changed(seen, Body(b"neu")))
    path = await back(share, "a.txt", deleted=False)
    assert path.startswith("a (restored ")
    assert path.endswith(").txt")
    assert visible(share.folder) == {"a.txt": b"neu", path: b"alt" * 500_000}
    assert (share.folder / path).stat().st_mtime == 1_700_000_000
    assert ("a.txt", False) in await kept(share), "a copy: the trash keeps its own"
    assert await back(share, "a.txt", deleted=False) != path


async def test_what_is_not_there_can_not_be_brought_back(share: Rig) -> None:
    trash = share.connector.capabilities.trash
    assert trash is not None
    assert await kept(share) == {}
    with pytest.raises(KeyError):
        await trash.bring_back("2026-11-24/1-1")


async def test_a_share_that_is_only_read_has_no_trash(file_server: FileServer, tmp_path: Path) -> None:
    async for one in rig(file_server, tmp_path, read_only=True):
        assert one.connector.capabilities.trash is None


async def test_bringing_back_from_a_server_that_is_away_is_unreachable(tmp_path: Path) -> None:
    with start() as server:
        async for one in rig(server, tmp_path):
            server.outage()
            with pytest.raises(Unreachable):
                await kept(one)
