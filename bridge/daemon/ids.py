"""Ids of links and cycles: later ones sort after earlier ones (as UUID version 7, RFC 9562 section 5.7).

Links are read in the order of their ids: parents, which are met first, mostly come before what lies in them, and new
rows of the state stand together instead of all over its index.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

_VERSION, _VARIANT = 7, 2
_RANDOM = 62
_STEPS = 12


class TimeOrdered:
    """Makes ids of 32 hexadecimal digits; ``random`` gives an integer of so many bits."""

    def __init__(self, clock: Callable[[], datetime], random: Callable[[int], int]) -> None:
        self._clock, self._random = clock, random
        self._last = 0

    def __call__(self) -> str:
        milliseconds = int(self._clock().timestamp() * 1000)
        # Within a millisecond, and where the clock was set back, the ids count on from the last one.
        self._last = now = max(milliseconds << _STEPS, self._last + 1)
        high = (now >> _STEPS << 16) | (_VERSION << 12) | (now & ((1 << _STEPS) - 1))
        return f"{high << 64 | _VARIANT << _RANDOM | self._random(_RANDOM):032x}"
