"""A lease as its holder sees it: how long it permits, and the fence before each transaction. Taken by ``Leases``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from bridge.ports import ConfigurationError, Fenced
from bridge.state.lock import Busy

#: Seconds that a lease lasts when it is not renewed.
LASTS = 15.0

# FOR KEY SHARE: renewing changes no key and passes by, a new token is one (there is a unique index) and waits.
_FENCE = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :idle, true) FROM lease "
    "WHERE school = :code AND owner = :owner AND token = :token FOR KEY SHARE"
)
_BOUND = text("SELECT set_config('idle_in_transaction_session_timeout', :idle, true)")


def boot_clock() -> float:
    """Seconds since this machine began, those in which it slept among them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a lease lasts, how often it is renewed, and how long before its end nothing more is sent."""

    lasts: float = LASTS

    @property
    def renew(self) -> float:
        """Three renewals may fail."""
        return self.lasts * 4 / 15

    @property
    def margin(self) -> float:
        """For a request that is on its way when the lease ends."""
        return self.lasts / 5


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lease, since when, and whether it has not ended. ``owner``: machine, process, a number of its own."""

    owner: str
    since: datetime
    lives: bool

    @property
    def host(self) -> str:
        """The machine's name."""
        return self.owner.partition(" ")[0]


class HeldElsewhere(Busy):
    """Another process has the lease, and it lives."""

    def __init__(self, code: str, holder: Holder) -> None:
        ConfigurationError.__init__(
            self,
            f"{code or 'the uplink'}: {holder.host} looks after it since {holder.since:%Y-%m-%d %H:%M:%S} UTC "
            f"(process {holder.owner.split()[1]}). Expected: nobody. Stop it there (systemctl stop schoolbridge) or "
            f"wait until it is done; if it died, its lease ends by itself within a minute",
        )
        self.holder = holder


class Lease:
    """What a holder has; made by ``Leases.hold`` and ``Leases.take``. Safe to ask from any thread."""

    def __init__(self, code: str, *, owner: str, token: int, timing: Timing, clock: Callable[[], float]) -> None:
        self.code, self.owner, self.token, self.timing = code, owner, token, timing
        self.lost: Callable[[], None] = lambda: None
        """Called once, from another thread, when it was lost."""
        self._clock = clock
        self._until = float("inf")
        self._over = False

    @property
    def holds(self) -> bool:
        """Whether it is this process's, as far as this process can know."""
        return not self._over and self._clock() < self._until

    def permit(self) -> None:
        """Raise Fenced unless a write that is sent now arrives before the lease ends."""
        if self._over or self._clock() >= self._until - self.timing.margin:
            raise Fenced(f"{self.code}: {_LATE}")

    def fence(self, connection: Connection) -> None:
        """Raise Fenced unless the token is still this one; until the transaction ends nobody gets another."""
        if connection.dialect.name != "postgresql":
            return
        mine = {"code": self.code, "owner": self.owner, "token": self.token}
        if self._over or connection.execute(_FENCE, {**mine, **idle(self.timing)}).first() is None:
            self.end()
            raise Fenced(f"{self.code}: {_LATE}")

    def extend(self, begun: float) -> None:
        """It was renewed by what was sent then."""
        self._until = begun + self.timing.lasts

    def end(self) -> None:
        """It is over; told once."""
        if not self._over:
            self._over = True
            self.lost()


_LATE = (
    "this process does not look after the school any more (its lease ended, or another one took over), so nothing is "
    "written here. Nothing to do: whoever has the lease goes on"
)


def idle(timing: Timing) -> dict[str, str]:
    """How long a writing transaction may wait for its client: stopped in the middle, it blocks nobody longer."""
    return {"idle": f"{int(timing.lasts * 1000)}ms"}


def bound(connection: Connection, timing: Timing) -> None:
    """The same for a transaction that no lease stands behind."""
    if connection.dialect.name == "postgresql":
        connection.execute(_BOUND, idle(timing))
