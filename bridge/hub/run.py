"""``schoolbridge hub run``: one process of the hub. Several may run at once over one PostgreSQL and the same keys.

SIGTERM, SIGINT  stop: no new connections, what is being written is written
SIGHUP           load the configuration anew; where it is wrong, keep the old one and say why
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bridge.api.limits import Wrong
from bridge.daemon import logs, sd, signals, threads
from bridge.daemon.trouble import place, said
from bridge.fleet.messages import Allowance
from bridge.hub import authority, budgets, people, waves
from bridge.hub.authority import Keys, ServerCertificate
from bridge.hub.doors import Doors
from bridge.hub.hints import Ear
from bridge.hub.inbox import Inbox
from bridge.hub.listening import Listening
from bridge.hub.settings import HubSettings, database, load_hub, now
from bridge.hub.waiting import Waiting
from bridge.ports import BridgeError
from bridge.settings import SettingsError
from bridge.state import hub_certificates, hub_orders, hub_retention
from bridge.state.database import Database

#: Seconds between beats, between looks for what expired, and until listening is tried again.
BEAT, EXPIRY, AGAIN = 5.0, 10, 15.0
#: Seconds that a thread which computes keeps the interpreter while others want it. The loop that serves all sites gives
#: it away with every call of the network: with Python's own 5 ms it would crawl beside one page that is drawn.
_TURN = 0.0005
#: How late the schedule may be before nobody can trust it.
_LATE = timedelta(minutes=2)


class Part(Protocol):
    """What runs beside the sites' door: made with the ``Hub``, told of each new configuration."""

    async def start(self) -> None:
        """Begin; what goes wrong is said, never raised."""

    async def reload(self) -> None:
        """The configuration of the hub is another one now."""

    async def stop(self) -> None:
        """End."""


def serve(config: Path, *, verbose: bool = False) -> None:
    """Run until SIGTERM. Raises SettingsError or ConfigurationError when it can't even begin."""
    settings = load_hub(config)
    logs.configure("debug" if verbose else settings.hub.level)
    sys.setswitchinterval(_TURN)
    keys = authority.read(settings.kept)
    with database(settings, create=True) as opened:
        hub_certificates.bind(opened, keys.fingerprint, keys.public, keys.expires)
        hub = Hub(settings, keys, opened, verbose=verbose)
        try:
            threads.run(hub.run())
        except Exception as error:
            hub.log.error("ended by a bug", error=type(error).__name__, place=place(error))
            threads.leave(failed=True)
            raise
    threads.leave()


