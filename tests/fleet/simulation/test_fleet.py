"""A hub and its sites, played from seeds: what holds whatever the lines, the power and the backups do.

A seed that fails stands in the message; ``python -m tests.fleet.simulation SEED`` plays it again, and a range of seeds.
"""

from __future__ import annotations

import json
import random

import pytest

from bridge.lab.postgres import PostgresServer
from tests.fleet.simulation.clockwork import Clockwork, Weather, Wire
from tests.fleet.simulation.hub import Hub
from tests.fleet.simulation.play import Plan, Run
from tests.fleet.simulation.site import Site

DAY = 86_400.0


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_lines_do_all_is_told_once_and_in_order(seed: int) -> None:
    Run(Plan(seed)).play().check()


@pytest.mark.parametrize("seed", [3])
def test_a_site_put_back_from_a_backup_begins_a_new_epoch_and_loses_nothing_that_it_knows(seed: int) -> None:
    Run(Plan(seed, orders=2, site_backups=True)).play().check()


@pytest.mark.parametrize("seed", [0])
def test_a_hub_put_back_from_a_backup_shows_what_is_and_has_nothing_done_twice(seed: int) -> None:
    Run(Plan(seed, hub_backups=True)).play().check()


@pytest.mark.postgresql
def test_the_same_over_postgresql(postgresql_server: PostgresServer) -> None:
    url = postgresql_server.create_database("simulated_hub")
    try:
        Run(Plan(1, sites=2, events=20, url=url)).play().check()
    finally:
        postgresql_server.drop_database("simulated_hub")


def test_r8_a_hub_away_for_three_days_gets_all_in_order_and_no_old_states() -> None:
    _three_days(sites=2, every=3600.0)


@pytest.mark.soak
def test_r8_the_same_with_a_city() -> None:
    _three_days(sites=41, every=60.0)


def _three_days(*, sites: int, every: float) -> None:
    clock = Clockwork(random.Random(8))
    hub = Hub(clock)
    city = [
        Site(f"site-{number}", f"{number:04}", clock, Wire(clock, Weather()), hub.public, every=every)
        for number in range(sites)
    ]
    for site in city:
        hub.knows(site)
        site.tick()
        for hour in range(4 * 24):  # a change of state each hour, an event every third
            clock.after(hour * 3600.0, site.changes)
            if hour % 3 == 0:
                clock.after(hour * 3600.0 + 7, site.happens)
    clock.after(0.5 * DAY, hub.fall)
    clock.after(3.5 * DAY, lambda: setattr(hub, "up", True))
    clock.run(3.5 * DAY - 1)
    away = {site.name: site.waiting for site in city}
    assert all(24 <= count <= 24 + 3 for count in away.values()), f"events, what is in flight, one state: {away}"
    clock.run(4 * DAY + 3 * every)
    for site in city:
        assert site.waiting == 0
        told = [json.loads(body)["n"] for _, _, body in hub.events(site)]
        assert told == list(range(1, 33))
        assert json.loads(hub.state(site)) == {"v": 96}
        states = [one.body["v"] for one in hub.witness[site.name] if one.kind == "school"]
        assert states == sorted(states)
        assert len(states) < 40, "states that nobody could see were not told one by one"
        assert hub.mark(site).epoch == 1
    assert hub.missing == 0


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["lines", "site", "hub"])
def test_many_seeds(kind: str) -> None:
    for seed in range(1000, 1150):
        Run(Plan(seed, site_backups=kind == "site", hub_backups=kind == "hub")).play().check()
