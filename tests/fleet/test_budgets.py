"""A tenant's budgets, shared: what is spent is reported, promised by the hub, and obeyed, in sum and in time."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta

import pytest
from sqlalchemy import select

from bridge.core.fair import COUNTED, LASTS, tenant_key
from bridge.daemon.purses import Allowed, Purses
from bridge.fleet.messages import Report
from bridge.hub.budgets import Budgets
from bridge.settings.hub import TenantBudget
from bridge.state import Database, hub_inbox, open_database
from bridge.state.fleet_tables import hub_demand
from bridge.state.hub_inbox import Posted
from bridge.uplink.demands import Demands
from connectors.graph.budget import Budget, Cost
from connectors.graph.options import Budgets as Limits
from tests.connectors.graph.kit import Wall
from tests.fleet import told
from tests.state.conftest import Clock, clock, database, migrated_file, migrated_url, url  # noqa: F401

TENANT = "11111111-2222-3333-4444-555555555555"
LIMIT = TenantBudget(directory=48_000, writes=1200, files=1250)


def limits(**more: object) -> Limits:
    return Limits.model_validate({"units": 8000, "units_window": 10, "writes": 3000, "writes_window": 150, **more})


def graph(purses: Purses, wall: Wall, **more: object) -> Budget:
    mine = (purses.purse(TENANT, "directory"), purses.purse(TENANT, "writes"))
    return Budget(limits(**more), monotonic=wall.now, sleep=wall.sleep, purses=mine)


async def spend(budget: Budget, wall: Wall, *, seconds: float) -> int:
    """Spend as fast as it goes; writes in that time."""
    until, writes = wall.at + seconds, 0
    while wall.at < until:
        async with budget.spend(Cost(1, 10)):
            wall.at += 0.01
        writes += 10
    return writes


async def test_without_an_allowance_the_configured_share_holds_and_after_it_again() -> None:
    wall = Wall()
    purses = Purses(wall.now)
    budget = graph(purses, wall, share=0.5)
    assert await spend(budget, wall, seconds=600) == pytest.approx(600 / 150 * 1500, rel=0.3)
    purses.allow(tenant_key(TENANT), "writes", Allowed(60, wall.at + 600, clock_time()))
    await spend(budget, wall, seconds=300)  # what was spent before counts
    assert await spend(budget, wall, seconds=300) <= 60 * 5 + 150
    wall.at += 600
    assert await spend(budget, wall, seconds=150) >= 1400


def clock_time():  # type: ignore[no-untyped-def]
    return Clock().now


async def test_all_connectors_of_a_process_go_by_one_allowance() -> None:
    wall = Wall()
    purses = Purses(wall.now)
    schools = [graph(purses, wall) for _ in range(4)]
    purses.allow(tenant_key(TENANT), "writes", Allowed(120, wall.at + 10_000, clock_time()))
    counted: deque[tuple[float, int]] = deque()

    async def work(budget: Budget) -> None:
        for _ in range(40):
            async with budget.spend(Cost(1, 10)):
                counted.append((wall.at, 10))

    await asyncio.gather(*map(work, schools))
    times = [at for at, _ in counted]
    for start in times:
        assert sum(amount for at, amount in counted if start <= at < start + 150) <= 120 * 150 / 60
    assert wall.at - times[0] > 600  # 1,600 writes at 120 a minute


async def test_who_waits_wants_more_than_it_spent() -> None:
    wall = Wall()
    purses = Purses(wall.now)
    budget = graph(purses, wall)
    for _ in range(60):
        async with budget.spend(Cost(10, 0)):
            wall.at += 1
    calm = purses.purse(TENANT, "directory").wanted()
    assert calm == pytest.approx(600, rel=0.1)
    purses.allow(tenant_key(TENANT), "directory", Allowed(600, wall.at + 10_000, clock_time()))
    for _ in range(100):
        async with budget.spend(Cost(10, 0)):
            pass
    assert purses.purse(TENANT, "directory").wanted() > 2 * calm
    wall.at += 61
    assert purses.purse(TENANT, "directory").wanted() == 0
    wall.at += 700
    assert purses.in_use() == {}


class Site:
    """A site's process: its purses, and the hub that it reports to."""

    def __init__(self, name: str, database: Database, wall: Wall) -> None:  # noqa: F811
        self.name, self.database, self.purses = name, database, Purses(wall.now)
        self.demands, self.number = Demands(self.purses), 0
        told.site(database, name, heard=database.clock())

    def want(self, amount: float) -> None:
        self.purses.purse(TENANT, "writes").spent(amount)

    def report(self, hub: Budgets, *, lost: bool = False) -> None:
        report = Report(epoch=1, last=0, oldest=1, now=self.database.clock(), demands=self.demands.current())
        outcome = hub_inbox.apply(self.database, [Posted(self.name, "ab", report, self.database.clock())])[0]
        assert not outcome.refused
        if not lost:
            self.demands.allow(hub.given(self.name))

    @property
    def rate(self) -> float | None:
        return self.purses.purse(TENANT, "writes").rate()


