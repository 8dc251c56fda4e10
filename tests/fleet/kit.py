"""A site that talks to a hub: the real uplink over a real state of two schools, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.board import Board, SchoolRow, SideRow
from bridge.daemon.catalog import Catalog
from bridge.daemon.service import Service
from bridge.settings import Settings, load
from bridge.state.database import Database
from bridge.uplink.site import Uplink
from tests.daemon.embedded import Embedded
from tests.fleet.fake_hub import FakeHub


@dataclass
class Supervisor:
    """What the uplink wakes."""

    woken: list[bool] = field(default_factory=list)
    tenure: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(holder=None))

    def wake(self, _: object, *, full: bool) -> None:
        self.woken.append(full)


@dataclass
class Site:
    """A daemon without its schools' cycles: what an uplink stands on."""

    school: Embedded
    settings: Settings
    database: Database
    board: Board
    catalog: Catalog = field(default_factory=Catalog)
    supervisors: dict[str, Supervisor] = field(default_factory=dict)

    def beat(self) -> None:
        """The daemon tells of itself."""
        self.board.write(wiring.now())

    @property
    def hub(self) -> Mapping[str, Any]:
        """The block `hub` of the status file."""
        return self.board.hub

    @contextmanager
    def up(self) -> Iterator[Uplink]:
        """The uplink runs until the end of the block."""
        loop, ending, began = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
        uplink = Uplink(cast("Service", self))

        async def run() -> None:
            await uplink.start()
            began.set()
            await ending.wait()
            await uplink.stop()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="site")
        thread.start()
        try:
            assert began.wait(20)
            yield uplink
        finally:
            loop.call_soon_threadsafe(ending.set)
            thread.join(20)
            loop.close()


def configured(root: Path, hub: FakeHub, *, more: str = "", every: str = "1s", count: int = 3) -> Embedded:
    """A school that was mirrored once, whose site names this hub."""
    school = Embedded(root)
    text = school.config.read_text()
    school.config.write_text(f"{text}hub: {{url: '{hub.url}', every: {every}{more}}}\n")
    school.fill(count)
    done = school.run("sync")
    assert done.code == 0, done.err
    return school


def enrolled(school: Embedded, hub: FakeHub, *, site: str = "s1") -> None:
    """By the real command."""
    ticket = school.root / "ticket"
    ticket.write_text(hub.ticket(site) + "\n")
    done = school.run("uplink", "enrol", "--ticket-file", str(ticket))
    assert done.code == 0, done.err


@contextmanager
def site_of(school: Embedded) -> Iterator[Site]:
    """What the uplink of this configuration stands on."""
    settings = load(school.config, Catalog())
    board = Board(school.root / "status.json", 1, started=wiring.now().isoformat())
    for one in settings.schools:
        sides = {side.value: SideRow(3600.0, wiring.now().isoformat()) for side in Side}
        board.schools[one.code] = SchoolRow(since=wiring.now().isoformat(), sides=sides)
    with wiring.database(settings, create=False) as database:
        site = Site(school, settings, database, board)
        site.supervisors = {one.code: Supervisor() for one in settings.schools}
        site.beat()
        yield site
