"""How many transfers run at once: fewer when throttled or when the line breaks, slowly more when all goes well."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lanes:
    """Additive increase, multiplicative decrease.

    Of several drives that wait each has one turn after the other, however much one of them has to send; of one drive's
    transfers the first come is served first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = most
        """How many may run now."""
        self.running = 0
        self._good = 0
        #: By drive; the first of them is the next to have its turn.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def lane(self, drive: str = "") -> AsyncIterator[None]:
        """Wait for a free lane and hold it."""
        if self.running >= self.open or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(drive, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.leave()
                raise
        else:
            self.running += 1
        try:
            yield
        finally:
            self.leave()

    def take(self) -> bool:
        """Hold a lane without waiting for it, if one is free; ``leave`` gives it back."""
        free = self.running < self.open and not self._waiting
        self.running += free
        return free

    def leave(self) -> None:
        """Give a lane back."""
        self.running -= 1
        self._admit()

    def slower(self) -> None:
        """Throttled, or the line broke: half as many."""
        self.open = max(1, self.open // 2)
        self._good = 0

    def well(self) -> None:
        """A transfer went well: one more after as many as there are lanes."""
        self._good += 1
        if self._good >= self.open and self.open < self.most:
            self.open += 1
            self._good = 0
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self.running < self.open:
            drive, turns = next(iter(self._waiting.items()))
            del self._waiting[drive]
            turn = turns.popleft()
            if turns:
                self._waiting[drive] = turns  # behind the others
            if not turn.done():
                self.running += 1
                turn.set_result(None)
