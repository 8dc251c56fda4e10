"""Fair shares: the properties of one division, and a simulation of hub and sites whose sum is never over the limit."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.fair import COUNTED, FLOOR, LASTS, Account, Promise, confirmed, promised, shares, tenant_key

NOW = datetime(2027, 2, 1, 6, 0, tzinfo=UTC)
wishes = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(0, 1e6), min_size=1, max_size=12)
limits = st.integers(0, 10**7).map(lambda hundredths: hundredths / 100)


@given(wishes, limits, st.floats(0, 1e5))
def test_no_more_than_there_is_and_nobody_starves(wanted: dict[str, float], limit: float, floor: float) -> None:
    found = shares(wanted, limit, floor=floor)
    assert found.keys() == wanted.keys()
    assert sum(found.values()) <= limit * (1 + 1e-9)
    least = min(floor, limit / len(wanted))
    for name, part in found.items():
        assert part <= max(wanted[name], least) * (1 + 1e-9)
        assert part >= min(least, max(wanted[name], least)) * (1 - 1e-9)


@given(wishes, limits)
def test_who_gets_less_than_it_wants_gets_as_much_as_anybody(wanted: dict[str, float], limit: float) -> None:
    found = shares(wanted, limit)
    highest = max(found.values())
    short = [name for name in wanted if found[name] < wanted[name] * (1 - 1e-9)]
    assert all(found[name] >= highest * (1 - 1e-6) for name in short)
    assert not short or sum(found.values()) == pytest.approx(limit)  # nothing is left over while somebody waits


@given(wishes, limits, limits)
def test_more_budget_takes_nothing_from_anybody(wanted: dict[str, float], one: float, two: float) -> None:
    less, more = shares(wanted, min(one, two)), shares(wanted, max(one, two))
    assert all(more[name] >= less[name] * (1 - 1e-9) for name in wanted)


def test_water_filling_by_hand() -> None:
    assert shares({"a": 10, "b": 100, "c": 100}, 110) == {"a": 10, "b": 50, "c": 50}
    assert shares({"a": 0, "b": 1000}, 100, floor=5) == {"a": 5, "b": 95}
    assert shares({}, 100) == {}


def test_a_lowered_share_is_given_to_others_only_after_it_can_not_be_spent() -> None:
    counted = COUNTED["directory"]
    first = promised({"a": Account(100)}, ["a"], 100, now=NOW, counted=counted)["a"]
    assert first.given == 100
    later = NOW + timedelta(minutes=1)
    both = {"a": Account(100, (first,)), "b": Account(100)}
    found = promised(both, ["a", "b"], 100, now=later, counted=counted)
    assert found["a"].given == 50
    assert found["b"].given == 0  # "a" may not have heard yet
    held = {"a": Account(100, (first, found["a"])), "b": Account(100, (found["b"],))}
    # Confirmed: the older promise counts for one window of the service's more.
    held["a"] = confirmed(held["a"], found["a"].until, now=later, counted=counted)
    assert held["a"].held(later) == 100
    then = later + counted
    assert promised(held, ["b"], 100, now=then, counted=counted)["b"].given == 50


def test_a_tenant_is_called_the_same_however_its_id_is_written() -> None:
    assert tenant_key(" A-B ") == tenant_key("a-b") != tenant_key("a-c")
    assert len(tenant_key("a")) == 32


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 8), st.sampled_from(sorted(COUNTED)))
def test_in_no_window_is_more_spent_than_the_limit(seed: int, sites: int, budget: str) -> None:
    """Sites spend all they may, as late as they may; reports and receipts get lost, late or never arrive."""
    dice, counted, limit = random.Random(seed), COUNTED[budget], 600.0
    names = [f"s{number}" for number in range(sites)]
    accounts: dict[str, Account] = {}
    holds: dict[str, Promise] = {}
    spent: list[tuple[datetime, float]] = []
    window = counted.total_seconds()
    mine: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
    now = NOW
    for _ in range(150):
        now += timedelta(seconds=dice.choice((1, 3, 9, 31, 70)))
        for name in names:
            if dice.random() < 0.5:
                asked_at = now
                known = accounts.get(name, Account(0))
                by = holds[name].until if name in holds else None
                known = confirmed(
                    Account(dice.choice((0, 50, 500, 5000)), known.promises), by, now=now, counted=counted
                )
                accounts[name] = known
                made = promised(accounts, [name], limit, now=now, counted=counted)[name]
                accounts[name] = Account(known.wanted, (*known.promises, made))
                newer = name not in holds or made.until > holds[name].until
                if dice.random() < 0.7 and newer:  # else the receipt is lost
                    holds[name] = Promise(made.given, min(made.until, asked_at + LASTS), made.counts)
            if name in holds and holds[name].until > now and dice.random() < 0.8:
                mine[name] = [(at, much) for at, much in mine[name] if at > now - counted]
                most = holds[name].given * window / 60
                amount = max(0.0, most - sum(much for _, much in mine[name]))
                mine[name].append((now, amount))
                spent.append((now, amount))
        spent = [(at, much) for at, much in spent if at > now - counted]
        assert sum(much for _, much in spent) <= limit * window / 60 * (1 + 1e-9)
        assert sum(one.held(now) for one in accounts.values()) <= limit * (1 + 1e-9)


def test_an_idle_site_keeps_enough_to_begin_with() -> None:
    accounts = {"idle": Account(0), **{f"s{n}": Account(1e6) for n in range(9)}}
    found = promised(accounts, list(accounts), 1000, now=NOW, counted=COUNTED["files"])
    assert found["idle"].given == pytest.approx(FLOOR * 100)
