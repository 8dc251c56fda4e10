"""The uplink inside the daemon, as ``hub`` in ``bridge.yaml`` says; it begins anew when that changes.

A hub that is away, papers that are missing, a bug: nothing here stops the mirroring. It is said in the log and by
``status``, and tried again. Of several daemons on one state only one reports.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.api.local import LocalSource
from bridge.api.serve import bridge_of
from bridge.daemon import threads
from bridge.daemon.service import Service
from bridge.daemon.threads import aside
from bridge.daemon.trouble import place, said
from bridge.fleet.messages import Order
from bridge.ports import BridgeError
from bridge.settings.hub import Uplink as Block
from bridge.state import outbox
from bridge.state.lease import HeldElsewhere
from bridge.state.lock import Busy
from bridge.state.tokens import NOBODY
from bridge.uplink import papers
from bridge.uplink.configuration import Configuration
from bridge.uplink.line import Line
from bridge.uplink.orders import Ground, Outcome
from bridge.uplink.shown import Shown
from bridge.uplink.talk import Talk


class Lost(BridgeError):
    """The lease of the uplink is another one's."""


#: Seconds until it is looked again whether this site is enrolled, or whether another daemon gave up.
AGAIN = 15.0


class Uplink:
    """Implements ``bridge.daemon.service.Front``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._log = structlog.get_logger()
        self._task: asyncio.Task[None] | None = None
        self._block: Block | None = None
        self._look = asyncio.Event()
        self._talking: Talk | None = None
        self._configuration = Configuration(service)

    async def start(self) -> None:
        """Begin, if there is a hub."""
        self._block = self._service.settings.bridge.hub
        self._service.board.hub = {}
        if self._block is not None:
            self._task = asyncio.create_task(self._begin(self._block), name="uplink")

    async def reload(self) -> None:
        """Another configuration: with another block ``hub`` it begins anew; an away hub is tried at once."""
        if self._block != self._service.settings.bridge.hub:
            await self.stop()
            await self.start()
        self._look.set()
        if self._talking is not None:
            self._talking.again()

    async def stop(self) -> None:
        """End; what was not confirmed waits in the state."""
        if self._task is not None:
            await threads.end([self._task])
            self._task = None

    def _hub(self) -> Block:
        """The block as it is now; the one that this began with while it goes."""
        return self._service.settings.bridge.hub or self._first

    @property
    def _first(self) -> Block:
        assert self._block is not None  # noqa: S101 - there is one while a task runs
        return self._block

    async def _begin(self, block: Block) -> None:
        shown = Shown(self._service.board.hub, url=block.url, clock=self._service.database.clock)
        while True:
            try:
                async with self._alone():
                    await self._talk(block, shown)
            except (OSError, BridgeError, SQLAlchemyError, MemoryError) as error:
                shown.away(said(error))
            except Exception as error:  # noqa: BLE001 - a bug must not leave it silent: it is told, and tried again
                shown.away(f"internal error: {type(error).__name__} at {place(error)[-1]}")
            else:
                continue  # with the renewed certificate
            self._look.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), AGAIN)

    async def _talk(self, block: Block, shown: Shown) -> None:
        """With the papers as they are now, until they are others."""
        service = self._service
        found = await aside(lambda: papers.read(papers.folder_of(service.settings)))
        context = await aside(found.context)
        shown.site(found.site, found.ends)
        shown.waits(await aside(lambda: outbox.waiting(service.database)))
        source = LocalSource(bridge_of(service))
        try:
            async with Line(block.url, context) as line:
                told, carry = self._configuration.standing, {"configure": self._configure}
                ground = Ground(source, found.site, found.hub, self._hub, told, carry)
                self._talking = Talk(ground, found, line, shown)
                await self._talking.run()
        finally:
            self._talking = None
            await source.close()

    async def _configure(self, order: Order) -> Outcome:
        state, text = await self._configuration.configure(order)
        return Outcome(state, text)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Be the only one that speaks for this state, until the end or until the lease is lost. Raises Lost."""
        leases, loop, task = self._service.database.leases, asyncio.get_running_loop(), asyncio.current_task()
        try:
            lease = await aside(lambda: leases.take(NOBODY))
        except Busy as error:
            where = f" on {error.holder.host}" if isinstance(error, HeldElsewhere) else ""
            raise Lost(f"another daemon of the same state{where} reports to the hub; this one stands by") from None
        over = False

        def lost() -> None:
            nonlocal over
            over = True
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

        lease.lost = lost
        try:
            yield
        except asyncio.CancelledError:
            if not over or task is None or task.uncancel():
                raise
            raise Lost("another daemon of the same state may report to the hub now; this one stands by") from None
        finally:
            await aside(lambda: leases.give(lease))
