"""The life of something that is mirrored: wait until something may have changed, run a cycle, again after an error.

Everything that happens only wakes it: hints of the connectors, the schedule, a person. One task each, so that one's
trouble never delays another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.model import Side
from bridge.daemon.gate import Gate
from bridge.daemon.threads import LAST
from bridge.daemon.trouble import place, said
from bridge.engine.bridged import Bridged, Progress, Report
from bridge.ports import BridgeError, Connector, Fenced, Unreachable, Waiting

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
#: The longest pause that a side may ask for, in seconds.
MOST_PATIENCE = 3600.0
#: When failed writes are looked at again, in seconds: the first back-off of a quarantined link.
LOOK_AGAIN = 31.0
#: Seconds that a cycle may go on after it was asked to stop.
GRACE = 20.0


class Stopped(Exception):
    """Raised between two pages or chunks, all of which are recorded: the cycle ends here."""


class Reopen(Exception):
    """Raised by a turn that did nothing: what is connected is not what should be any more; connect anew, at once."""


@dataclass(frozen=True, slots=True)
class Life:
    """What is done in it. ``opened`` connects; ``turn`` runs a cycle over some sides, in full or not.

    ``noted`` keeps the books of every cycle, ``failed`` is told besides of what ended one early, or kept it from
    beginning; ``doing`` shows progress, the empty text its end. ``waiting`` is told instead when there is nothing to
    open yet, and why: that is no failure. ``gate`` limits how many run at once.
    """

    opened: Callable[[Progress], AbstractAsyncContextManager[Bridged]]
    turn: Callable[[Bridged, frozenset[Side], bool], Awaitable[Report]]
    noted: Callable[[Report, frozenset[Side]], None]
    failed: Callable[[str], None]
    doing: Callable[[str], None]
    waiting: Callable[[str], None] = lambda why: None
    gate: Gate | None = None


@dataclass(slots=True)
class Watched:
    """One task. ``name`` is for logs; it holds no name of a person."""

    name: str
    life: Life
    failures: int = 0
    _wanted: set[Side] = field(default_factory=set)
    _full: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first cycle reads both sides."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    def wake(self, sides: Iterable[Side] = (), *, full: bool = False) -> None:
        """Something may have changed on these sides; without any, only what is due is looked at."""
        self._wanted.update(sides)
        self._full |= full
        self._woken.set()

    def revive(self) -> bool:
        """Begin anew if the task died of what nobody foresaw; whether it had."""
        if self._task is None or not self._task.done() or self._stop.is_set():
            return False
        error = "CancelledError" if self._task.cancelled() else type(self._task.exception()).__name__
        structlog.get_logger().error("task ended, begun anew", of=self.name, error=error)
        self.start()
        self.wake(Side)
        self._failed(f"internal error ({error}); begun anew, the log has more")
        return True

    @property
    def over(self) -> bool:
        """Whether nothing of it is under way any more."""
        return self._task is None or self._task.done()

    async def stop(self) -> None:
        """End after the page or chunk under way; after a while in the middle of it, as a crash would.

        What does not even end then (a connection can't be closed, because a thread hangs in it) is left behind.
        """
        self._stop.set()
        self._woken.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=GRACE)
        if not done:
            self._task.cancel()
            done, _ = await asyncio.wait({self._task}, timeout=LAST)
        if not done:
            structlog.get_logger().warning("does not end: left behind", of=self.name)
        elif not self._task.cancelled() and (error := self._task.exception()) is not None:
            structlog.get_logger().error("ended by a bug", of=self.name, error=type(error).__name__)

    async def _run(self) -> None:
        while not self._stop.is_set():
            asked: float | None = None
            try:
                await self._serve()
            except Stopped:
                return
            except Reopen:
                continue
            except Fenced:
                # Whoever opens again finds out whether the school is this process's; a root waits for that.
                self.life.doing("")
                await self._pause()
                continue
            except Waiting as absent:
                self.failures = 0
                self.life.waiting(str(absent))
                self._woken.clear()
                if not self._stop.is_set():
                    await self._woken.wait()
                continue
            except (BridgeError, OSError, SQLAlchemyError, MemoryError) as error:
                asked = error.retry_after if isinstance(error, Unreachable) else None
                self._failed(said(error))
            except Exception as error:  # noqa: BLE001 - a bug in one cycle must not stop the others
                # No traceback: the text of an error may hold names of people.
                log = structlog.get_logger().bind(place=place(error))
                log.error("cycle broke off", of=self.name, error=type(error).__name__)
                self._failed(f"internal error ({type(error).__name__}); the log has more")
            self.life.doing("")
            await self._pause(asked)

    async def _serve(self) -> None:
        """Connect and run cycles until told to stop; an error that a cycle does not report itself ends it."""
        async with self.life.opened(self._progress) as one:
            listening = [asyncio.create_task(self._listen(side, one.connectors[side])) for side in Side]
            one.awaited = self._awaited
            self.wake(Side)
            try:
                while True:
                    await self._next(one)
            finally:
                for task in listening:
                    task.cancel()
                await asyncio.gather(*listening, return_exceptions=True)

    async def _next(self, one: Bridged) -> None:
        await self._woken.wait()
        async with self.life.gate.entered() if self.life.gate else nullcontext() as stay:
            if stay is not None:
                one.give_way, one.news = stay.give_way, self._woken.is_set
            self._woken.clear()
            if self._stop.is_set():
                raise Stopped
            sides, full = frozenset(self._wanted), self._full
            self._wanted, self._full = set(), False
            try:
                report = await self.life.turn(one, sides, full)
            except Reopen:
                self.wake(sides, full=full)
                raise
        self.life.doing("")
        self.life.noted(report, sides)
        if report.error:
            self.wake(sides, full=full)
            self._failed(report.error)
            await self._pause(report.retry_after)
        else:
            self.failures = 0
        if report.failed and not report.error:
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self.wake)
        if report.again is not None:
            wait = (report.again - one.clock()).total_seconds()
            if wait > 0:
                asyncio.get_running_loop().call_later(wait + 0.1, self.wake)  # a clock may be a little slow
            else:
                self.wake()

    def _awaited(self) -> bool:
        """Whether something happened here since this cycle began, or others wait for their turn."""
        gate = self.life.gate
        return self._woken.is_set() or self._stop.is_set() or (gate is not None and gate.waiting > 0)

    def _failed(self, message: str) -> None:
        self.failures += 1
        self.life.failed(message)

    async def _pause(self, asked: float | None = None) -> None:
        """Wait a little longer after each failure, and as long as the side asked for; but not when asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause_after(self.failures, asked))

    async def _listen(self, side: Side, connector: Connector) -> None:
        """Pass on hints; a side that has none, or whose hints fail, is still asked by the schedule."""
        if not connector.capabilities.hints:
            return
        while True:
            with suppress(BridgeError):
                async for _ in connector.hints():
                    self.wake((side,))
            await asyncio.sleep(FIRST_PAUSE)

    def _progress(self, phase: str, done: int, total: int | None) -> None:
        self.life.doing(f"{phase}: {done}" + (f" of {total}" if total else ""))
        if self._stop.is_set():
            raise Stopped


def pause_after(failures: int, asked: float | None = None) -> float:
    """Seconds to wait after so many failures in a row, where the side asked for a pause at least that."""
    own: float = min(FIRST_PAUSE * 2 ** min(max(failures, 1) - 1, 10), LONGEST_PAUSE)
    return max(own, min(asked or 0.0, MOST_PATIENCE))
