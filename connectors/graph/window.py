"""A sliding window of what was spent: see ``connectors.graph.budget``."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """How much was spent in the last ``length`` seconds."""

    limit: float
    length: float
    pending: int = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def wait(self, amount: int, now: float, factor: float) -> float:
        """Seconds until ``amount`` more fits; 0 when it does. More than the limit fits when nothing else is spent."""
        while self.spent and self.spent[0][0] <= now - self.length:
            self.total -= self.spent.popleft()[1]
        excess = self.total + self.pending + amount - max(self.limit * factor, 1)
        if excess <= 0 or not (self.total or self.pending):
            return 0.0
        freed = 0
        for when, count in self.spent:
            freed += count
            if freed >= excess:
                return max(when + self.length - now, 0.001)
        return self.length / 100 if self.pending else max(self.spent[-1][0] + self.length - now, 0.001)

    def settle(self, amount: int, real: int, now: float) -> None:
        """The answer to a pending request came: it counts from now."""
        self.pending -= amount
        if real:
            self.spent.append((now, real))
            self.total += real
