"""How many calls about permissions an application may make: paced apart from all others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bridge.ports import Spent

#: "Specific sharing APIs" (sp-dev-docs: avoid getting throttled, 2025-10-02): calls in so many seconds.
CALLS, WINDOW = 300, 300.0


class Pace:
    """Counts these calls over all drives of an application."""

    def __init__(self, *, share: float, scale: float, monotonic: Callable[[], float]) -> None:
        self._most, self._window, self._now = max(1, int(CALLS * share)), WINDOW / scale, monotonic
        self._sent: deque[float] = deque()

    def take(self) -> None:
        """One call. Raises Spent when too many were made lately."""
        now = self._now()
        while self._sent and self._sent[0] <= now - self._window:
            self._sent.popleft()
        if len(self._sent) >= self._most:
            wait = self._sent[0] + self._window - now
            raise Spent(f"{self._most} calls about permissions in five minutes are used up", retry_after=wait)
        self._sent.append(now)
