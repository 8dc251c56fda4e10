"""Somebody changes schools between two whole bridges, in any order, with every crash: one account, never deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from connectors.sandbox import Sandbox
from tests.connectors.graph.kit import application
from tests.machines.both_ways import FAULTS
from tests.machines.two_schools import NEW, OLD, School, Town, town
from tests.sandbox.plugin import MakeSandbox

ORDERS = ("old first", "new first", "at once")
WHERE = ("store", "before", "after")
#: Every order and every place once in ``make test``; ``make soak`` takes all of both.
SAMPLE = tuple(zip(WHERE, ORDERS, strict=True))


@pytest.fixture
async def cloud(make_sandbox: MakeSandbox) -> Sandbox:
    return await make_sandbox(tls=True, applications=[application()])


@pytest.fixture
async def both(cloud: Sandbox) -> AsyncIterator[Town]:
    async with town(cloud) as one:
        await begin(one)
        yield one


async def begin(one: Town) -> None:
    """Anna and Ben at the old school, Cem at the new one; a class each."""
    for key in ("anna", "ben"):
        one.old.enrol(key)
    one.new.enrol("cem")
    one.old.put("5a", "anna", "ben")
    one.new.put("5x", "cem")
    await one.settle()


async def move(one: Town, key: str, order: str, *, back: bool = False) -> None:
    """Leaves the one school and comes to the other; one cycle of each bridge in that order."""
    old, new = (one.new, one.old) if back else (one.old, one.new)
    for school in {"old first": (old, new), "new first": (new, old), "at once": (old, new)}[order]:
        _change(school, key, new)
        if order != "at once":
            await school.cycle()
    if order == "at once":
        await asyncio.gather(old.cycle(), new.cycle())


def _change(school: School, key: str, new: School) -> None:
    if school is new:
        school.enrol(key)
        school.put("5x" if school.code == NEW else "5a", key)
    else:
        school.leave(key)


def check(one: Town, before: str, *, at: str = NEW) -> None:
    """The account of before, at this school, in its class and in no other, never deleted."""
    assert one.account("anna") == (before, at, True)
    assert one.groups("anna") == {"sb-0456-5x" if at == NEW else "sb-0123-5a"}
    for key, school in (("ben", OLD), ("cem", NEW)):
        assert one.account(key)[1:] == (school, True)
    assert one.cloud.counters().get("users deleted", 0) == 0
    assert all(school.store.verify().ok for school in one.schools)


@pytest.mark.parametrize("order", ORDERS)
async def test_one_account_in_any_order_and_back_again(both: Town, order: str) -> None:
    account = both.account("anna")[0]
    await move(both, "anna", order)
    await both.settle()
    check(both, account)
    # Nobody's period goes on: years later nothing has happened.
    await both.pass_(days=200)
    await both.settle()
    check(both, account)
    await move(both, "anna", order, back=True)
    await both.settle()
    check(both, account, at=OLD)
    await both.pass_(days=200)
    await both.settle()
    check(both, account, at=OLD)


@pytest.mark.parametrize(("where", "order"), SAMPLE)
async def test_killed_anywhere_on_either_side(cloud: Sandbox, order: str, where: str) -> None:
    await _killed(cloud, order, where)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("where", "order"), [(where, order) for where in WHERE for order in ORDERS if (where, order) not in SAMPLE]
)
async def test_killed_anywhere_on_either_side_in_any_order(cloud: Sandbox, order: str, where: str) -> None:
    await _killed(cloud, order, where)


async def _killed(cloud: Sandbox, order: str, where: str) -> None:
    """Each of both bridges is killed at its n-th write, n growing until no cycle comes to it any more."""
    async with town(cloud) as one:
        await begin(one)
        account = one.account("anna")[0]
        back, deaths = False, 0
        for lives in range(30):
            old, new = (one.new, one.old) if back else (one.old, one.new)
            died = False
            for school in (new, old) if order == "new first" else (old, new):
                _change(school, "anna", new)
                died |= await school.killed(lives, where=where)
                if order == "at once":
                    died |= await new.killed(lives, where=where)
            deaths += died
            await one.settle()
            check(one, account, at=new.code)
            if not died:
                break
            back = not back
        assert not died, "it has to end without a death at last"
        assert deaths >= 2


@pytest.mark.parametrize("seed", range(2))
async def test_the_tenant_fails_in_every_way_meanwhile(both: Town, seed: int) -> None:
    await _failing(both, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 32))
async def test_the_tenant_fails_in_every_way_meanwhile_with_many_seeds(both: Town, seed: int) -> None:
    await _failing(both, seed)


async def _failing(both: Town, seed: int) -> None:
    account, random = both.account("anna")[0], Random(seed)
    for number in range(4):
        for _ in range(3):
            fault = dict(random.choice(FAULTS))
            both.cloud.faults.add(fault.pop("kind"), **fault)
        await move(both, "anna", random.choice(ORDERS), back=bool(number % 2))
        for school in random.choices(both.schools, k=3):
            await school.cycle()
        await both.settle()
        check(both, account, at=OLD if number % 2 else NEW)


# --- what decision 017 once did not do --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["store", "before", "after"])
async def test_enrolled_after_the_old_school_deleted_the_account(cloud: Sandbox, where: str) -> None:
    """Killed at every write of the take-over out of the recycle bin."""
    async with town(cloud) as one:
        await begin(one)
        died = True
        for lives in range(12):
            key = f"z{lives}"
            one.old.enrol(key)
            await one.settle()
            account = one.account(key)[0]
            one.old.leave(key)
            await one.settle()
            await one.pass_(days=31)
            await one.settle()
            assert one.accounts(key) == []
            one.new.enrol(key)
            one.new.put("5x", key, "cem")
            died = await one.new.killed(lives, where=where)
            await one.settle()
            assert one.account(key) == (account, NEW, True)
            assert one.groups(key) == {"sb-0456-5x"}
            if not died:
                break
        assert not died


@pytest.mark.parametrize("where", ["store", "before", "after"])
async def test_new_at_both_schools_in_the_same_moment(cloud: Sandbox, where: str) -> None:
    """Both bridges at once, one of them killed; who comes second gets the account when the first one lets go."""
    async with town(cloud) as one:
        await begin(one)
        for lives in range(8):
            key = f"z{lives}"
            for school in one.schools:
                school.enrol(key)
            died, _ = await asyncio.gather(one.old.killed(lives, where=where), one.new.cycle())
            await one.settle()
            account, at, enabled = one.account(key)
            assert enabled
            first, second = one.schools if at == OLD else reversed(one.schools)
            first.leave(key)
            await one.settle()
            assert one.account(key) == (account, second.code, True)
            if not died:
                break
        assert one.cloud.counters().get("users deleted", 0) == 0


@pytest.mark.parametrize(("lives", "where"), [(1, "before"), (0, "after")])
@pytest.mark.parametrize("order", ["old first", "new first"])
async def test_left_before_the_bridge_knew_of_the_account_that_it_had_claimed(
    cloud: Sandbox, lives: int, where: str, order: str
) -> None:
    """The old school's bridge died between the claim and its confirmation, and then has no reason to look for it."""
    async with town(cloud) as one:
        await begin(one)
        one.old.enrol("dora")
        assert await one.old.killed(lives, where=where)
        account, at, enabled = one.account("dora")
        assert (at, enabled) == ("claimed:0123", False)
        await move(one, "dora", order)
        assert one.account("dora") == (account, "claimed:0123", False), "it may be about to be confirmed"
        await one.settle()
        assert one.account("dora") == (account, NEW, True)
        assert one.groups("dora") == {"sb-0456-5x"}
        await move(one, "dora", order, back=True)
        await one.settle()
        assert one.account("dora") == (account, OLD, True)


async def test_back_within_minutes_and_somebody_else_comes_into_the_class_too(both: Town) -> None:
    """Who is parked is taken out of the groups. That contradicts a write of the last minutes: it has to be remembered
    over the next write to the group."""
    both.old.enrol("emil")
    both.old.put("5a", "anna", "ben", "emil")
    await both.old.cycle()
    both.old.leave("emil")
    await both.old.cycle()
    assert both.groups("emil") == set()
    for key in ("emil", "fay"):
        both.old.enrol(key)
    both.old.put("5a", "anna", "ben", "emil", "fay")
    await both.settle()
    for key in ("anna", "ben", "emil", "fay"):
        assert both.groups(key) == {"sb-0123-5a"}
