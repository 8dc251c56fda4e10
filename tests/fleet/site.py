"""A site whose schools' files come from the hub, with its daemon in this process: what orders to configure meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.daemon import board as boards
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.service import Service
from bridge.fleet.configure import digest_of
from bridge.fleet.messages import Order
from bridge.settings import load
from bridge.uplink.configuration import Configuration
from tests.daemon.embedded import Embedded

HUB = "hub: {url: https://hub.example:8443, configuration: hub}\n"


class Site(Embedded):
    """``given``: the hub gave the school's file already; else there is no school yet, and ``text`` is its file."""

    def __init__(self, root: Path, *, given: bool = True, stage: str = "hybrid", hub: str = HUB) -> None:
        super().__init__(root, stage=stage)
        self.text = self.school_file.read_text()
        self.place = root / "schools-from-hub"
        self.file = self.place / "0123.yaml"
        self.school_file.unlink()
        self.config.write_text(self.config.read_text() + hub)
        if given:
            self.place.mkdir()
            self.file.write_text(self.text)
        (root / "run").mkdir()

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[tuple[Service, Configuration]]:
        """The daemon, running."""
        settings = load(self.config, Catalog())
        boards.prepare(settings.runtime)
        with wiring.database(settings, create=True) as database:
            service = Service(settings, Catalog(), database)
            running = asyncio.create_task(service.run())
            await until(lambda: len(service.supervisors) == len(settings.schools))
            try:
                yield service, Configuration(service)
            finally:
                service._ending.set()
                await running


async def until(probe: Callable[[], object]) -> None:
    """Wait until it is true."""
    for _ in range(1200):
        if probe():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("did not happen within a minute")


def order(step: str, text: str = "", *, version: int = 1, code: str = "0123", **more: Any) -> Order:
    """An order as it is after its signature was checked; ``apply`` takes its digest from the text."""
    action = {"action": "configure", "step": step, "version": version, "reason": "as agreed"}
    action |= {"text": text} if step == "check" else {"digest": digest_of(text)}
    scopes = more.pop("scopes", ["operate", "approve"])
    now = datetime.now(UTC)
    return Order(
        id=f"order-{step}-{version}", site="s1", school=code, actor="chief", scopes=scopes, issued=now,
        expires=now + timedelta(hours=1), action=action | more,
    )  # fmt: skip
