"""SharePoint's limits, obeyed before they are hit: resource units a minute and a day, Retry-After, RateLimit headers.

A throttled call counts as well, so hitting a limit only makes the wait longer (sp-dev-docs: how to avoid getting
throttled or blocked in SharePoint Online, 2025-10-02).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from bridge.ports import Purse, Spent
from connectors.graph.budget import EASE, FLOOR, Budget, Cost
from connectors.graph.options import Budgets
from connectors.graph_drive.day import Day
from connectors.graph_drive.options import FileBudgets

MINUTE = 60.0
#: Seconds that a request waits for the budget; where it would be more, the root gives its turn to others.
PATIENCE = 90.0
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
    """One application's budget for files in one tenant, over all drives; the day's in ``day``."""

    def __init__(
        self,
        budgets: FileBudgets,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        day: Day | None = None,
        purse: Purse | None = None,
    ) -> None:
        minute = Budgets.model_validate(
            {
                "units": budgets.minute,
                "units_window": MINUTE,
                "clock_scale": budgets.clock_scale,
                "share": budgets.share,
            }
        )
        super().__init__(minute, monotonic=monotonic, sleep=sleep, purses=(purse, None))
        self._most = budgets.day * budgets.share
        self.day = day or Day(scale=budgets.clock_scale, monotonic=monotonic)

    @property
    def today(self) -> int:
        """Units spent in the last 24 hours."""
        return self.day.spent

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
        """Wait while the service asked for a rest: for requests to other hosts, which cost nothing. Raises Spent."""
        while (seconds := self._paused_until - self._now()) > 0:
            await self._pass(seconds)

    def _wait(self, price: Cost) -> float:
        return max(super()._wait(price), self.day.wait(price.units, self._most))

    async def _pass(self, seconds: float) -> None:
        """Sleep; or raise Spent where that would be long: somebody else may use the slot, and a person wants to know.

        A minute's window is slept through: it fills again while the work goes on.
        """
        if seconds <= PATIENCE:
            await self._sleep(seconds)
        elif self._paused_until - self._now() > PATIENCE:
            raise Spent("SharePoint throttles this application and asked for a rest", retry_after=seconds)
        else:
            raise Spent(
                f"the file budget of {self._most:,.0f} units a day is used up (`file_budgets`; all drives of the "
                "tenant share it)",
                retry_after=seconds,
            )

    @asynccontextmanager
    async def spend(self, price: Cost) -> AsyncIterator[Callable[[int], None]]:
        """As for the directory, and counted for the day. Raises Spent before anything was sent."""
        async with super().spend(Cost(price.units)) as correct:
            self.day.add(price.units)
            yield correct
