"""How many are at work at once: first come, first served, and who is at work for long gives way in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

#: Seconds of work after which others have their turn.
SLICE = 10.0


@dataclass(slots=True)
class Gate:
    """Lets ``most`` in. ``waiting``: how many stand before it."""

    most: int
    monotonic: Callable[[], float] = time.monotonic
    waiting: int = 0
    _places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.most)

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Stay]:
        """Wait for a place and hold it."""
        stay = Stay(self)
        await stay.enter()
        try:
            yield stay
        finally:
            stay.leave()

    async def take(self) -> None:
        """Wait for a place, behind all who wait already."""
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1

    def give_back(self) -> None:
        """The place is free for the one who has waited longest."""
        self._places.release()


@dataclass(slots=True)
class Stay:
    """One who was let in. ``since``: when, None while it waits again."""

    gate: Gate
    since: float | None = None

    async def enter(self) -> None:
        """Wait for a place."""
        await self.gate.take()
        self.since = self.gate.monotonic()

    def leave(self) -> None:
        """Give the place back, if there is one."""
        if self.since is not None:
            self.since = None
            self.gate.give_back()

    async def give_way(self) -> None:
        """After a slice of work let in those who wait, and stand behind them."""
        if self.gate.waiting and self.since is not None and self.gate.monotonic() - self.since >= SLICE:
            self.leave()
            await self.enter()
