"""Looks after one school: its people and groups, and with them the roots of its shares, while it holds its lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.model import Side
from bridge.daemon import threads, turn, wiring
from bridge.daemon.board import Board
from bridge.daemon.catalog import Catalog
from bridge.daemon.shares import Ground, Shares
from bridge.daemon.steps import Steps
from bridge.daemon.tenure import Tenure
from bridge.daemon.trouble import place, said
from bridge.daemon.watched import Life, Reopen, Watched
from bridge.engine.bridged import Bridged, Progress, Report
from bridge.ports import BridgeError, ConfigurationError
from bridge.settings import School, Settings
from bridge.state.database import Database
from bridge.state.store import SchoolStore


class Supervisor:
    """One school's task."""

    def __init__(self, settings: Settings, catalog: Catalog, school: School, database: Database, board: Board) -> None:
        self.settings, self.catalog, self.school, self.database, self.board = settings, catalog, school, database, board
        self.log = structlog.get_logger().bind(school=school.code)
        self._state = _identity(database)
        self._shares: Shares | None = None
        self._stale = True
        self._steps: Steps | None = None
        self.tenure = Tenure(school.code, database, self._lost)
        self._watched = Watched(
            f"school {school.code}",
            Life(
                opened=self._opened,
                turn=self._turn,
                noted=self._noted,
                failed=self._failed,
                doing=self._doing,
                waiting=self._stand_by,
            ),
        )

    def start(self) -> None:
        """Begin, in threads of its own; the first cycle reads both sides."""
        with threads.of(self.school.code):
            self._watched.start()

    def revive(self) -> bool:
        """Begin anew whatever task died, the school's or a root's; whether it was the school's."""
        with threads.of(self.school.code):
            if self._shares is not None:
                self._shares.revive()
            return self._watched.revive()

    def wake(self, sides: Iterable[Side] = (), *, full: bool = False, spread: float = 0.0) -> None:
        """Something may have changed on these sides: people at once, the shares spread over so many seconds."""
        wanted = tuple(sides)
        self._watched.wake(wanted, full=full)
        if self._shares is not None:
            self._shares.wake(wanted, full=full, spread=spread)

    async def attend(self) -> None:
        """What a cutover needs although a side may be away: see ``Steps.alone``. Nothing where another one does it."""
        try:
            if self.tenure.held and self._steps is not None and await self._steps.alone():
                self.wake(Side)
        except (BridgeError, OSError, SQLAlchemyError) as error:
            self.log.warning("a step of the cutover is held up", reason=said(error))
        except Exception as error:  # noqa: BLE001 - a task that ends by a bug says nothing by itself
            self.log.error("a step of the cutover broke off", error=type(error).__name__, place=place(error))

    async def stop(self) -> None:
        """End after the page or chunk under way; after a while in the middle of it, as a crash would."""
        if self._shares is not None:
            await self._shares.stop()
        await self._watched.stop()
        await self.tenure.give(at_once=self._watched.over)

    @asynccontextmanager
    async def _opened(self, progress: Progress) -> AsyncIterator[Bridged]:
        """The school with both sides connected, and its shares beside it."""
        school, before = self.school, self.tenure.mine
        database = await self.tenure.take()
        if database is not before or self._steps is None:
            ground = Ground(self.settings, self.catalog, school, database)
            self._steps = Steps(ground, self.wake, self._doing, self.log)
        self.board.schools[school.code].standby = None
        store = await asyncio.to_thread(database.school, school.code, school.kinds())
        await asyncio.to_thread(turn.begin, store, school, self.settings.runtime)
        async with wiring.bridged(self.settings, self.catalog, school, store, progress=progress) as one:
            ground = Ground(self.settings, self.catalog, school, database)
            self._shares = Shares(ground, self.board.schools[school.code].shares)
            self._stale = True
            try:
                yield one
            finally:
                await self._shares.stop()
                self._shares = None

    async def _turn(self, one: Bridged, sides: frozenset[Side], full: bool) -> Report:
        self._same_state()
        if not self.tenure.held:
            raise Reopen
        store, steps = one.store, self._steps
        if not isinstance(store, SchoolStore) or steps is None:
            raise TypeError("the daemon keeps its state in the database")
        row = self.board.schools[self.school.code]
        row.moved = wiring.now().isoformat()
        try:
            report = await turn.turn(one, self.school, store, sides=sides, full=full, pause=self.school.pause)
            self._stale |= bool(report.changed or any(report.observed.values()))
            # Roots have no tasks while a run goes on, also where its steps have to wait for this side.
            going = await (steps.going_on() if report.error else steps.go(one, store, self._shares))
            if self._shares is not None and (self._stale or not self._shares.watched) and not going:
                await self._shares.refresh()
                self._stale = False
        finally:
            row.moved = None
        row.stage, row.observed, row.owing = one.policy.stage.value, one.observed, steps.owing
        return report

    def _same_state(self) -> None:
        """A file that was deleted or replaced goes on being written, and nobody would ever see it again."""
        if _identity(self.database) != self._state:
            raise ConfigurationError(
                f"{self.school.code}: the state {self.database.path} was removed or replaced while the bridge runs. "
                f"Stop the bridge, put the file back from its backup, start it again; without one it links anew"
            )

    def _noted(self, report: Report, sides: frozenset[Side]) -> None:
        now = wiring.now()
        row = self.board.schools[self.school.code]
        row.cycle = {"id": report.cycle, "ended": now.isoformat(), **report.counts()}
        news, row.warned = report.warned != row.warned, report.warned
        if report.error:
            return
        if self.board.complete(self.school.code, sides, now):
            self.log.info("works again")
        if report.changed or news:
            self.log.info("cycle", cycle=report.cycle, **report.counts())
        else:
            self.log.debug("cycle", cycle=report.cycle, seconds=round(report.seconds, 3))
        self._write()

    def _lost(self) -> None:
        self.log.warning("the lease is lost: stands by")
        self.wake(Side)

    def _stand_by(self, why: str) -> None:
        """Another daemon does all of it: nothing of it is wrong here."""
        holder, row = self.tenure.holder, self.board.schools[self.school.code]
        if holder is None:
            return
        if row.standby is None or row.standby["host"] != holder.host:
            self.log.info("stands by", host=holder.host)
        row.standby = {"host": holder.host, "since": holder.since.isoformat()}
        row.error, row.error_since, row.doing, row.moved, row.owing = "", None, "", None, ""
        row.shares.clear()
        self._write()

    def _failed(self, message: str) -> None:
        if self.board.fail(self.school.code, message, wiring.now()):
            self.log.warning("held up", reason=message)
        self._write()

    def _write(self) -> None:
        try:
            self.board.write(wiring.now())
        except OSError as error:
            self.log.warning("the status file can't be written", reason=error.strerror)

    def _doing(self, text: str) -> None:
        row = self.board.schools[self.school.code]
        row.doing = text
        if text:
            row.moved = wiring.now().isoformat()


def _identity(database: Database) -> tuple[int, int] | None:
    """Which file the state is; None for no file."""
    if database.path is None:
        return None
    try:
        found = database.path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
