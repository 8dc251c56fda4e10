"""Time and network of the simulation: one heap of what happens when, and lines that lose, repeat, delay and reorder.

All chance comes from one ``random.Random``: a seed is a whole run. Nothing here sleeps or opens a socket.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)


class Clockwork:
    """What happens when, in seconds since the beginning."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + seconds, self._count, what))

    def run(self, until: float) -> None:
        """Let all happen up to then."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = until

    def moment(self, ahead: float = 0.0) -> datetime:
        """The time of day of a clock that is so many seconds ahead."""
        return BEGIN + timedelta(seconds=self.now + ahead)


@dataclass
class Weather:
    """How bad the lines are: probabilities of one message, and seconds of its longest way."""

    lost: float = 0.0
    twice: float = 0.0
    slow: float = 0.5

    @classmethod
    def drawn(cls, chance: random.Random) -> Weather:
        """Some are fine, some are terrible."""
        return cls(chance.choice((0, 0.05, 0.4)), chance.choice((0, 0.05, 0.3)), chance.choice((0.2, 3.0, 90.0)))


@dataclass
class Wire:
    """The line of one site. ``life`` grows when its machine is put back: what an older machine sent is gone."""

    clock: Clockwork
    weather: Weather
    whole: bool = True
    life: int = 0
    carried: int = field(default=0)

    def send(self, what: Callable[[], None]) -> None:
        """Carry something to the other end: perhaps later, perhaps twice, perhaps not at all; in any order."""
        chance, life = self.clock.chance, self.life

        def arrives() -> None:
            if self.whole and self.life == life:
                self.carried += 1
                what()

        if not self.whole or chance.random() < self.weather.lost:
            return
        self.clock.after(chance.random() * self.weather.slow, arrives)
        if chance.random() < self.weather.twice:
            self.clock.after(chance.random() * self.weather.slow * 5, arrives)
