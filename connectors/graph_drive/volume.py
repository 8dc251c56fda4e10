"""Gigabytes an hour, into and out of each drive and over all of them: paced, so that no wait is ever long.

SharePoint allows a user 50 GB an hour in and 100 GB out, and an application 400 GB in a tenant (sp-dev-docs: avoid
getting throttled, 2025-10-02). Here three quarters of an hour's share flow evenly, and an eighth may be saved up and
spent at once: no hour ever holds more than the share, not even one in which the bridge was started again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from connectors.bandwidth import Bandwidth, Direction, Limiter
from connectors.graph_drive.options import FileBudgets

HOUR = 3600.0
FLOW, SAVED = 0.75, 0.125
GRAIN = 1024 * 1024
GIGABYTE = 1e9


class Volumes:
    """What all drives of one application may move."""

    def __init__(
        self,
        budgets: FileBudgets,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._rates = {"up": self._rate(budgets, budgets.hour_in), "down": self._rate(budgets, budgets.hour_out)}
        self._burst = SAVED / FLOW * HOUR / budgets.clock_scale
        self._now, self._sleep = monotonic, sleep
        every = self._rate(budgets, budgets.hour_all)
        self._all = self._bucket(lambda _: every)
        self._drives: dict[str, Bandwidth] = {}

    def metered(self, drive: str, line: Limiter) -> Limiter:
        """The line as one drive sees it: what passes counts for the drive, for all of them, and for the line."""
        if drive not in self._drives:
            self._drives[drive] = self._bucket(lambda direction: self._rates[direction])
        return _Metered(self._all, self._drives[drive], line)

    def _bucket(self, limits: Callable[[Direction], float]) -> Bandwidth:
        return Bandwidth(limits, monotonic=self._now, sleep=self._sleep, burst=self._burst, grain=GRAIN)

    @staticmethod
    def _rate(budgets: FileBudgets, gigabytes: float) -> float:
        return gigabytes * GIGABYTE * budgets.share * FLOW / HOUR * budgets.clock_scale


class _Metered:
    """See ``connectors.bandwidth.Limiter``."""

    def __init__(self, every: Bandwidth, drive: Bandwidth, line: Limiter) -> None:
        self._all, self._drive, self._line = every, drive, line

    async def take(self, direction: Direction, amount: int) -> None:
        """Return when so many bytes may pass."""
        await self._all.take("up", amount)  # both directions together
        await self._drive.take(direction, amount)
        await self._line.take(direction, amount)
