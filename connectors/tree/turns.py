"""Blocking work in a thread, one piece at a time, also when whoever asked for it gives up.

Giving up ends the waiting, never the thread. The turn lasts until the thread is done, so that nothing is closed under
it, and no file descriptor that it writes to becomes another file's.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """Used on one event loop; first come, first served."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    async def take(self, act: Callable[[], T], *, dropped: Callable[[T], object] | None = None) -> T:
        """What ``act`` gives, called in a thread; raises what it raises.

        ``dropped`` is called, in a thread too, with what nobody waited for.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(None, contextvars.copy_context().run, act)
        except BaseException:
            self._free.release()
            raise
        running.add_done_callback(lambda _: self._free.release())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if dropped is not None:
                running.add_done_callback(lambda done: _drop(loop, done, dropped))
            raise


def _drop(loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], dropped: Callable[[T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        loop.run_in_executor(None, dropped, done.result())
