"""A clock that can be moved ahead, so that seven-day tokens and the thirty-day bin can be tested in a second."""

from __future__ import annotations

import time
from collections.abc import Callable


class MovableClock:
    """Seconds since the epoch: the time of ``source`` and what was added by :meth:`advance`."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset = 0.0

    def __call__(self) -> float:
        """The time now."""
        return self._source() + self.offset

    def advance(self, seconds: float) -> None:
        """Move ahead; never back, the change log relies on it."""
        if seconds < 0:
            raise ValueError("the clock moves ahead only")
        self.offset += seconds
