"""A roster carried out at the school, cut off at every point and taken up again: everything ends the same."""

from __future__ import annotations

import pytest

from bridge.core.model import Side
from bridge.lab.postgres import PostgresServer
from tests.machines.rig import rig
from tests.machines.roster_play import apply, free, resumed, shown, small, turning, undisturbed, undo
from tests.machines.walls import Accesses, Broken
from tests.school_years import settled

#: Of the points of a run every so many are tried by ``make test``; all of them by ``make soak``.
STRIDE = 41


@pytest.mark.parametrize("looked", [False, True])
async def test_the_database_may_fail_at_any_point(looked: bool) -> None:
    await _database(looked, STRIDE)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("looked", [False, True])
async def test_the_database_may_fail_at_every_point(looked: bool) -> None:
    await _database(looked, 1)


async def _database(looked: bool, stride: int) -> None:
    number, _, result = await undisturbed()
    assert number > 100
    for point in range(1, number + 1, stride):
        with turning() as (one, turn):
            await settled(one, turn)
            with Accesses(point).around(one), pytest.raises(Broken):
                await apply(one, turn)
            await resumed(one, turn, result, looked=looked)


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("fault", ["cut_writes", "cut_answers"])
async def test_the_line_may_break_before_and_after_a_write(fault: str, looked: bool) -> None:
    await _line(fault, looked, 6)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("fault", ["cut_writes", "cut_answers"])
async def test_the_line_may_break_before_and_after_every_write(fault: str, looked: bool) -> None:
    await _line(fault, looked, 1)


async def _line(fault: str, looked: bool, stride: int) -> None:
    _, writes, result = await undisturbed()
    assert writes > 15
    for point in range(0, writes, stride):
        with turning() as (one, turn):
            await settled(one, turn)
            setattr(one.connectors[Side.SCHOOL].faults, fault, point)
            carried = await apply(one, turn)
            assert not carried.whole, "what was cut off says so"
            one.calm()
            await resumed(one, turn, result, looked=looked)


async def test_taken_back_after_a_crash_in_the_middle() -> None:
    for point in (0, 7, 12):
        with turning() as (one, turn):
            await settled(one, turn)
            before = shown(one, Side.SCHOOL)
            one.connectors[Side.SCHOOL].faults.cut_answers = point
            assert not (await apply(one, turn)).whole
            one.calm()
            one.pass_(hours=1)
            assert (await undo(one)).whole
            assert shown(one, Side.SCHOOL) == before


@pytest.mark.postgresql
async def test_on_postgresql(postgresql_server: PostgresServer) -> None:
    _, _, result = await undisturbed()
    with rig(postgresql_server.create_database("roster_apply")) as one:
        one.policy = free()
        turn = small()
        await settled(one, turn)
        before = shown(one, Side.SCHOOL)
        one.connectors[Side.SCHOOL].faults.cut_answers = 5
        assert not (await apply(one, turn)).whole
        one.calm()
        await resumed(one, turn, result, looked=True)
        one.pass_(hours=1)
        assert (await undo(one)).whole
        assert shown(one, Side.SCHOOL) == before