def pass_(clock: Clock, wall: Wall, seconds: float) -> None:  # noqa: F811
    clock.pass_(seconds=seconds)
    wall.at += seconds


def test_promises_reach_sites_and_follow_what_they_want(database: Database, clock: Clock) -> None:  # noqa: F811
    wall = Wall()
    hub = Budgets(lambda: {TENANT.upper(): LIMIT}, database)
    one, two = Site("one", database, wall), Site("two", database, wall)
    for _ in range(3):
        one.want(5000)
        one.report(hub)
        hub.settle()
        pass_(clock, wall, 30)
    assert one.rate == 1200
    assert two.rate is None
    # The second begins: it gets only what the first can't spend any more.
    rates = []
    for _ in range(20):
        for site in (one, two):
            site.want(5000)
            site.report(hub)
        hub.settle()
        pass_(clock, wall, 30)
        rates.append((one.rate or 0, two.rate or 0))
    assert all(first + second <= 1200.0001 for first, second in rates)
    assert rates[-1] == (600, 600)
    # And when the first rests, nearly all of it.
    for _ in range(14):
        for site, amount in ((one, 0), (two, 5000)):
            site.want(amount)
            site.report(hub)
        hub.settle()
        pass_(clock, wall, 30)
    assert two.rate == pytest.approx(1140)
    assert one.rate == pytest.approx(60)  # enough to begin with


def test_a_promise_ends_by_itself_and_a_late_receipt_makes_it_no_longer(
    database: Database, clock: Clock  # noqa: F811
) -> None:  # fmt: skip
    wall = Wall()
    hub = Budgets(lambda: {TENANT: LIMIT}, database)
    one = Site("one", database, wall)
    one.want(100)
    one.report(hub)
    hub.settle()
    pass_(clock, wall, 60)
    one.want(100)
    report = one.demands.current()
    allowances = hub.given("one")
    wall.at += 100  # the receipt is under way
    one.demands.allow(allowances)
    assert report[0].tenant == tenant_key(TENANT)
    assert one.rate is not None
    wall.at += 21  # 60 + 100 + 21 > 180
    assert one.rate is None
    # A site that is not heard any more is forgotten, when nothing of it can be spent.
    pass_(clock, wall, (2 * LASTS + COUNTED["writes"]).total_seconds())
    hub.settle()
    hub.settle()
    with database.read() as connection:
        assert connection.execute(select(hub_demand)).all() == []


def test_two_processes_of_a_hub_never_promise_more_than_there_is(
    database: Database, url: str, clock: Clock  # noqa: F811
) -> None:  # fmt: skip
    wall = Wall()
    other = open_database(url, clock=clock)
    hubs = [Budgets(lambda: {TENANT: LIMIT}, one) for one in (database, other)]
    sites = [Site(f"s{number}", database, wall) for number in range(5)]
    for turn in range(24):
        for place, site in enumerate(sites):
            site.want(100 * place * (1 + turn % 3))
            site.report(hubs[(turn + place) % 2], lost=(turn + place) % 4 == 0)
        for hub in hubs:
            hub.settle()
        pass_(clock, wall, 20 + 7 * (turn % 5))
        assert sum(site.rate or 0 for site in sites) <= 1200.0001
    assert sum(site.rate or 0 for site in sites) > 600
    other.close()


def test_what_is_not_shared_is_not_promised(database: Database, clock: Clock) -> None:  # noqa: F811
    wall = Wall()
    hub = Budgets(lambda: {"another tenant": LIMIT}, database)
    one = Site("one", database, wall)
    one.want(100)
    one.report(hub)
    hub.settle()
    pass_(clock, wall, 30)
    one.report(hub)
    assert one.rate is None
    assert timedelta(0) < LASTS
