"""The hub of the simulation: the real inbox and the real orders over a real database, on the simulated clock.

Every report that was applied is kept beside it, as the witness: what the database says is compared with that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from bridge.core.fleet import Mark, Verdict
from bridge.fleet.messages import Receipt, Report
from bridge.hub import orders_out
from bridge.state import hub_inbox, hub_orders, hub_sites, open_database
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_command, hub_event, hub_school, hub_site
from bridge.state.hub_inbox import Posted
from tests.fleet.simulation.clockwork import Clockwork
from tests.fleet.simulation.memory import fresh, raw
from tests.fleet.simulation.site import Site

#: Seconds for which the first report waits for others, which are then applied in one transaction.
MOMENT = 0.05


@dataclass
class Applied:
    """A message that was applied, as the witness saw it."""

    epoch: int
    seq: int
    kind: str
    body: dict[str, Any]


@dataclass
class Hub:
    """One hub. ``up`` false: whoever asks gets no answer."""

    clock: Clockwork
    url: str = ""
    up: bool = True
    missing: int = 0
    witness: dict[str, list[Applied]] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    _waiting: list[tuple[Site, Report, Callable[[Receipt], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        clock = self.clock.moment
        self.database: Database = open_database(self.url, clock=clock) if self.url else fresh(clock)

    @property
    def public(self) -> bytes:
        """What sites know orders by."""
        return self.key.public_key().public_bytes_raw()

    def knows(self, site: Site) -> None:
        """Invite a site, and listen to it."""
        hub_sites.invite(self.database, site.name, schools=[site.code], label="", actor="simulation")
        self.witness[site.name] = []
        site.send = self._carry

    def _carry(self, site: Site, report: Report, answer: Callable[[Receipt], None]) -> None:
        site.wire.send(lambda: self._arrives(site, report, answer))

    def _arrives(self, site: Site, report: Report, answer: Callable[[Receipt], None]) -> None:
        if not self.up:
            return
        self._waiting.append((site, report, answer))
        if len(self._waiting) == 1:
            self.clock.after(MOMENT, self._apply)

    def _apply(self) -> None:
        """All that came within a moment, in one transaction; receipts leave after it."""
        waiting, self._waiting = self._waiting, []
        if not self.up or not waiting:  # it fell meanwhile, and may be up again
            return
        posted = [Posted(site.name, "", report, self.clock.moment()) for site, report, _ in waiting]
        outcomes = hub_inbox.apply(self.database, posted)
        for (site, report, answer), outcome in zip(waiting, outcomes, strict=True):
            assert not outcome.refused
            taken = outcome.taken
            self.missing += taken.missing
            if taken.verdict is Verdict.APPLIED and taken.first:
                fresh = [one for one in report.messages if one.seq >= taken.first]
                self.witness[site.name] += [Applied(report.epoch, one.seq, one.kind, one.body) for one in fresh]
            receipt = self._receipt(site, taken.verdict, taken.mark, outcome.missing)
            site.wire.send(lambda answer=answer, receipt=receipt: answer(receipt))  # type: ignore[misc]

    def _receipt(self, site: Site, verdict: Verdict, mark: Mark, missing: int) -> Receipt:
        orders = hub_orders.take(self.database, [site.name]).get(site.name, hub_orders.Orders())
        return Receipt(
            verdict=verdict.value, epoch=mark.epoch, seq=mark.seq, now=self.clock.moment(), commands=orders.commands,
            missing=missing,
        )  # fmt: skip

    # -- orders

    def ask(self, site: Site, good: float) -> None:
        """A command that is good for so many seconds; its reason is its id, so that the site can note it."""
        name = f"order-{len(self.asked):06}"
        self.asked[name] = self.clock.now + good
        orders_out.ask(
            self.database, self.key, site=site.name, school=site.code, action={"action": "sync", "reason": name},
            actor="simulation", scopes=["operate"], reason="simulation", id=name,
            expires=self.clock.moment() + timedelta(seconds=good),
        )  # fmt: skip

    def expire(self) -> None:
        """What the hub does each minute."""
        if self.up:
            hub_orders.expire(self.database)

    # -- what breaks, and what is there

    def fall(self) -> None:
        """The process is killed: what it had not committed is gone."""
        self.up, self._waiting = False, []

    def backup(self) -> bytes:
        """The database as it is now; SQLite only."""
        return raw(self.database).serialize()

    def put_back(self, backup: bytes) -> None:
        """The database as it was then."""
        raw(self.database).deserialize(backup)
        self._waiting = []

    def events(self, site: Site) -> list[tuple[int, int, str]]:
        """Epoch, number and body of what lies in the database, in order."""
        columns = (hub_event.c.epoch, hub_event.c.seq, hub_event.c.body)
        query = select(*columns).where(hub_event.c.site == site.name).order_by(hub_event.c.epoch, hub_event.c.seq)
        with self.database.read() as connection:
            return [(row.epoch, row.seq, row.body) for row in connection.execute(query)]

    def state(self, site: Site) -> str:
        """The body of the school's newest state; empty when none was told."""
        query = select(hub_school.c.body).where(hub_school.c.school == site.code, hub_school.c.slot == "school")
        with self.database.read() as connection:
            return connection.scalar(query) or ""

    def commands(self) -> dict[str, str]:
        """Id -> state of every command."""
        with self.database.read() as connection:
            return {row.id: row.state for row in connection.execute(select(hub_command.c.id, hub_command.c.state))}

    def mark(self, site: Site) -> Mark:
        """How far a site's messages were applied."""
        with self.database.read() as connection:
            row = connection.execute(select(hub_site).where(hub_site.c.site == site.name)).one()
        return Mark(row.epoch, row.seq)
