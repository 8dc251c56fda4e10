"""Sites that wait for orders: one look a second for all of them, and at once where somebody gives a hint.

The same look learns who may speak no more, so that a site that is revoked waits no second longer than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.daemon.trouble import place
from bridge.hub import hints
from bridge.state import hub_certificates, hub_orders
from bridge.state.database import Database
from bridge.state.hub_orders import Orders

#: Seconds between looks, and between looks at who was revoked.
LOOK = 1.0
#: So many requests of one site wait; one more ends the oldest, whose connection may be dead long since.
MOST = 8


class Waiting:
    """One a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._futures: dict[str, list[asyncio.Future[Orders | None]]] = {}
        self._due: set[str] = set()
        self._revoked: tuple[set[str], set[str]] = set(), set()
        self._hint = asyncio.Event()
        self._unlisten: Callable[[], None] = lambda: None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, then again and again."""
        loop = asyncio.get_running_loop()

        def heard(what: str) -> None:
            if what == hints.ORDERS and not loop.is_closed():
                loop.call_soon_threadsafe(self._hint.set)

        self._unlisten = hints.listen(self._database, heard)
        await self._look()
        self._task = asyncio.create_task(self._look_on(), name="orders for sites")

    @property
    def alive(self) -> bool:
        """Whether it looks."""
        return self._task is not None and not self._task.done()

    @property
    def count(self) -> int:
        """How many sites wait."""
        return len(self._futures)

    async def stop(self) -> None:
        """Whoever waits gets nothing, now."""
        self._unlisten()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for futures in self._futures.values():
            for one in futures:
                if not one.done():
                    one.set_result(Orders())

    def refused(self, site: str, serial: str) -> bool:
        """Whether the site or its certificate was revoked, as of the last look."""
        names, serials = self._revoked
        return site in names or serial in serials

    def forgive(self, site: str) -> None:
        """It was enrolled again: it need not wait for the next look to be let in."""
        self._revoked[0].discard(site)

    async def now(self, site: str) -> Orders:
        """What waits for a site, without waiting: asked of the database only where the last look saw something."""
        if site not in self._due:
            return Orders()
        self._due.discard(site)
        taken: dict[str, Orders] = await asyncio.to_thread(hub_orders.take, self._database, [site])
        return taken.get(site, Orders())

    async def orders(self, site: str, seconds: float) -> Orders | None:
        """What waits for a site, as soon as there is something; nothing after that time. None: it was revoked."""
        done: asyncio.Future[Orders | None] = asyncio.get_running_loop().create_future()
        others = [one for one in self._futures.setdefault(site, []) if not one.done()]
        for one in others[: len(others) - MOST + 1] if len(others) >= MOST else ():
            one.set_result(Orders())
        self._futures[site].append(done)
        if site in self._due:
            self._hint.set()
        try:
            async with asyncio.timeout(seconds):
                return await done
        except TimeoutError:
            return Orders()
        finally:
            mine = self._futures[site]
            mine.remove(done)
            if not mine:
                del self._futures[site]

    async def _look_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await self._hint.wait()
            except TimeoutError:
                pass
            self._hint.clear()
            try:
                await self._look()
            except SQLAlchemyError as error:
                structlog.get_logger().warning("can't look for orders", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - a bug must show, and the next look may do better
                structlog.get_logger().error("no look for orders", error=type(error).__name__, place=place(error))

    async def _look(self) -> None:
        self._revoked = await asyncio.to_thread(hub_certificates.revoked, self._database)
        for site in self._revoked[0] & self._futures.keys():
            self._give(site, None)
        self._due = await asyncio.to_thread(hub_orders.due, self._database)
        mine = self._due & self._futures.keys()
        if mine:
            self._due -= mine
            self._hand_out(await asyncio.to_thread(hub_orders.take, self._database, mine))

    def _hand_out(self, taken: dict[str, Orders]) -> None:
        for site, orders in taken.items():
            if not self._give(site, orders):
                structlog.get_logger().debug("orders for a site that waits no more", site=site)

    def _give(self, site: str, orders: Orders | None) -> bool:
        """To whoever began to wait last: what waited longer may be a connection that nobody reads any more."""
        futures: Iterable[asyncio.Future[Orders | None]] = reversed(self._futures.get(site, []))
        for one in futures:
            if not one.done():
                one.set_result(orders)
                if orders is not None:
                    return True
        return False
