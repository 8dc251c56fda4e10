"""What this process spends of each tenant's budgets, and what it may: between the connectors and who shares them out.

A purse remembers the last minute: what was spent, and how long somebody had to wait. From that follows what it wants:
as much as it spent, more if it had to wait. An allowance ends by the monotonic clock, whatever the machine's says.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from bridge.core.fair import tenant_key
from bridge.ports import BudgetName

MINUTE = 60.0
#: Wanted is at most so many times what was spent, where somebody waited all of the minute.
_GROWTH = 4
#: A purse that nobody used for so long wants nothing.
_UNUSED = 600.0


@dataclass(frozen=True, slots=True)
class Allowed:
    """``rate`` units a minute until ``ends`` on the monotonic clock; ``until``: what the hub calls that moment."""

    rate: float
    ends: float
    until: datetime


class Purse:
    """One budget of one tenant. See ``bridge.ports.Purse``."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._lock = Lock()
        self._spent: deque[tuple[float, float]] = deque()
        self._waits: deque[tuple[float, float]] = deque()
        self._waiting, self._since = 0.0, 0.0
        self.allowed: Allowed | None = None
        self.used = monotonic()

    def rate(self) -> float | None:
        """The allowance, as long as it lasts."""
        allowed = self.allowed
        return None if allowed is None or allowed.ends <= self._now() else allowed.rate

    def spent(self, amount: float) -> None:
        """Remembered for a minute."""
        with self._lock:
            self.used = self._now()
            self._spent.append((self.used, amount))
            self._forget()

    def waiting(self, amount: float) -> None:
        """Remembered as long as it lasts, and for a minute after."""
        with self._lock:
            self.used = self._now()
            if self._waiting <= 0 < amount:
                self._since = self.used
            elif self._waiting > 0 >= self._waiting + amount:
                self._waits.append((self._since, self.used))
            self._waiting = max(0.0, self._waiting + amount)
            self._forget()

    def wanted(self) -> float:
        """Units a minute: what was spent, more for waiting, and what waits now."""
        with self._lock:
            self._forget()
            now = self._now()
            open_ = [(self._since, now)] if self._waiting > 0 else []
            waited = sum(min(end, now) - max(begin, now - MINUTE) for begin, end in (*self._waits, *open_))
            part = min(1.0, max(0.0, waited / MINUTE))
            return sum(amount for _, amount in self._spent) * (1 + (_GROWTH - 1) * part) + self._waiting

    def _forget(self) -> None:
        before = self._now() - MINUTE
        while self._spent and self._spent[0][0] <= before:
            self._spent.popleft()
        while self._waits and self._waits[0][1] <= before:
            self._waits.popleft()


class Purses:
    """All purses of a process, by tenant (as it is called on the way, see ``tenant_key``) and budget."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._purses: dict[tuple[str, BudgetName], Purse] = {}

    def purse(self, tenant: str, budget: BudgetName) -> Purse:
        """For the connectors: of the tenant with this id."""
        return self._of(tenant_key(tenant), budget)

    def in_use(self) -> dict[tuple[str, BudgetName], Purse]:
        """Those that somebody used lately."""
        since = self.monotonic() - _UNUSED
        return {name: one for name, one in list(self._purses.items()) if one.used > since}

    def allow(self, key: str, budget: BudgetName, allowed: Allowed) -> None:
        """Go by a newer allowance."""
        purse = self._of(key, budget)
        if purse.allowed is None or allowed.until >= purse.allowed.until:
            purse.allowed = allowed

    def _of(self, key: str, budget: BudgetName) -> Purse:
        return self._purses.setdefault((key, budget), Purse(self.monotonic))


#: Those of this process.
PURSES = Purses()
