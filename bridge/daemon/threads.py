"""Threads of the daemon: each school has its own, so that a side that hangs in them takes none of another school's.

Whatever blocks runs in the loop's default executor (``asyncio.to_thread``, ``run_in_executor(None, ...)``, names asked
of the DNS), whoever wrote it. ``Pools`` is that executor: it passes the work on to the pool of the school in whose
tasks it was asked for. A task knows its school by a context variable, which the tasks that it begins inherit.

``run`` and ``leave`` end a program some of whose threads never come back: as a crash would, which is always safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import structlog

P = ParamSpec("P")
T = TypeVar("T")

#: Threads of one school: four roots at work with two sides each, its people, its hints. They are begun when needed.
MOST = 16
#: Seconds for what was asked to end, before it is left behind.
LAST = 5.0
_SCHOOL: ContextVar[str] = ContextVar("schoolbridge_school", default="")


@contextmanager
def of(school: str) -> Iterator[None]:
    """Tasks begun in here, and all that they begin, block in threads of this school only."""
    before = _SCHOOL.set(school)
    try:
        yield
    finally:
        _SCHOOL.reset(before)


async def aside(work: Callable[[], T]) -> T:
    """Run what belongs to no school in the daemon's own threads, whoever asks: no school that hangs holds it up."""
    with of(""):
        return await asyncio.to_thread(work)


class Pools(ThreadPoolExecutor):
    """A pool for each school, and one for the daemon itself. Used on one event loop."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__(1)  # asyncio wants one of this class; no thread of it is ever begun
        self._most = most
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._giving = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it in a thread of the school that asks."""
        school = _SCHOOL.get()
        with self._giving:
            pool = self._pools.get(school)
            if pool is None:
                name = f"schoolbridge-{school or 'daemon'}"
                pool = self._pools[school] = ThreadPoolExecutor(self._most, thread_name_prefix=name)
        return pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; never waits, for what hangs would keep the daemon from ending."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        super().shutdown(wait=False)


def run(main: Coroutine[Any, Any, None]) -> None:
    """As ``asyncio.run``, with ``Pools``, and without waiting for ever for what does not end."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(Pools())
    try:
        loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            _, left = loop.run_until_complete(asyncio.wait(left, timeout=LAST))
        with contextlib.suppress(TimeoutError):
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), LAST))
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        if not left:
            loop.close()


def leave() -> None:
    """Return when no thread is left; else end the process here and now, because Python would wait for them for ever."""
    end = time.monotonic() + LAST
    others = [one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon]
    for one in others:
        one.join(max(0.0, end - time.monotonic()))
    if hung := sorted({one.name for one in others if one.is_alive()}):
        structlog.get_logger().warning("ended while threads hang, as a crash would", threads=hung)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(0)
