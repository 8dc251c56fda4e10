"""Looks after waves while the hub runs, and tells people when one is stopped or a site is silent.

What is done is decided and written by ``wave_steps``; this only looks often enough. Every process of a hub does: what
one of them did, the others find done.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.daemon import threads
from bridge.daemon.threads import aside
from bridge.daemon.trouble import place
from bridge.hub import telling
from bridge.hub import wave_rows as rows
from bridge.hub.authority import Keys
from bridge.hub.settings import HubSettings
from bridge.hub.wave_steps import Waves
from bridge.state.database import Database

#: Seconds between two looks.
EVERY = 5.0


class Process(Protocol):
    """What is needed of a running hub."""

    settings: HubSettings
    keys: Keys
    database: Database


class Conductor:
    """Looks at all waves that run, and keeps the teller going."""

    def __init__(self, hub: Process) -> None:
        self.waves = Waves(lambda: hub.settings.hub, hub.database, hub.keys.orders)
        self.teller = telling.teller(lambda: hub.settings, hub.database)
        self.log = structlog.get_logger()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self.teller.start()
        self._task = asyncio.create_task(self._run(), name="waves")

    async def reload(self) -> None:
        """Nothing to do: each look takes the plan that is in force."""

    async def stop(self) -> None:
        """End; a step under way is written whole or not at all."""
        await self.teller.stop()
        if self._task is not None:
            await threads.end([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await aside(self.look)
            except Exception as error:  # noqa: BLE001 - the next look may go well; nothing was done by halves
                self.log.error("looking at the waves failed", error=type(error).__name__, at=place(error))
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Once at each wave that runs."""
        with self.waves.database.read() as connection:
            names = rows.running(connection)
        for name in names:
            try:
                found = self.waves.look(name)
            except SQLAlchemyError:  # the database is away: it would be for each of them
                raise
            except Exception as error:  # noqa: BLE001 - one that can't be looked at keeps no other from it
                self.log.error("a wave can't be looked at", wave=name, error=type(error).__name__, at=place(error))
                continue
            if found is not None and found.wave.state != "running":
                self.log.info("wave", wave=name, state=found.wave.state, why=found.wave.why)


def part(hub: Process) -> Conductor:
    """What ``bridge.hub.run`` starts beside the sites' door."""
    return Conductor(hub)
