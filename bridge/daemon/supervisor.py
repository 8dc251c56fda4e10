"""Looks after one school: waits until something may have changed, runs a cycle, and again after an error.

Everything that happens only wakes it: hints of the connectors, the schedule, a person. One task a school, so that one
school's trouble never delays another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.model import Side
from bridge.daemon import turn, wiring
from bridge.daemon.board import Board
from bridge.daemon.catalog import Catalog
from bridge.daemon.trouble import place, said
from bridge.engine.bridged import Bridged, Report
from bridge.ports import BridgeError, ConfigurationError, Connector, Unreachable
from bridge.settings import School, Settings
from bridge.state.database import Database
from bridge.state.store import SchoolStore

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
#: A side may ask for a longer pause (Retry-After), but nobody is left alone for longer than this.
MOST_PATIENCE = 3600.0
#: When failed writes are looked at again, in seconds: the first back-off of a quarantined link.
LOOK_AGAIN = 31.0
#: Seconds that a cycle may go on after it was asked to stop.
GRACE = 20.0


class Stopped(Exception):
    """Raised between two pages or chunks, all of which are recorded: the cycle ends here."""


class Supervisor:
    """One school's task."""

    def __init__(self, settings: Settings, catalog: Catalog, school: School, database: Database, board: Board) -> None:
        self.settings, self.catalog, self.school, self.database, self.board = settings, catalog, school, database, board
        self.log = structlog.get_logger().bind(school=school.code)
        self._wanted: set[Side] = set()
        self._full = False
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._failures = 0
        self._state = _identity(database)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first cycle reads both sides."""
        self._task = asyncio.create_task(self._run(), name=f"school {self.school.code}")

    def wake(self, sides: Iterable[Side] = (), *, full: bool = False) -> None:
        """Something may have changed on these sides; without any, only what is due is looked at."""
        self._wanted.update(sides)
        self._full |= full
        self._woken.set()

    async def stop(self) -> None:
        """End after the page or chunk under way; after a while in the middle of it, as a crash would."""
        self._stop.set()
        self._woken.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=GRACE)
        if not done:
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while not self._stop.is_set():
            asked: float | None = None
            try:
                await self._serve()
            except Stopped:
                return
            except (BridgeError, OSError, SQLAlchemyError, MemoryError) as error:
                asked = error.retry_after if isinstance(error, Unreachable) else None
                self._failed(said(error))
            except Exception as error:  # noqa: BLE001 - a bug in one school's cycle must not stop the others
                # No traceback: the text of an error may hold names of people.
                self.log.error("cycle broke off", error=type(error).__name__, place=place(error))
                self._failed(f"internal error ({type(error).__name__}); the log has more")
            self.board.schools[self.school.code].doing = ""
            await self._pause(asked)

    async def _serve(self) -> None:
        """Connect and run cycles until told to stop; an error that a cycle does not report itself ends it."""
        school = self.school
        store = await asyncio.to_thread(self.database.school, school.code, school.kinds())
        with store.lock():
            await asyncio.to_thread(turn.begin, store, school, self.settings.runtime)
            async with wiring.bridged(self.settings, self.catalog, school, store, progress=self._progress) as one:
                listening = [asyncio.create_task(self._listen(side, one.connectors[side])) for side in Side]
                self.wake(Side)
                try:
                    await self._cycles(one, store)
                finally:
                    for task in listening:
                        task.cancel()
                    await asyncio.gather(*listening, return_exceptions=True)

    async def _cycles(self, one: Bridged, store: SchoolStore) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._stop.is_set():
                raise Stopped
            self._same_state()
            sides, full = frozenset(self._wanted), self._full
            self._wanted, self._full = set(), False
            row = self.board.schools[self.school.code]
            row.moved = wiring.now().isoformat()
            try:
                report = await turn.turn(one, self.school, store, sides=sides, full=full, pause=self.school.pause)
            finally:
                row.moved = None
            row.stage, row.observed, row.doing = one.policy.stage.value, one.observed, ""
            self._note(report, sides)
            if report.error:
                self.wake(sides, full=full)
                await self._pause(report.retry_after)
            elif report.failed:
                asyncio.get_running_loop().call_later(LOOK_AGAIN, self.wake)
            if report.again is not None:
                wait = max(0.0, (report.again - one.clock()).total_seconds()) + 0.1
                asyncio.get_running_loop().call_later(wait, self.wake)

    def _same_state(self) -> None:
        """A file that was deleted or replaced goes on being written, and nobody would ever see it again."""
        if _identity(self.database) != self._state:
            raise ConfigurationError(
                f"{self.school.code}: the state {self.database.path} was removed or replaced while the bridge runs. "
                f"Stop the bridge, put the file back from its backup, start it again; without one it links anew"
            )

    def _note(self, report: Report, sides: frozenset[Side]) -> None:
        now = wiring.now()
        row = self.board.schools[self.school.code]
        row.cycle = {"id": report.cycle, "ended": now.isoformat(), **report.counts()}
        news, row.warned = report.warned != row.warned, report.warned
        if report.error:
            self._failed(report.error)
            return
        self._failures = 0
        if self.board.complete(self.school.code, sides, now):
            self.log.info("works again")
        if report.changed or news:
            self.log.info("cycle", cycle=report.cycle, **report.counts())
        else:
            self.log.debug("cycle", cycle=report.cycle, seconds=round(report.seconds, 3))
        self._write()

    def _failed(self, message: str) -> None:
        self._failures += 1
        if self.board.fail(self.school.code, message, wiring.now()):
            self.log.warning("held up", reason=message)
        self._write()

    def _write(self) -> None:
        try:
            self.board.write(wiring.now())
        except OSError as error:
            self.log.warning("the status file can't be written", reason=error.strerror)

    async def _pause(self, asked: float | None = None) -> None:
        """Wait a little longer after each failure, and as long as the side asked for; but not when asked to stop."""
        pause = pause_after(self._failures, asked)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause)

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
        row = self.board.schools[self.school.code]
        row.doing, row.moved = f"{phase}: {done}" + (f" of {total}" if total else ""), wiring.now().isoformat()
        if self._stop.is_set():
            raise Stopped


def pause_after(failures: int, asked: float | None = None) -> float:
    """Seconds to wait after so many failures in a row, where the side asked for a pause at least that."""
    own: float = min(FIRST_PAUSE * 2 ** min(max(failures, 1) - 1, 10), LONGEST_PAUSE)
    return max(own, min(asked or 0.0, MOST_PATIENCE))


def _identity(database: Database) -> tuple[int, int] | None:
    """Which file the state is; None for no file."""
    if database.path is None:
        return None
    try:
        found = database.path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
