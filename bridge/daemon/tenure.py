"""Whether this daemon looks after a school: its lease, and what can be written only with it.

none      nobody asked yet, or another one has it: stand by, asked again whenever the other's ends
held      from the first connection until the daemon stops, over all errors of the sides
lost      told by the thread that renews: whatever is under way is fenced, the school ends here and stands by
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from bridge.ports import Waiting
from bridge.state.database import Database
from bridge.state.lease import HeldElsewhere, Holder, Lease


class StandsBy(Waiting):
    """Another daemon looks after the school, and lives."""


@dataclass(slots=True)
class Tenure:
    """One school's. ``lost`` is called, in the event loop, when the lease is over; ``holder`` is the other one."""

    code: str
    database: Database
    lost: Callable[[], None]
    holder: Holder | None = None
    lease: Lease | None = None
    mine: Database | None = field(default=None, repr=False)
    """The database with the lease before each transaction; None without one."""

    @property
    def held(self) -> bool:
        """Whether this daemon may go on."""
        return self.lease is not None and self.lease.holds

    async def take(self) -> Database:
        """The database to write to with the lease, taken where that is needed; raises StandsBy, or Busy."""
        if self.held and self.mine is not None:
            return self.mine
        await self.give()
        try:
            lease = await asyncio.to_thread(self.database.leases.take, self.code)
        except HeldElsewhere as elsewhere:
            self.holder = elsewhere.holder
            raise StandsBy(said(elsewhere.holder)) from None
        lease.lost = partial(_tell, asyncio.get_running_loop(), self.lost)
        self.holder, self.lease, self.mine = None, lease, self.database.under(lease)
        return self.mine

    async def give(self, *, at_once: bool = True) -> None:
        """Give it back. Not ``at_once``: something may hang in the middle of a write, so it ends by itself."""
        lease, self.lease, self.mine = self.lease, None, None
        if lease is not None:
            await asyncio.to_thread(self.database.leases.give, lease, at_once=at_once)


def _tell(loop: asyncio.AbstractEventLoop, lost: Callable[[], None]) -> None:
    """From the thread that renews."""
    with suppress(RuntimeError):  # the loop has ended, and with it all that could be told
        loop.call_soon_threadsafe(lost)


def said(holder: Holder) -> str:
    """For a person: who it is, and what is here."""
    return f"looked after by {holder.host} since {holder.since:%Y-%m-%d %H:%M:%S} UTC; this one stands by"
