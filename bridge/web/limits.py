"""How often a password may be tried: wrong ones are counted for each account and each address."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

#: Fewer than the 10 wrong tries after which a directory that follows Microsoft's baseline locks the account.
FOR_ACCOUNT, FOR_ADDRESS = 5, 50
WINDOW = 15 * 60.0  # seconds
_MOST = 10_000  # keys remembered


class Limits:
    """Counts failures within the last quarter of an hour. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}

    def allowed(self, account: str, address: str) -> bool:
        """Whether one more try is let through."""
        return self._count(_account(account)) < FOR_ACCOUNT and self._count(address) < FOR_ADDRESS

    def begin(self, account: str, address: str) -> None:
        """Count a try before it is made: many at once must not slip through while the first is still under way."""
        for key in (_account(account), address):
            if key not in self._failed and len(self._failed) >= _MOST:
                self._forget()
            self._failed.setdefault(key, deque()).append(self._clock())

    def right(self, account: str, address: str) -> None:
        """It was the right one after all: this try does not count, nor those before it for the account."""
        self._failed.pop(_account(account), None)
        if self._failed.get(address):
            self._failed[address].pop()

    def _count(self, key: str) -> int:
        times = self._failed.get(key)
        while times and self._clock() - times[0] > WINDOW:
            times.popleft()
        return len(times or ())

    def _forget(self) -> None:
        for key in [key for key in self._failed if not self._count(key)]:
            del self._failed[key]
        while len(self._failed) >= _MOST:
            self._failed.pop(next(iter(self._failed)))


def _account(name: str) -> str:
    """``SCHOOL\\anna``, ``anna@school`` and ``Anna`` are one account."""
    return "account " + name.strip().casefold().rpartition("\\")[2].partition("@")[0]
