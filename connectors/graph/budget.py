"""The service's limits, obeyed before they are hit: writes per 150 s, resource units per 10 s, Retry-After.

A sliding window, not a bucket: what was spent counts for one window from the moment its *answer* came (the service
counted it somewhere between sending and answering). So no window of the service's own, wherever it begins and
whether it is a bucket or a counter, ever holds more than the limit. Facts: Graph throttling limits, Identity.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from connectors.graph.options import Budgets

WARNED_AT = 0.8  # x-ms-throttle-limit-percentage starts to be sent here
FLOOR = 0.1  # never slower than this part of our share
EASE = 0.8  # how much less is spent after a warning
RECOVER = 1.05  # and how much more again after a window without one


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs: ``units`` resource units and ``writes`` writes."""

    units: int = 1
    writes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.units + other.units, self.writes + other.writes)


def cost(method: str, path: str) -> Cost:
    """The price list: reads by resource, ``$select`` one less, ``$expand`` one more, writes one of each, at least 1."""
    if method != "GET":
        return Cost(units=3) if path.endswith("/getByIds") else Cost(units=1, writes=1)
    plain, _, query = path.partition("?")
    if plain.startswith("/users"):
        units = 2
    elif plain.endswith(("/members", "/owners")) or plain.startswith("/subscribedSkus"):
        units = 3
    else:
        units = 1
    units += ("$expand=" in query) - ("$select=" in query)
    return Cost(units=max(1, units))


@dataclass(slots=True)
class Window:
    """How much was spent in the last ``length`` seconds."""

    limit: float
    length: float
    pending: int = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def wait(self, amount: int, now: float, factor: float) -> float:
        """Seconds until ``amount`` more fits; 0 when it does. More than the limit fits when nothing else is spent."""
        while self.spent and self.spent[0][0] <= now - self.length:
            self.total -= self.spent.popleft()[1]
        excess = self.total + self.pending + amount - max(self.limit * factor, 1)
        if excess <= 0 or not (self.total or self.pending):
            return 0.0
        freed = 0
        for when, count in self.spent:
            freed += count
            if freed >= excess:
                return max(when + self.length - now, 0.001)
        return self.length / 100 if self.pending else max(self.spent[-1][0] + self.length - now, 0.001)

    def settle(self, amount: int, real: int, now: float) -> None:
        """The answer to a pending request came: it counts from now."""
        self.pending -= amount
        if real:
            self.spent.append((now, real))
            self.total += real


class Budget:
    """One application's budget in one tenant. Requests wait their turn in order."""

    def __init__(
        self,
        budgets: Budgets,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._now = monotonic
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self.units = Window(budgets.units * budgets.share, budgets.units_window / budgets.clock_scale)
        self.writes = Window(budgets.writes * budgets.share, budgets.writes_window / budgets.clock_scale)
        self._paused_until = 0.0
        self._factor = 1.0
        self._adapted = 0.0

    @property
    def factor(self) -> float:
        """The part of our share that is in use now: less than 1 after a warning of the service."""
        return self._factor

    def pause(self, seconds: float) -> bool:
        """Retry-After: nothing at all is sent for so long, whatever it is (throttled calls count too).

        Whether this began a pause; False when one was on already.
        """
        now = self._now()
        began = self._paused_until <= now
        self._paused_until = max(self._paused_until, now + seconds)
        return began

    def warned(self, percentage: float) -> None:
        """x-ms-throttle-limit-percentage: somebody, we or another program of ours, is near the limit."""
        now = self._now()
        if percentage >= WARNED_AT and now - self._adapted >= self.units.length:
            self._factor = max(FLOOR, self._factor * EASE / max(1.0, percentage))
            self._adapted = now

    def _wait(self, price: Cost) -> float:
        now = self._now()
        if self._factor < 1 and now - self._adapted >= self.units.length:
            self._factor = min(1.0, self._factor * RECOVER)
            self._adapted = now
        return max(
            self._paused_until - now,
            self.units.wait(price.units, now, self._factor),
            self.writes.wait(price.writes, now, self._factor) if price.writes else 0.0,
        )

    async def _pass(self, seconds: float) -> None:
        await self._sleep(seconds)

    @asynccontextmanager
    async def spend(self, price: Cost) -> AsyncIterator[Callable[[int], None]]:
        """Wait until ``price`` may be spent, then spend it. The yielded function corrects the units afterwards."""
        async with self._turn:
            while (seconds := self._wait(price)) > 0:
                await self._pass(seconds)
            self.units.pending += price.units
            self.writes.pending += price.writes
        real = price.units

        def correct(units: int) -> None:
            nonlocal real
            real = max(real, units)

        try:
            yield correct
        finally:
            now = self._now()
            self.units.settle(price.units, real, now)
            self.writes.settle(price.writes, price.writes, now)
