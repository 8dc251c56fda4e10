"""Work that is given up in the middle: its thread ends in peace, whatever is closed right behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Action
from bridge.ports import Unreachable
from connectors.folder.lister import FolderLister
from connectors.folder.parts import Part
from connectors.tree.index import Index
from connectors.tree.turns import Turns
from tests.connectors.folder.conftest import Mirrored


class Slow:
    """Stands before a blocking function: a call waits in its thread until it is let go on."""

    def __init__(self, act: Callable[..., Any]) -> None:
        self.act, self.begun, self.goes_on, self.ended = act, threading.Event(), threading.Event(), threading.Event()

    def wrapped(self) -> Callable[..., Any]:
        def slow(*args: Any, **more: Any) -> Any:
            self.begun.set()
            assert self.goes_on.wait(20)
            try:
                return self.act(*args, **more)
            finally:
                self.ended.set()

        return slow

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 20)


async def given_up(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


def names(mirrored: Mirrored) -> list[str]:
    return sorted(one.name for one in (mirrored.root / "Kurs").iterdir())


async def test_a_turn_that_is_given_up_lasts_until_its_thread_is_done() -> None:
    turns, slow, dropped = Turns(), Slow(lambda: "result"), asyncio.Event()
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(
        turns.take(slow.wrapped(), dropped=lambda one: loop.call_soon_threadsafe(dropped.set) if one else None)
    )
    await slow.has_begun()
    await given_up(first)
    second = asyncio.create_task(turns.take(slow.ended.is_set))
    await asyncio.sleep(0.05)
    assert not second.done()
    slow.goes_on.set()
    assert await second is True
    await asyncio.wait_for(dropped.wait(), 5)


async def test_a_turn_that_fails_after_it_was_given_up_drops_nothing_and_ends() -> None:
    def fail() -> None:
        raise OSError("gone")

    turns, slow, dropped = Turns(), Slow(fail), list[None]()
    first = asyncio.create_task(turns.take(slow.wrapped(), dropped=dropped.append))
    await slow.has_begun()
    await given_up(first)
    slow.goes_on.set()
    assert await turns.take(slow.ended.is_set) is True
    assert dropped == []


async def test_the_index_is_closed_after_the_look_that_uses_it(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored.put("Kurs/a.txt", "1")
    slow = Slow(FolderLister._listed)
    monkeypatch.setattr(FolderLister, "_listed", slow.wrapped())
    look = asyncio.create_task(mirrored.look())
    await slow.has_begun()
    await given_up(look)
    closed = list[bool]()
    close = Index.close

    def closing(index: Index) -> None:
        closed.append(slow.ended.is_set())
        close(index)

    monkeypatch.setattr(Index, "close", closing)
    ending = asyncio.create_task(mirrored.connector.close())
    await asyncio.sleep(0.05)
    slow.goes_on.set()
    await ending
    assert closed == [True]


async def test_a_page_that_is_given_up_is_read_before_the_index_is_closed(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored.put("Kurs/a.txt", "1")
    slow = Slow(Index.ranked)
    monkeypatch.setattr(Index, "ranked", slow.wrapped())
    look = asyncio.create_task(mirrored.look())
    await slow.has_begun()
    await given_up(look)
    ending = asyncio.create_task(mirrored.connector.close())
    await asyncio.sleep(0.05)
    assert not ending.done()
    slow.goes_on.set()
    await ending
    assert slow.ended.is_set()


class Endless:
    """A content that stops after its first piece."""

    size, digest = 2000, None

    async def chunks(self, start: int = 0) -> Any:
        yield b"a" * 1000
        await asyncio.sleep(60)


async def test_a_piece_that_is_given_up_goes_into_no_other_file(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor of the part would be the next file's that is opened, were it closed under the write."""
    mirrored.put("Kurs/a.txt", "1")
    await mirrored.look()
    slow, written = Slow(Part.write), list[tuple[int, int]]()

    def write(part: Part, piece: bytes) -> None:
        written.append((part.fd, os.fstat(part.fd).st_ino))
        slow.wrapped()(part, piece)

    monkeypatch.setattr(Part, "write", write)
    one = mirrored.write(Action.CREATE, "file", name="b.txt", parent=mirrored.at("Kurs"), content=Endless())
    applying = asyncio.create_task(anext(mirrored.connector.apply([one])))
    await slow.has_begun()
    applying.cancel()
    await asyncio.sleep(0.05)
    [(fd, inode)] = written
    assert os.fstat(fd).st_ino == inode, "the part is still open"
    slow.goes_on.set()
    with contextlib.suppress(asyncio.CancelledError):
        await applying
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    assert names(mirrored) == ["a.txt"]


async def test_a_part_that_nobody_waits_for_is_taken_away(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored.put("Kurs/a.txt", "1")
    await mirrored.look()
    slow = Slow(Part.begin)
    monkeypatch.setattr(Part, "begin", slow.wrapped())
    one = mirrored.write(Action.CREATE, "file", name="b.txt", parent=mirrored.at("Kurs"), content=Endless())
    applying = asyncio.create_task(anext(mirrored.connector.apply([one])))
    await slow.has_begun()
    await given_up(applying)
    slow.goes_on.set()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if slow.ended.is_set() and names(mirrored) == ["a.txt"]:
            break
    assert names(mirrored) == ["a.txt"]


async def test_who_asks_a_closed_connector_is_told_so(tmp_path: Path) -> None:
    mirrored = Mirrored(tmp_path)
    await mirrored.look()
    await mirrored.connector.close()
    with pytest.raises(Unreachable, match="closed"):
        await mirrored.look()
