"""Shares the budgets of tenants among all sites, wherever their daemons run: ``core.fair`` over what sites reported.

told     each report says what a site wants, and which allowance it goes by; the inbox keeps it
settle   every few seconds: who reported since gets a new promise, in one transaction, never more in sum than the limit
given    the promise goes out with the receipt of the site's next report

Every process of a hub settles; only one at a time, and what one promised the others find.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, cast

import structlog
from sqlalchemy import Connection, and_, bindparam, delete, select, update

from bridge.core.fair import COUNTED, LASTS, Account, Promise, confirmed, promised, tenant_key
from bridge.daemon import threads
from bridge.daemon.threads import aside
from bridge.daemon.trouble import place
from bridge.fleet.messages import Allowance
from bridge.hub.settings import HubSettings
from bridge.settings.hub import TenantBudget
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_demand
from bridge.state.transaction import Transaction

#: Seconds between two looks at least, and the part of a core that they may take.
EVERY, _PART = 3.0, 0.05
_LOCK = 7305133
_Key = tuple[str, str]


@dataclass(slots=True)
class _Row:
    """What one site said of one budget, and what it was promised. ``fresh``: it reported since."""

    site: str
    account: Account
    fresh: bool
    stale: bool
    changed: bool = False


@dataclass(slots=True)
class _Shared:
    """One budget of a tenant."""

    limit: float
    rows: dict[str, _Row] = field(default_factory=dict)


class Budgets:
    """What one process knows of the promises. ``limits``: by the id of the tenant."""

    def __init__(self, limits: Callable[[], Mapping[str, TenantBudget]], database: Database) -> None:
        self.limits, self.database = limits, database
        self._given: dict[str, list[tuple[str, str, Promise]]] = {}

    def given(self, site: str) -> Sequence[Allowance]:
        """For a receipt: the newest promises to a site that still last. From memory."""
        now = self.database.clock()
        return [
            Allowance(
                tenant=tenant,
                budget=cast("Any", budget),
                given=promise.given,
                until=promise.until,
                seconds=(promise.until - now).total_seconds(),
            )
            for tenant, budget, promise in self._given.get(site, ())
            if promise.until > now
        ]

    def settle(self) -> None:
        """New promises for all that reported since the last time."""
        limits = _limits(self.limits())
        given: dict[str, list[tuple[str, str, Promise]]] = {}
        if limits:
            with self.database.write() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                now = self.database.clock()
                for (tenant, budget), shared in _read(connection, limits, now).items():
                    _promise(shared, budget, now)
                    _write(connection, (tenant, budget), shared, now)
                    for row in shared.rows.values():
                        if row.account.promises:
                            given.setdefault(row.site, []).append((tenant, budget, row.account.promises[-1]))
        self._given = given


def _limits(budgets: Mapping[str, TenantBudget]) -> dict[_Key, float]:
    """(tenant as it is called on the way, budget) -> units a minute, of those that are shared."""
    return {
        (tenant_key(tenant), name): limit
        for tenant, one in budgets.items()
        for name in COUNTED
        if (limit := float(getattr(one, name))) > 0
    }


def _read(connection: Connection, limits: Mapping[_Key, float], now: datetime) -> dict[_Key, _Shared]:
    found = {key: _Shared(limit) for key, limit in limits.items()}
    tenants = sorted({tenant for tenant, _ in limits})
    for row in connection.execute(select(hub_demand).where(hub_demand.c.tenant.in_(tenants))):
        shared = found.get((row.tenant, row.budget))
        if shared is None:
            continue
        promises = tuple(_promise_of(one) for one in json.loads(row.promises))
        stale = row.at < now - LASTS  # not heard: it wants nothing, but may still spend what it was promised
        before = Account(0.0 if stale else row.wanted, promises)
        account = confirmed(before, row.holds, now=now, counted=COUNTED[row.budget])
        made = promises[-1].until - LASTS if promises else None
        fresh = not stale and (made is None or row.at > made)
        shared.rows[row.site] = _Row(row.site, account, fresh, stale, changed=account != before)
    return found


def _promise(shared: _Shared, budget: str, now: datetime) -> None:
    asked = sorted(row.site for row in shared.rows.values() if row.fresh)
    accounts = {row.site: row.account for row in shared.rows.values() if not row.stale or row.account.promises}
    for site, made in promised(accounts, asked, shared.limit, now=now, counted=COUNTED[budget]).items():
        row = shared.rows[site]
        row.account = replace(row.account, promises=(*row.account.promises, made))
        row.changed = True


def _write(connection: Connection, key: _Key, shared: _Shared, now: datetime) -> None:
    tx = Transaction(connection, "", {}, now)
    of = hub_demand.c
    mine = and_(of.tenant == key[0], of.budget == key[1], of.site == bindparam("of_site"))
    changed = [row for row in shared.rows.values() if row.changed and (row.account.promises or not row.stale)]
    kept = [{"of_site": row.site, "said": _said(row.account.promises)} for row in changed]
    tx.run(update(hub_demand).where(mine).values(promises=bindparam("said")), kept)
    gone = [{"of_site": row.site} for row in shared.rows.values() if row.stale and not row.account.promises]
    tx.run(delete(hub_demand).where(mine), gone)


def _said(promises: Sequence[Promise]) -> str:
    return json.dumps([[one.given, one.until.isoformat(), one.counts.isoformat()] for one in promises])


def _promise_of(said: Sequence[Any]) -> Promise:
    given, until, counts = said
    return Promise(float(given), datetime.fromisoformat(until), datetime.fromisoformat(counts))


# --- while the hub runs -----------------------------------------------------------------------------------------------


class Process(Protocol):
    """What is needed of a running hub."""

    settings: HubSettings
    database: Database
    given: Callable[[str], Sequence[Allowance]]


class Settling:
    """Settles all the time, and gives receipts their allowances."""

    def __init__(self, hub: Process) -> None:
        self.budgets = Budgets(lambda: hub.settings.hub.budgets, hub.database)
        hub.given = self.budgets.given
        self.log = structlog.get_logger()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="budgets")

    async def reload(self) -> None:
        """Nothing to do: the next time goes by the limits that are in force."""

    async def stop(self) -> None:
        """End; what was promised stands in the database."""
        if self._task is not None:
            await threads.end([self._task])

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await aside(self.budgets.settle)
            except Exception as error:  # noqa: BLE001 - without promises sites go by their own share
                self.log.error("the budgets can't be shared out", error=type(error).__name__, at=place(error))
            await asyncio.sleep(max(EVERY, (time.monotonic() - began) / _PART))


def part(hub: Process) -> Settling:
    """What ``bridge.hub.run`` starts beside the sites' door."""
    return Settling(hub)
