"""The daemon: one supervisor a school, a schedule that only wakes them, and the signals of an operating system.

SIGTERM, SIGINT  stop cleanly after the page or chunk under way
SIGHUP           load the configuration anew; where it is wrong, keep the old one and say why
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.model import Side
from bridge.daemon import board as boards
from bridge.daemon import logs, machines, sd, signals, threads, wiring
from bridge.daemon.appointments import Appointments
from bridge.daemon.attention import attend
from bridge.daemon.board import Board, SchoolRow, SideRow
from bridge.daemon.catalog import Catalog
from bridge.daemon.notices import Teller
from bridge.daemon.pulse import Pulse
from bridge.daemon.supervisor import Supervisor
from bridge.daemon.trouble import place, said
from bridge.settings import School, Settings, SettingsError, load
from bridge.state import marks
from bridge.state.database import Database

#: Seconds over which the full compare of a school's shares is spread.
_NIGHT = 3600.0


class Front(Protocol):
    """What lets people and machines look in while the daemon runs."""

    async def start(self) -> None:
        """Begin; what goes wrong is said, never raised."""

    async def reload(self) -> None:
        """The configuration of the service is another one now."""

    async def stop(self) -> None:
        """End."""


def serve(config: Path, *, verbose: bool = False, front: Callable[[Service], Front] | None = None) -> None:
    """Run until SIGTERM. Raises SettingsError or ConfigurationError when it can't even begin."""
    catalog = Catalog()
    settings = load(config, catalog)
    logs.configure("debug" if verbose else settings.bridge.logging.level, settings.bridge.logging.format)
    boards.prepare(settings.runtime)
    with boards.occupied(settings.runtime), wiring.database(settings, create=True) as database:
        database.same_key()
        service = Service(settings, catalog, database, verbose=verbose)
        service.mark()
        service.front = front(service) if front else None
        try:
            threads.run(service.run())
        except Exception as error:
            service.log.error("ended by a bug", error=type(error).__name__, place=place(error))
            threads.leave(failed=True)
            raise
    threads.leave()


