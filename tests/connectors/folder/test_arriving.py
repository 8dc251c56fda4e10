"""A large content on its way in makes room for others, goes on by itself, and is taken up where it was."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bridge.core.model import Action
from bridge.ports import ContentChanged, Failed, Outcome, Unreachable, Write, Written
from connectors.tree import arriving
from tests.conformance.base import write
from tests.connectors.folder.conftest import Bytes, Mirrored, really

PIECE = 512 * 1024
CONTENT = bytes(range(256)) * 4096 * 6
FAR = arriving.LARGE + PIECE


class Slow(Bytes):
    """Stops at ``gate`` bytes until ``going``; ``ends`` is raised there, when it is given."""

    def __init__(self, content: bytes, *, gate: int = 0, ends: Exception | None = None) -> None:
        super().__init__(content)
        self.gate, self.ends, self.going = gate, ends, asyncio.Event()
        self.starts: list[int] = []
        self.sent = 0

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        self.starts.append(start)
        for begin in range(start, len(self.content), PIECE):
            if self.gate and begin >= self.gate:
                await self.going.wait()
                if self.ends is not None:
                    raise self.ends
            yield self.content[begin : begin + PIECE]
            self.sent = begin + PIECE


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", 0.05)


def creation(mirrored: Mirrored, source: Bytes) -> Write:
    one = mirrored.write(Action.CREATE, "file", name="film.mp4", parent=None, content=source)
    return dataclasses.replace(one, pause=lambda: True)


async def apply(mirrored: Mirrored, source: Bytes) -> Outcome:
    return (await write(mirrored.connector, creation(mirrored, source)))["w1"]


def parts(mirrored: Mirrored) -> list[Path]:
    return list(mirrored.root.rglob(".schoolbridge-part-*"))


async def rested(mirrored: Mirrored, source: Slow) -> None:
    """It made room."""
    await mirrored.look()
    outcome = await apply(mirrored, source)
    assert isinstance(outcome, Failed), outcome
    assert (outcome.cause, outcome.transient) == ("unfinished", True)
    assert len(parts(mirrored)) == 1
    await mirrored.look()
    assert mirrored.tree() == {}


async def until(done: Callable[[], bool]) -> None:
    for _ in range(500):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never")


async def test_it_goes_on_by_itself_and_is_placed_by_who_comes_back(mirrored: Mirrored) -> None:
    first, second = Slow(CONTENT, gate=FAR), Slow(CONTENT)
    await rested(mirrored, first)
    first.going.set()
    await until(lambda: first.sent >= len(CONTENT))
    assert not (mirrored.root / "film.mp4").exists(), "that it gets its name is for who called apply"
    outcome = await apply(mirrored, second)
    assert isinstance(outcome, Written)
    assert (mirrored.root / "film.mp4").read_bytes() == CONTENT
    assert (first.starts, second.starts, parts(mirrored)) == ([0], [], [])
    await mirrored.look()
    assert mirrored.tree() == really(mirrored.root)


async def test_who_comes_back_waits_for_the_rest(mirrored: Mirrored) -> None:
    first = Slow(CONTENT, gate=FAR)
    await rested(mirrored, first)
    await rested(mirrored, first)
    asyncio.get_running_loop().call_later(0.02, first.going.set)
    outcome = await apply(mirrored, Slow(CONTENT))
    while isinstance(outcome, Failed) and outcome.cause == "unfinished":
        outcome = await apply(mirrored, Slow(CONTENT))
    assert isinstance(outcome, Written), outcome
    assert (first.starts, parts(mirrored)) == ([0], [])
    assert (mirrored.root / "film.mp4").read_bytes() == CONTENT


async def test_another_content_begins_anew(mirrored: Mirrored) -> None:
    first, other = Slow(CONTENT, gate=FAR), bytes(1) + CONTENT
    await rested(mirrored, first)
    outcome = await apply(mirrored, Slow(other))
    assert isinstance(outcome, Written)
    assert (mirrored.root / "film.mp4").read_bytes() == other
    assert parts(mirrored) == []


async def test_a_broken_line_is_taken_up_where_it_was(mirrored: Mirrored) -> None:
    await mirrored.look()
    broken = Slow(CONTENT, gate=FAR, ends=Unreachable("the line is dead"))
    broken.going.set()
    with pytest.raises(Unreachable):
        await apply(mirrored, broken)
    second = Slow(CONTENT)
    outcome = await apply(mirrored, second)
    assert isinstance(outcome, Written)
    assert (mirrored.root / "film.mp4").read_bytes() == CONTENT
    assert (second.starts, parts(mirrored)) == ([FAR], [])


async def test_a_line_that_broke_while_it_was_alone_is_taken_up_too(mirrored: Mirrored) -> None:
    first, second = Slow(CONTENT, gate=FAR, ends=Unreachable("the line is dead")), Slow(CONTENT)
    await rested(mirrored, first)
    first.going.set()
    await asyncio.sleep(0.05)
    assert isinstance(await apply(mirrored, second), Written)
    assert (second.starts, parts(mirrored)) == ([FAR], [])
    assert (mirrored.root / "film.mp4").read_bytes() == CONTENT


async def test_what_changed_while_it_was_alone_is_never_placed(mirrored: Mirrored) -> None:
    first = Slow(CONTENT, gate=FAR, ends=ContentChanged("it changed"))
    await rested(mirrored, first)
    first.going.set()
    await asyncio.sleep(0.05)
    outcome = await apply(mirrored, Slow(CONTENT))
    assert isinstance(outcome, Failed)
    assert (outcome.cause, parts(mirrored), really(mirrored.root)) == ("changed", [], {})


async def test_alone_it_stops_after_a_while_and_is_fetched_on(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "ALONE", -1.0)
    first, second = Slow(CONTENT, gate=FAR), Slow(CONTENT)
    await rested(mirrored, first)
    first.going.set()
    await asyncio.sleep(0.1)
    assert first.sent <= FAR + PIECE
    assert isinstance(await apply(mirrored, second), Written)
    assert (second.starts, parts(mirrored)) == ([FAR + PIECE], [])
    assert (mirrored.root / "film.mp4").read_bytes() == CONTENT


async def test_nobody_comes_back(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    await rested(mirrored, Slow(CONTENT, gate=FAR))
    monkeypatch.setattr(arriving, "FORGOTTEN", -1.0)
    await mirrored.look()
    assert parts(mirrored) == []


async def test_the_connector_is_closed(mirrored: Mirrored) -> None:
    await rested(mirrored, Slow(CONTENT, gate=FAR))
    await mirrored.restart()
    assert (parts(mirrored), len(asyncio.all_tasks())) == ([], 1)


async def test_a_small_one_makes_no_room(mirrored: Mirrored) -> None:
    await mirrored.look()
    small = Slow(CONTENT[: arriving.LARGE - 1], gate=PIECE)
    asyncio.get_running_loop().call_later(0.3, small.going.set)
    assert isinstance(await apply(mirrored, small), Written)
