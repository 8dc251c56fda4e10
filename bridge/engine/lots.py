"""What comes one by one, taken on many at a time: a statement costs as much for one row as for fifty.

What has come is never held back long: a large file in the same chunk may take hours, and a crash would forget all that
came before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

#: How long something waits at most for others to come.
SECONDS = 5.0


class Lots(Generic[T]):
    """Gives ``take`` as many as ``size`` at once; ``async with`` gives it the rest, also when it ends in an error."""

    def __init__(self, take: Callable[[list[T]], Awaitable[None]], *, size: int, seconds: float = SECONDS) -> None:
        self._take = take
        self._size = size
        self._seconds = seconds
        self._waiting: list[T] = []
        self._one = asyncio.Lock()
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ticking = self._ticking
        assert ticking is not None  # noqa: S101
        async with self._one:  # what is being taken is taken to its end
            ticking.cancel()
        try:
            await self._flush()
        finally:
            ended = (await asyncio.gather(ticking, return_exceptions=True))[0]
        if isinstance(ended, Exception):
            raise ended

    async def add(self, one: T) -> None:
        """One more. Raises what ``take`` raised, if need be later."""
        if self._ticking is not None and self._ticking.done():
            await self._ticking
        self._waiting.append(one)
        if len(self._waiting) >= self._size:
            await self._flush()

    async def _flush(self) -> None:
        async with self._one:
            taken, self._waiting = self._waiting, []
            if taken:
                await self._take(taken)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._flush()
