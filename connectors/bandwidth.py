"""The school's line, shared by all connectors of the process: at most so many bytes a second, up and down.

Every transfer asks ``await line.take("up", n)`` before it sends or reads on. Bytes are handed out in grains, one grain
a turn, so that a big file does not starve a small one. The limits come from a function that is asked anew for every
grain: they may follow the time of day, and a changed setting holds at once, in the middle of a transfer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

Direction = Literal["up", "down"]
#: Bytes a second in one direction; None: as fast as it goes.
Limits = Callable[[Direction], float | None]
#: Bytes handed out at a time.
GRAIN = 64 * 1024
#: Seconds of the limit that may be saved up while nothing is transferred.
BURST = 0.25


class Limiter(Protocol):
    """What a connector needs of a line."""

    async def take(self, direction: Direction, amount: int) -> None:
        """Return when ``amount`` bytes may pass."""
        ...


def unlimited(direction: Direction) -> float | None:
    """No limit."""
    return None


class Bandwidth:
    """A token bucket for each direction. ``passed`` counts the bytes that were let through.

    ``burst``: seconds of the limit that may be saved up while nothing is transferred. ``grain``: bytes a turn.
    """

    def __init__(
        self,
        limits: Limits = unlimited,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        burst: float = BURST,
        grain: int = GRAIN,
    ) -> None:
        self._limits = limits
        self._burst = burst
        self._most = grain
        self._now = monotonic
        self._sleep = sleep
        self._free: dict[Direction, float] = {"up": 0.0, "down": 0.0}
        self._turns: dict[tuple[Direction, asyncio.AbstractEventLoop], asyncio.Lock] = {}
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}

    def limit(self, limits: Limits) -> None:
        """Ask this function from now on."""
        self._limits = limits

    async def take(self, direction: Direction, amount: int) -> None:
        """Return when ``amount`` bytes may pass; others get their turn between two grains."""
        self.passed[direction] += amount
        while amount > 0 and self._limits(direction) is not None:
            grain = min(amount, self._most)
            await self._grain(direction, grain)
            amount -= grain

    async def _grain(self, direction: Direction, grain: int) -> None:
        turn = self._turns.setdefault((direction, asyncio.get_running_loop()), asyncio.Lock())
        async with turn:
            rate = self._limits(direction)
            if rate is None:
                return
            now = self._now()
            # When the line is free for this grain; what was not used counts for a moment only.
            begins = max(self._free[direction], now - self._burst)
            self._free[direction] = begins + grain / max(rate, 1.0)
            if (seconds := self._free[direction] - now) > 0:
                await self._sleep(seconds)


#: The line of this process. The daemon sets its limits.
LINE = Bandwidth()
