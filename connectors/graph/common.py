"""A window that every connector of this process spends from, where somebody shares out the tenant's budget.

Without an allowance each one goes by its own share of the limit. With one, all of them together go by the allowance,
and each by the whole limit besides, which is the service's.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from bridge.ports import Purse
from connectors.graph.window import Window

_MINUTE = 60.0
_COMMON: WeakKeyDictionary[Purse, Window] = WeakKeyDictionary()


class Common:
    """One connector's own window, and beside it the one that belongs to the purse."""

    def __init__(self, own: Window, *, full: float, purse: Purse | None) -> None:
        self._own, self._share, self._full, self._purse = own, own.limit, full, purse
        self._all = None if purse is None else _COMMON.setdefault(purse, Window(0, own.length))

    def wait(self, amount: int, now: float, factor: float) -> float:
        """Seconds until so much more may be spent."""
        rate = None if self._purse is None else self._purse.rate()
        self._own.limit = self._share if rate is None else self._full
        seconds = self._own.wait(amount, now, factor)
        if rate is None or self._all is None:
            return seconds
        self._all.limit = rate * self._all.length / _MINUTE
        return max(seconds, self._all.wait(amount, now, factor))

    def waiting(self, amount: int) -> None:
        """So much more (or less) waits."""
        if self._purse is not None:
            self._purse.waiting(amount)

    def begin(self, amount: int) -> None:
        """It is sent now."""
        for one in self._windows():
            one.pending += amount

    def settle(self, amount: int, real: int, now: float) -> None:
        """The answer came."""
        for one in self._windows():
            one.settle(amount, real, now)
        if self._purse is not None and real:
            self._purse.spent(real)

    def _windows(self) -> tuple[Window, ...]:
        return (self._own,) if self._all is None else (self._own, self._all)
