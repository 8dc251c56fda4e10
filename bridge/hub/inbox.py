"""Takes reports of sites and has them applied: those that come within a moment of each other in one transaction.

A report that can't be applied must not fail the others: where a transaction fails, its reports are tried one by one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError

from bridge.daemon.trouble import place
from bridge.hub import hints
from bridge.state import hub_inbox
from bridge.state.database import Database
from bridge.state.hub_inbox import Outcome, Posted

#: Reports in one transaction, and seconds that the first of them waits for others.
MOST, MOMENT = 200, 0.05
#: Reports that wait, and bytes of them all as they came in; more are told to come again.
LONGEST, HEAVIEST = 5000, 64 << 20
#: Events of one site that one process takes within a day of UTC: more than wait in an outbox (``outbox.MOST_EVENTS``).
#: A machine that tells something again and again must not fill the disk of all.
A_DAY = 60_000
#: That a site reports of schools which are not its own is journaled once in so many seconds.
_AGAIN = 3600.0


class Unfit(Exception):
    """This report can't be applied, and could not be if it came again; ``str`` says why."""


class Full(Exception):
    """So many reports wait already that one more is better sent again later."""


class Spent(Exception):
    """The site told as many events today as are taken in a day."""


@dataclass(slots=True)
class Inbox:
    """One a process. ``put`` waits until the report is in the database for good.

    ``applied``: reports since the start; ``commits``: how often they were written together.
    """

    database: Database
    clock: Callable[[], float] = time.monotonic
    applied: int = 0
    commits: int = 0
    _waiting: list[tuple[Posted, asyncio.Future[Outcome]]] = field(default_factory=list)
    _bytes: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "hub inbox"))
    _task: asyncio.Task[None] | None = None
    _refused: dict[str, float] = field(default_factory=dict)
    _day: date = date.min
    _events: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="hub inbox")

    @property
    def alive(self) -> bool:
        """Whether it writes."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """End after what is being written; who waits is told to come again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, done in self._waiting:
            done.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def put(self, posted: Posted, *, size: int = 0) -> Outcome:
        """Apply a report of so many bytes. Raises Unfit, Full, Spent, and OperationalError where the database can't be
        used. Full: also where the reports that wait are too large together, but one is always let in.
        """
        self._may(posted)
        heavy = self._bytes and self._bytes + size > HEAVIEST
        if heavy or len(self._waiting) >= LONGEST or not self.alive:
            raise Full
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((posted, done))
        self._bytes += size
        self._news.set()
        try:
            outcome = await done
        finally:
            self._bytes -= size
        if first := outcome.taken.first:
            fresh = (one for one in posted.report.messages if one.seq >= first)
            before = self._events[posted.site]
            self._events[posted.site] += sum(one.kind not in hub_inbox.STATES for one in fresh)
            if before < A_DAY <= self._events[posted.site]:
                structlog.get_logger().error("a site told too many events today", site=posted.site, most=A_DAY)
        return outcome

    def _may(self, posted: Posted) -> None:
        if posted.received.date() != self._day:
            self._day = posted.received.date()
            self._events.clear()
        if self._events[posted.site] >= A_DAY:
            raise Spent

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            if len(self._waiting) < MOST:
                await asyncio.sleep(MOMENT)
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not self._waiting:
                self._news.clear()
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._apply, [one for one, _ in batch])
            for (_, done), outcome in zip(batch, await asyncio.shield(work), strict=True):
                if done.done():
                    continue  # who sent it is gone
                if isinstance(outcome, Exception):
                    done.set_exception(outcome)
                else:
                    done.set_result(outcome)

    # -- in the thread

    def _apply(self, posted: Sequence[Posted]) -> list[Outcome | Exception]:
        said = [replace(one, note=self.clock() - self._refused.get(one.site, -_AGAIN) >= _AGAIN) for one in posted]
        outcomes = self._written(said)
        for one, outcome in zip(posted, outcomes, strict=True):
            if isinstance(outcome, Outcome) and outcome.foreign:
                self._refused.setdefault(one.site, self.clock())
            elif isinstance(outcome, Outcome):
                self._refused.pop(one.site, None)
        self.commits += 1
        self.applied += sum(isinstance(one, Outcome) and not one.refused for one in outcomes)
        if any(isinstance(one, Outcome) and one.answers for one in outcomes):
            hints.tell(self.database, hints.ANSWERS)
        return outcomes

    def _written(self, posted: Sequence[Posted]) -> list[Outcome | Exception]:
        try:
            return list(hub_inbox.apply(self.database, posted))
        except (OperationalError, InterfaceError) as error:
            return [error] * len(posted)  # the database is away: it would be for each of them
        except Exception as error:  # noqa: BLE001 - whose fault it is shows when they are tried one by one
            if len(posted) > 1:
                return [self._written([one])[0] for one in posted]
            structlog.get_logger().error(
                "a report can't be applied", site=posted[0].site, error=type(error).__name__, place=place(error)
            )
            fault = isinstance(error, DBAPIError | StatementError | ValueError)
            return [Unfit("something in the report can't be kept; nothing of it was applied") if fault else error]
