"""The service's limits, obeyed before they are hit: writes per 150 s, resource units per 10 s, Retry-After.

A sliding window, not a bucket: what was spent counts for one window from the moment its *answer* came (the service
counted it somewhere between sending and answering). So no window of the service's own, wherever it begins and
whether it is a bucket or a counter, ever holds more than the limit. Facts: Graph throttling limits, Identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from bridge.ports import Purse
from connectors.graph.common import Common
from connectors.graph.options import Budgets
from connectors.graph.window import Window

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


class Budget:
    """One application's budget in one tenant. Requests wait their turn in order."""

    def __init__(
        self,
        budgets: Budgets,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        purses: tuple[Purse | None, Purse | None] = (None, None),
    ) -> None:
        self._now = monotonic
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self.units = Window(budgets.units * budgets.share, budgets.units_window / budgets.clock_scale)
        self.writes = Window(budgets.writes * budgets.share, budgets.writes_window / budgets.clock_scale)
        units, writes = purses
        self._units = Common(self.units, full=budgets.units, purse=units)
        self._writes = Common(self.writes, full=budgets.writes, purse=writes)
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
            self._units.wait(price.units, now, self._factor),
            self._writes.wait(price.writes, now, self._factor) if price.writes else 0.0,
        )

    async def _pass(self, seconds: float) -> None:
        await self._sleep(seconds)

    @asynccontextmanager
    async def spend(self, price: Cost) -> AsyncIterator[Callable[[int], None]]:
        """Wait until ``price`` may be spent, then spend it. The yielded function corrects the units afterwards."""
        async with self._turn:
            if (seconds := self._wait(price)) > 0:
                with self._waiting(price):
                    while seconds > 0:
                        await self._pass(seconds)
                        seconds = self._wait(price)
            self._units.begin(price.units)
            self._writes.begin(price.writes)
        real = price.units

        def correct(units: int) -> None:
            nonlocal real
            real = max(real, units)

        try:
            yield correct
        finally:
            now = self._now()
            self._units.settle(price.units, real, now)
            self._writes.settle(price.writes, price.writes, now)

    @contextmanager
    def _waiting(self, price: Cost) -> Iterator[None]:
        """Whoever shares the budget out learns that somebody waits."""
        self._units.waiting(price.units)
        self._writes.waiting(price.writes)
        try:
            yield
        finally:
            self._units.waiting(-price.units)
            self._writes.waiting(-price.writes)
