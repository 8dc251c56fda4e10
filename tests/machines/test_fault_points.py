"""Fail the i-th access to the database, and the i-th call of a side, for every i of a mirror run: the rest follows.

ownCloud's ``testDatabaseError`` is the model. ``make test`` takes a sample of the points, ``make soak`` all of them.
``test_fault_points_shares`` does the same to a directory and a drive.
"""

from __future__ import annotations

import pytest

from bridge.core.model import Side
from tests.machines.rig import Rig, rig
from tests.machines.staged import Result, Texts, finished, staged
from tests.machines.walls import Accesses, Broken

SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}
STRIDE = 101


async def begun(one: Rig) -> Texts:
    one.threads = False
    return await staged(one, one.hands)


async def ended(one: Rig, texts: Texts) -> Result:
    one.calm()
    return await finished(one, one.hands, texts)


async def undisturbed() -> tuple[int, Result]:
    """How many accesses a cycle needs, and what comes out of it."""
    with rig(shows=SHARE) as one:
        texts = await begun(one)
        wall = Accesses(None)
        with wall.around(one):
            await one.cycle()
        return wall.count, await ended(one, texts)


async def broken_at(point: int, result: Result) -> None:
    with rig(shows=SHARE) as one:
        texts = await begun(one)
        with Accesses(point).around(one), pytest.raises(Broken):
            await one.cycle()
        assert await ended(one, texts) == result


async def test_an_access_to_the_database_may_fail() -> None:
    number, result = await undisturbed()
    assert number > 200
    for point in range(1, number + 1, STRIDE):
        await broken_at(point, result)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_any_access_to_the_database_may_fail() -> None:
    number, result = await undisturbed()
    for point in range(1, number + 1):
        await broken_at(point, result)


FAULTS = ("cut_writes", "cut_pages", "cut_answers")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("side", list(Side))
async def test_a_call_of_a_side_may_fail(side: Side, fault: str) -> None:
    _, result = await undisturbed()
    for point in (0, 3):
        await cut_off_after(side, fault, point, result)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("side", list(Side))
async def test_any_call_of_a_side_may_fail(side: Side, fault: str) -> None:
    point, (_, result) = 0, await undisturbed()
    while await cut_off_after(side, fault, point, result):
        point += 1
    assert point > 2


async def cut_off_after(side: Side, fault: str, point: int, result: Result) -> bool:
    """Let so many calls pass and fail the next one; False where there are not so many."""
    with rig(shows=SHARE, page_size=2, chunk=3) as one:
        texts = await begun(one)
        setattr(one.connectors[side].faults, fault, point)
        report = await one.cycle()
        assert await ended(one, texts) == result
        return bool(report.error)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_file_may_change_while_it_is_copied(side: Side, pieces: int) -> None:
    with rig(shows=SHARE) as one:
        texts = await begun(one)
        one.connectors[side].faults.changing = pieces
        held = 0
        for _ in range(2):  # what is new at the school is copied with the second cycle: its rival needs a name first
            held += (await one.cycle()).held["file:changed"]
        assert held > 0
        for overwritten in one.connectors[side].traffic.overwritten:
            texts = texts - {overwritten} | {overwritten + b" and more"}
        await ended(one, texts)