class Hub:
    """One process. What stands beside the sites' door may use ``settings``, ``database``, ``keys`` and ``scheduler``.

    ``given``: set by who knows what a site may use of its tenants' budgets.
    """

    def __init__(self, settings: HubSettings, keys: Keys, opened: Database, *, verbose: bool = False) -> None:
        self.settings, self.keys, self.database, self.verbose = settings, keys, opened, verbose
        self.log = structlog.get_logger()
        self.scheduler = AsyncIOScheduler(timezone=settings.zone)
        self.inbox, self.waiting, self.ear = Inbox(opened), Waiting(opened), Ear(opened)
        self.given: Callable[[str], Sequence[Allowance]] = lambda site: ()
        self.certificate = ServerCertificate(keys, settings.hub.sites.names, now())
        self.doors = Doors(
            opened, keys, self.inbox, self.waiting, Wrong(time.monotonic),
            days=lambda: self.settings.hub.sites.certificate_days, given=lambda site: self.given(site),
        )  # fmt: skip
        self.address: tuple[str, int] | None = None
        self.parts: list[Part] = [people.part(self), budgets.part(self), waves.part(self)]
        self._listening: Listening | None = None
        self._opening: asyncio.Task[None] | None = None
        self._ending, self._reload = asyncio.Event(), asyncio.Event()
        self._trouble = ""

    async def run(self) -> None:
        """Start everything and wait for the end."""
        signals.heed(self._ending, self._reload)
        await self.start()
        sd.notify(READY=1, STATUS=self._summary())
        beating = asyncio.create_task(self._beat(), name="beat")
        try:
            await signals.until_ended(self._ending, self._reload, self._load_anew)
        finally:
            sd.notify(STOPPING=1)
            beating.cancel()
            await self.stop()

    async def start(self) -> None:
        """Begin to serve; a test may call this without signals."""
        self.inbox.start()
        await self.waiting.start()
        self.ear.start()
        self.scheduler.start()
        self._job(self._expire, "expiry", trigger="interval", seconds=EXPIRY)
        self._job(self._retain, "retention", trigger="cron", hour=3, minute=10, jitter=1800)
        self._job(self._renew, "certificate", trigger="interval", hours=6)
        self._opening = asyncio.create_task(self._open(), name="sites' door")
        await asyncio.wait({self._opening}, timeout=1.0)
        for part in self.parts:
            await part.start()

    async def stop(self) -> None:
        """End everything."""
        self.log.info("stopping")
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self.waiting.stop()
        for part in reversed(self.parts):
            await part.stop()
        if self._listening is not None:
            await self._listening.stop()
        await self.inbox.stop()
        self.scheduler.shutdown(wait=False)
        await asyncio.to_thread(self.ear.stop)
        self.log.info("stopped")

    # -- the sites' door

    async def _open(self) -> None:
        """Listen, now or as soon as it is possible: a port that is taken is no reason to end the board."""
        while True:
            host, _, port = self.settings.hub.sites.listen.rpartition(":")
            made = Listening(self.doors.app(), self.certificate.context)
            try:
                self.address = await made.start(host.strip("[]"), int(port))
            except OSError as error:
                if self._trouble != (text := f"sites.listen {host}:{port}: {error.strerror or error}"):
                    self.log.error("sites can't report; it is tried again", reason=text)
                self._trouble = text
                await asyncio.sleep(AGAIN)
                continue
            self._listening, self._trouble = made, ""
            self.log.info("sites report here", listen=f"{self.address[0]}:{self.address[1]}")
            return

    # -- what comes again

    def _job(self, job: Any, name: str, **trigger: Any) -> None:
        self.scheduler.add_job(
            job, id=name, coalesce=True, max_instances=1, misfire_grace_time=None, replace_existing=True, **trigger
        )

    async def _expire(self) -> None:
        with self._told("what expired can't be closed"):
            await asyncio.to_thread(hub_orders.expire, self.database)

    async def _retain(self) -> None:
        with self._told("what is old can't be removed"):
            removed = await asyncio.to_thread(hub_retention.clean, self.database)
            self.log.info("what is old was removed", **removed)

    async def _renew(self) -> None:
        with self._told("the hub's certificate can't be renewed"):
            self.certificate.renew(now())

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What goes wrong in a job is said, and the job comes again."""
        try:
            yield
        except (OSError, BridgeError) as error:
            self.log.warning(what, reason=said(error))
        except Exception as error:  # noqa: BLE001 - a bug must show, and the next time may go better
            self.log.warning(what, error=type(error).__name__, place=place(error))

    async def _beat(self) -> None:
        """From the loop that serves: when that hangs, or who writes or looks died, systemd's watchdog bites."""
        while True:
            if why := self.trouble(now()):
                self.log.error("the watchdog is not fed any more", reason=why)
                sd.notify(STATUS=f"broken: {why}")
            else:
                sd.notify(WATCHDOG=1, STATUS=self._summary())
            await asyncio.sleep(BEAT)

    def trouble(self, moment: datetime) -> str:
        """Why nobody can trust this process any more; empty while it works."""
        if not self.inbox.alive:
            return "nobody writes reports any more"
        if not self.waiting.alive:
            return "nobody looks for orders any more"
        due = min((job.next_run_time for job in self.scheduler.get_jobs() if job.next_run_time), default=moment)
        return f"the schedule stands still since {due}" if moment - due > _LATE else ""

    def _summary(self) -> str:
        if self._trouble:
            return f"sites can't report: {self._trouble}"
        return f"{self.inbox.applied} reports applied, {self.waiting.count} sites wait for orders"

    # -- a new configuration

    async def _load_anew(self) -> None:
        sd.reloading()
        try:
            fresh = await asyncio.to_thread(load_hub, self.settings.file)
        except SettingsError as error:
            problems = [*map(str, error.problems)]
            self.log.error("the new configuration is wrong, the old one is kept", problems=problems)
            sd.notify(READY=1, STATUS=f"configuration wrong, old one kept: {problems[0]}")
        except Exception as error:  # noqa: BLE001 - a bug there must not end the hub
            self.log.error("the configuration can't be loaded", error=type(error).__name__, place=place(error))
            sd.notify(READY=1, STATUS="configuration not loaded, old one kept; the log has more")
        else:
            await self._change(fresh)
            self.log.info("configuration loaded")
            sd.notify(READY=1, STATUS=self._summary())

    async def _change(self, fresh: HubSettings) -> None:
        before, self.settings = self.settings, fresh
        logs.configure("debug" if self.verbose else fresh.hub.level)
        if (before.state_url, before.kept, before.hub.state) != (fresh.state_url, fresh.kept, fresh.hub.state):
            self.log.warning("state and kept change at the next start only", action="restart the hub")
        if before.hub.sites.names != fresh.hub.sites.names:
            self.certificate.rename(fresh.hub.sites.names, now())
        if before.hub.sites.listen != fresh.hub.sites.listen:
            await self._reopen()
        for part in self.parts:
            await part.reload()

    async def _reopen(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._listening is not None:
            await self._listening.stop()
            self._listening = None
        self._opening = asyncio.create_task(self._open(), name="sites' door")
