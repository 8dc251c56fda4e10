"""One file on its way down in several ranges at a time, given on in order.

A service that cuts its speed with every lost packet uses a fifth of a school's line with one connection, and all of it
with eight. How many are of use is found out: twice as many, as long as that brings a quarter more. Where the line is
fast, the rest of a file is one range.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from connectors.graph_drive.lanes import Lanes

#: Bytes of a range where several go at a time, or nothing is known yet.
LEAST, MOST = 256 * 1024, 1024 * 1024
#: Ranges at a time; bytes of them that are there or on their way; bytes a second of a line that needs but one.
WIDEST, SPAN, FAST = 8, 8 * MOST, 4_000_000.0
#: Seconds over which is measured; that a range takes, or the only one on a fast line; until more are tried again.
PERIOD, TAKES, LONG, AGAIN = 4.0, 10.0, 30.0, 20.0
_BETTER = 1.25

#: Fetch a range: from its first byte to before its last.
Fetch = Callable[[int, int], AsyncGenerator[bytes, None]]


class Widths:
    """How many ranges at a time, and how long they are, by what came of all downloads; ``now`` in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.width = 1
        self.rate = 0.0
        #: Whether the service knows ranges.
        self.ranged = True
        self._readers = 0
        self._begun, self._bytes = now(), 0
        #: What came before it was widened; 0: it was not.
        self._before = 0.0
        self._next = 0.0

    def enter(self) -> None:
        """A download begins."""
        self._readers += 1
        if self._readers == 1:
            self._begun, self._bytes = self._now(), 0

    def leave(self) -> None:
        """One ended."""
        self._readers -= 1

    def came(self, amount: int) -> None:
        """So many bytes did."""
        self._bytes += amount
        passed = self._now() - self._begun
        if passed < PERIOD and self._bytes < FAST:
            return
        self._judge(self._bytes / max(passed, 1e-3))
        self._begun, self._bytes = self._now(), 0

    def _judge(self, rate: float) -> None:
        before, self._before, self.rate = self._before, 0.0, rate
        if rate >= FAST or not self.ranged:
            self.width = 1
        elif before and rate < before * _BETTER:
            self.width //= 2
            self._next = self._now() + AGAIN
        elif self.width < WIDEST and self._now() >= self._next:
            self.width, self._before = self.width * 2, rate

    def splits(self, left: int) -> bool:
        """Whether so many bytes are worth more than one request."""
        return self.ranged and left > (2 * LEAST if self.width > 1 else 4 * MOST)

    def size(self, left: int) -> int:
        """Bytes of the next range of a file of which so many are left."""
        if not self.ranged:
            return left
        if self.rate >= FAST:
            return min(left, int(self.rate * LONG))
        size = int(self.rate / self.width * TAKES) if self.rate else MOST
        return min(left, max(LEAST, min(MOST, size)))


@dataclass(slots=True)
class _Range:
    """One range, and what came of it."""

    task: asyncio.Task[None] = field(init=False)
    chunks: deque[bytes] = field(default_factory=deque)
    held: int = 0
    room: asyncio.Event = field(default_factory=asyncio.Event)


class Ranges:
    """The ranges of one file of ``size`` bytes from ``start`` on; ``drive`` names whose turn a lane is."""

    def __init__(self, fetch: Fetch, *, start: int, size: int, widths: Widths, lanes: Lanes, drive: str) -> None:
        self._fetch, self._given, self._at, self._size = fetch, start, start, size
        self._widths, self._lanes, self._drive = widths, lanes, drive
        self._ranges: deque[_Range] = deque()
        self._news = asyncio.Event()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All bytes in order. Raises what ``fetch`` raises."""
        self._widths.enter()
        try:
            while self._ranges or self._at < self._size:
                self._open()
                first = self._ranges[0]
                if first.chunks:
                    chunk = first.chunks.popleft()
                    first.held -= len(chunk)
                    self._given += len(chunk)
                    first.room.set()
                    yield chunk
                elif first.task.done():
                    first.task.result()
                    self._ranges.popleft()
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            self._widths.leave()
            for one in self._ranges:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in self._ranges), return_exceptions=True)

    def _open(self) -> None:
        """As many as are of use and have a lane; the first one waits for its lane."""
        while self._at < self._size and (not self._ranges or self._at - self._given < SPAN):
            running = sum(not one.task.done() for one in self._ranges)
            if running >= self._widths.width or (self._ranges and not self._lanes.take()):
                return
            begin, self._at = self._at, self._at + self._widths.size(self._size - self._at)
            one = _Range()
            if self._ranges:
                one.task = asyncio.create_task(self._fill(one, begin, self._at))
                one.task.add_done_callback(lambda _: self._lanes.leave())
            else:
                one.task = asyncio.create_task(self._first(one, begin, self._at))
            one.task.add_done_callback(lambda _: self._news.set())
            self._ranges.append(one)

    async def _first(self, one: _Range, begin: int, end: int) -> None:
        async with self._lanes.lane(self._drive):
            await self._fill(one, begin, end)

    async def _fill(self, one: _Range, begin: int, end: int) -> None:
        async with aclosing(self._fetch(begin, end)) as stream:
            async for chunk in stream:
                self._widths.came(len(chunk))
                one.chunks.append(chunk)
                one.held += len(chunk)
                self._news.set()
                while one.held > MOST:
                    one.room.clear()
                    await one.room.wait()
        self._lanes.well()
