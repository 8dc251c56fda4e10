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
from collections.abc import Callable, Coroutine, Iterable, Iterator
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
_POOLS: ContextVar[Pools | None] = ContextVar("schoolbridge_pools", default=None)


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


def forget(school: str) -> None:
    """A school ended: should it come again, as after a corrected configuration, nothing hangs in its new threads."""
    if (pools := _POOLS.get()) is not None:
        pools.forget(school)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> bool:
    """Cancel tasks and wait for their end; whether all did. What does not, as a thread hangs in it, is left behind."""
    asked = set(tasks)
    for task in asked:
        task.cancel()
    done, left = await asyncio.wait(asked, timeout=LAST) if asked else (asked, asked)
    for task in done:
        if not task.cancelled():
            task.exception()  # what went wrong at the end is of no use any more
    return not left


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

    def forget(self, school: str) -> None:
        """Leave the threads of a school behind; those that do nothing end."""
        with self._giving:
            pool = self._pools.pop(school, None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; never waits, for what hangs would keep the daemon from ending."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        super().shutdown(wait=False)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop: uvloop's where it is installed (the extra ``uvloop``), which does more of its work in C; else
    Python's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(main: Coroutine[Any, Any, None]) -> None:
    """As ``asyncio.run``, with ``Pools``, and without waiting for ever for what does not end."""
    loop = new_loop()
    asyncio.set_event_loop(loop)
    pools = Pools()
    loop.set_default_executor(pools)
    known = _POOLS.set(pools)
    try:
        loop.run_until_complete(main)
    finally:
        _POOLS.reset(known)
        ended = loop.run_until_complete(end(asyncio.all_tasks(loop)))
        with contextlib.suppress(TimeoutError):
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), LAST))
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        if ended:
            loop.close()


def leave(*, failed: bool = False) -> None:
    """Return when no thread is left; else end the process here and now, because Python would wait for them for ever.

    ``failed``: with an exit code for which systemd starts it anew.
    """
    end = time.monotonic() + LAST
    others = [one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon]
    for one in others:
        one.join(max(0.0, end - time.monotonic()))
    if hung := sorted({one.name for one in others if one.is_alive()}):
        structlog.get_logger().warning("ended while threads hang, as a crash would", threads=hung)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(int(failed))
