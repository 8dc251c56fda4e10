"""SharePoint's limits, obeyed before they are hit: resource units a minute and a day, Retry-After, RateLimit headers.

A throttled call counts as well, so hitting a limit only makes the wait longer (sp-dev-docs: how to avoid getting
throttled or blocked in SharePoint Online, 2025-10-02).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from connectors.graph.budget import EASE, FLOOR, Budget, Cost
from connectors.graph.options import Budgets
from connectors.graph_drive.options import FileBudgets

MINUTE = 60.0
DAY = 86_400.0
#: The day is counted in slots of so many seconds.
SLOT = 300.0
#: RateLimit-Remaining below this part of RateLimit-Limit: everything waits for RateLimit-Reset.
LAST = 0.05
_LISTS = re.compile(r"/(?:children|drives|versions)$")


def price(method: str, path: str) -> Cost:
    """Units of a request: 1 for get, download and delta with a token; 2 for lists and writes; 5 for permissions."""
    plain, _, query = path.partition("?")
    if plain.endswith(("/invite", "/createLink")) or "/permissions" in plain:
        return Cost(5)
    if method != "GET":
        return Cost(2)
    if plain.endswith(("/delta", "/delta()")):
        return Cost(1 if "token=" in query else 2)
    return Cost(2 if _LISTS.search(plain) else 1)


class FileBudget(Budget):
    """One application's budget for files in one tenant, over all drives."""

    def __init__(
        self,
        budgets: FileBudgets,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        minute = Budgets.model_validate(
            {
                "units": budgets.minute,
                "units_window": MINUTE,
                "clock_scale": budgets.clock_scale,
                "share": budgets.share,
            }
        )
        super().__init__(minute, monotonic=monotonic, sleep=sleep)
        self._most = budgets.day * budgets.share
        self._scale = budgets.clock_scale
        self._slots: deque[tuple[float, int]] = deque()
        self.today = 0

    def limited(self, headers: Mapping[str, str]) -> None:
        """RateLimit-* come from 80 % of the minute on: spend less, and nothing at all when it is nearly used up."""
        try:
            limit, left = float(headers["ratelimit-limit"]), float(headers["ratelimit-remaining"])
            reset = float(headers["ratelimit-reset"])
        except (KeyError, ValueError):
            return
        if left <= LAST * limit:
            self.pause(reset)
        elif self._now() - self._adapted >= self.units.length:
            self._factor = max(FLOOR, self._factor * EASE)
            self._adapted = self._now()

    async def rest(self) -> None:
        """Wait while the service asked for a rest: for requests to other hosts, which cost nothing."""
        while (seconds := self._paused_until - self._now()) > 0:
            await self._sleep(seconds)

    def _wait(self, price: Cost) -> float:
        now, day = self._now(), DAY / self._scale
        while self._slots and self._slots[0][0] <= now - day:
            self.today -= self._slots.popleft()[1]
        waiting = super()._wait(price)
        if self.today + price.units > self._most and self._slots:
            waiting = max(waiting, self._slots[0][0] + day - now)
        return waiting

    @asynccontextmanager
    async def spend(self, price: Cost) -> AsyncIterator[Callable[[int], None]]:
        """As for the directory, and counted for the day."""
        async with super().spend(Cost(price.units)) as correct:
            slot = SLOT / self._scale
            at = self._now() // slot * slot + slot
            if self._slots and self._slots[-1][0] == at:
                self._slots[-1] = (at, self._slots[-1][1] + price.units)
            else:
                self._slots.append((at, price.units))
            self.today += price.units
            yield correct