class Service:
    """All schools of one configuration."""

    def __init__(self, settings: Settings, catalog: Catalog, database: Database, *, verbose: bool = False) -> None:
        self.settings, self.catalog, self.database, self.verbose = settings, catalog, database, verbose
        self.log = structlog.get_logger()
        now = wiring.now().isoformat()
        self.board = Board(settings.runtime / boards.FILE, os.getpid(), started=now)
        self.supervisors: dict[str, Supervisor] = {}
        self.front: Front | None = None
        self.scheduler = AsyncIOScheduler(timezone=ZoneInfo(settings.bridge.time_zone))
        self.teller = Teller(lambda: self.settings, database, self.board)
        self.appointments = Appointments(lambda: self.settings, catalog, database, mine=self._looks_after)
        self._ending = asyncio.Event()
        self._reload = asyncio.Event()
        self._asked: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """Start everything and wait for the end."""
        wiring.limit_line(self.settings, self.catalog)
        signals.heed(self._ending, self._reload)
        self.scheduler.start()
        self.scheduler.add_job(self.mark, id="mark", trigger="interval", seconds=marks.EVERY, coalesce=True)
        for school in self.settings.schools:
            self._begin(school)
        sd.notify(READY=1, STATUS=f"{len(self.supervisors)} schools")
        self.log.info("running", schools=len(self.supervisors))
        beating = [asyncio.create_task(self._beat()), asyncio.create_task(attend(self.database, self.supervisors))]
        self.teller.start()
        self.appointments.start()
        if self.front is not None:
            await self.front.start()
        try:
            await signals.until_ended(self._ending, self._reload, self._reloaded)
        finally:
            sd.notify(STOPPING=1)
            self.log.info("stopping")
            for task in beating:
                task.cancel()
            await asyncio.gather(self.teller.stop(), self.appointments.stop())
            if self.front is not None:
                await self.front.stop()
            self.scheduler.shutdown(wait=False)
            await asyncio.gather(*(one.stop() for one in self.supervisors.values()), return_exceptions=True)
            await asyncio.to_thread(self.mark)
            self.board.path.unlink(missing_ok=True)
            self.log.info("stopped")

    async def _reloaded(self) -> None:
        asked, self._asked = self._asked, []
        await self._load_anew()
        for one in asked:
            if not one.done():
                one.set_result(None)

    async def reload(self) -> str:
        """Load the configuration anew, as SIGHUP does; why the old one is kept, empty where it was taken."""
        loaded = asyncio.get_running_loop().create_future()
        self._asked.append(loaded)
        self._reload.set()
        await loaded
        return self.board.configuration_error

    async def _beat(self) -> None:
        """From the loop that does the work: when that hangs, the status grows old and systemd's watchdog bites."""
        pulse = Pulse(self._next_due, self.scheduler.wakeup)
        while True:
            try:
                self._write()
                if why := pulse.trouble(self.supervisors, wiring.now()):
                    self.log.error("the watchdog is not fed any more", reason=why)
                    sd.notify(STATUS=f"broken: {why}")
                else:
                    sd.notify(WATCHDOG=1, STATUS=self._summary())
            except Exception as error:  # noqa: BLE001 - a bug here must show, not end the beat without a word
                self.log.error("no beat", error=type(error).__name__, place=place(error))
            await asyncio.sleep(boards.BEAT)

    def mark(self) -> None:
        """See whether the state was put back, and write down how far it is: ``bridge.state.marks``."""
        try:
            for code in marks.keep(self.database):
                self.log.error("the state was put back: nothing is deleted until a person ends that", school=code)
        except (OSError, SQLAlchemyError) as error:
            self.log.warning("how far the state is can't be written down", reason=said(error))

    def _next_due(self) -> datetime | None:
        times = (job.next_run_time for job in self.scheduler.get_jobs())
        return min((at for at in times if at is not None), default=None)

    def _summary(self) -> str:
        rows = self.board.schools.values()
        troubled = sum(bool(row.error) for row in rows)
        hung = sum(row.hangs(wiring.now()) for row in rows)
        return f"{len(self.supervisors)} schools, {troubled} held up" + (f", {hung} get no further" if hung else "")

    def _write(self) -> None:
        try:
            self.board.write(wiring.now())
        except OSError as error:
            self.log.warning("the status file can't be written", reason=error.strerror)

    # -- schools

    def _looks_after(self, code: str) -> bool:
        return code in self.supervisors and self.supervisors[code].tenure.held

    def _begin(self, school: School) -> None:
        times = school.timetable
        if warning := machines.tied(self.settings, school):
            self.log.warning("can't be shared", school=school.code, reason=warning.found, action=warning.remedy)
        self.board.schools[school.code] = SchoolRow(
            since=wiring.now().isoformat(),
            sides={side.value: SideRow(times.poll(side).total_seconds()) for side in Side},
        )
        one = Supervisor(self.settings, self.catalog, school, self.database, self.board)
        self.supervisors[school.code] = one
        one.start()
        for side in Side:
            self._every(one, side)
        self._nightly(one)

    def _every(self, one: Supervisor, side: Side) -> None:
        times = one.school.timetable
        period = times.poll(side).total_seconds()

        async def poll() -> None:
            one.wake((side,), spread=period)

        jitter = int(min(times.jitter.total_seconds(), period / 4)) or None
        self._job(poll, one, f"poll {side}", trigger="interval", seconds=period, jitter=jitter)

    def _nightly(self, one: Supervisor) -> None:
        times = one.school.timetable

        async def compare() -> None:
            one.wake(Side, full=True, spread=_NIGHT)

        at = times.full_compare
        jitter = int(times.jitter.total_seconds()) or None
        # By name: the scheduler's own time zone can't change while it runs, the configuration's can.
        when = {"hour": at.hour, "minute": at.minute, "timezone": one.school.zone, "jitter": jitter}
        self._job(compare, one, "full compare", trigger="cron", **when)

    def _job(self, job: object, one: Supervisor, name: str, **trigger: object) -> None:
        """A job only wakes a supervisor; missed ones are made up for once, never piled up."""
        self.scheduler.add_job(
            job, id=f"{one.school.code}: {name}", coalesce=True, max_instances=1, misfire_grace_time=None,
            replace_existing=True, **trigger,
        )  # fmt: skip

    async def _end(self, code: str) -> None:
        for job in self.scheduler.get_jobs():
            if job.id.startswith(f"{code}: "):
                job.remove()
        try:
            await self.supervisors.pop(code).stop()
        finally:
            threads.forget(code)
            self.board.schools.pop(code, None)

    # -- a new configuration

    async def _load_anew(self) -> None:
        sd.reloading()
        now, began = wiring.now(), time.monotonic()
        try:
            fresh = await asyncio.to_thread(load, self.settings.file, self.catalog)
        except SettingsError as error:
            self._kept([*map(str, error.problems)], now)
        except Exception as error:  # noqa: BLE001 - a bug there must not end the schools that run
            self.log.error("the configuration can't be loaded", error=type(error).__name__, place=place(error))
            self._kept([f"internal error ({type(error).__name__}); the log has more"], now)
        else:
            await self._change(fresh)
            if self.front is not None:
                await self.front.reload()
            self.board.configuration_error, self.board.configuration_since = "", None
            self.log.info("configuration loaded", schools=len(self.supervisors))
            sd.notify(READY=1, STATUS=f"{len(self.supervisors)} schools")
        self.board.loading_began = began
        self._write()

    def _kept(self, problems: list[str], now: datetime) -> None:
        count = len(problems)
        text = problems[0] + (f" (and {count - 1} more)" if count > 1 else "")
        self.board.configuration_error, self.board.configuration_since = text, now.isoformat()
        self.log.error("the new configuration is wrong, the old one is kept", problems=problems)
        sd.notify(READY=1, STATUS=f"configuration wrong, old one kept: {text}")

    async def _change(self, fresh: Settings) -> None:
        """Restart the schools that are configured differently, and only these."""
        old = {school.code: school for school in self.settings.schools}
        new = {school.code: school for school in fresh.schools}
        before = self.settings
        if (fresh.bridge.state, fresh.state_url, fresh.runtime) != (
            before.bridge.state,
            before.state_url,
            before.runtime,
        ):
            self.log.warning("state and runtime change at the next start only", action="systemctl restart schoolbridge")
        self.settings = fresh
        wiring.limit_line(fresh, self.catalog)
        logs.configure("debug" if self.verbose else fresh.bridge.logging.level, fresh.bridge.logging.format)
        # Together: a school that hangs must not keep the others from their new configuration.
        await asyncio.gather(*(self._end(code) for code in old if old[code] != new.get(code)), return_exceptions=True)
        for code, school in new.items():
            if code not in self.supervisors:
                self._begin(school)
