"""How often: wrong tokens of an address, requests of a token. Bounded memory, however many addresses there are."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

#: Wrong tokens of one address within the window; more are not even looked up as long.
WRONG, WINDOW = 20, 300.0
_MOST = 10_000


class Wrong:
    """Counts wrong tokens by address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str) -> None:
        """One more."""
        times = self._times.setdefault(address, deque(maxlen=WRONG))
        times.append(self._clock())
        self._times.move_to_end(address)
        while len(self._times) > _MOST:
            self._times.popitem(last=False)

    def wait(self, address: str) -> float:
        """Seconds until one more is let through; 0: now."""
        times = self._times.get(address)
        if times is None or len(times) < WRONG:
            return 0.0
        return max(0.0, times[0] + WINDOW - self._clock())


class Buckets:
    """Lets each key do so much a minute, a tenth of it at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, per_minute: int) -> float:
        """Take one; seconds to wait when there is none."""
        now, most, rate = self._clock(), max(10.0, per_minute / 10), per_minute / 60
        left, at = self._left.get(key, (most, now))
        left = min(most, left + (now - at) * rate)
        if left < 1:
            return (1 - left) / rate
        self._left[key] = (left - 1, now)
        self._left.move_to_end(key)
        while len(self._left) > _MOST:
            self._left.popitem(last=False)
        return 0.0
