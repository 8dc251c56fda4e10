"""The memory connector with what no side should do: it never comes back, or meets a bug in every page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Literal

from bridge.ports import Context, Identity, Page
from connectors import memory
from connectors.memory import MemoryConnector

#: More than a school may have, so that its pool is used up whatever its size.
_THREADS = 100


class Options(memory.Options):
    """``hangs``: every call blocks in a thread for ever, and hints block many. ``bugs``: a TypeError in every page.

    ``dies``: what ends a task without being an error.
    """

    how: Literal["hangs", "bugs", "dies", "hangs when closed"]


class Troubled(MemoryConnector):
    options: Options

    async def identify(self) -> Identity:
        if self.options.how == "hangs":
            await _for_ever()
        return await super().identify()

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        async for page in super().observe(token, recall=recall):
            if self.options.how == "bugs":
                raise TypeError("page of somebody: 'Anna Lang'")
            if self.options.how == "dies":
                raise asyncio.CancelledError
            yield page

    async def hints(self) -> AsyncIterator[None]:
        if self.options.how == "hangs":
            await asyncio.gather(*(_for_ever() for _ in range(_THREADS)))
        async for hint in super().hints():
            yield hint

    async def close(self) -> None:
        if self.options.how.startswith("hangs"):
            await asyncio.shield(_for_ever())


async def _for_ever() -> None:
    await asyncio.to_thread(threading.Event().wait)


async def connect(options: Options, context: Context) -> Troubled:
    return Troubled(options, context)
