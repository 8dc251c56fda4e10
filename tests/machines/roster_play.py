"""A small school whose roster of the next year is carried out between two memory sides: what the tests of it share."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.core.policy import UNLIMITED, Policy, Tally, policy_for
from bridge.core.year import Year
from bridge.daemon import roster_year, school_year
from bridge.daemon.roster_year import Asked, Carried
from tests.core.years import Turned, last_year, turned
from tests.daemon.test_year_roster import told
from tests.machines.rig import Rig, rig
from tests.machines.walls import Accesses
from tests.school_years import settled


def free() -> Policy:
    return policy_for(Stage.HYBRID, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})


def small() -> Turned:
    chance = random.Random(5)
    last = last_year(chance, per_year=1, size=8, years=3)
    return turned(last, chance, way="made", leave=2, repeat=1, newcomers=6, split=0)


def asked(now: Year, before: Year | None, **more: Any) -> Asked:
    old = school_year.Roster(before, {}) if before else None
    return Asked(school_year.Roster(*told(now)), old, **{"actor": "test", "reason": "August", **more})


async def apply(one: Rig, turn: Turned, *, before: bool = True, **more: Any) -> Carried:
    bridged = one.bridged()
    return await roster_year.apply(bridged, one.store, asked(turn.now, turn.last if before else None, **more))


async def undo(one: Rig) -> Carried:
    bridged = one.bridged()
    return await roster_year.undo(bridged, one.store, actor="test", reason="wrong list")


def shown(one: Rig, side: Side) -> dict[str, Any]:
    """Everybody by source anchor and every class by name, without ids; a login belongs to one. Twice is an error."""
    people: dict[str, Any] = {}
    key_of: dict[str, str] = {}
    for record in one.side(side).records("user"):
        key = str(record.fields["source_anchor"])
        assert key not in people, f"{key} is at the {side} twice"
        key_of[record.anchor] = key
        people[key] = [record.fields.get(name) for name in ("display_name", "enabled", "login")]
    groups: dict[str, Any] = {}
    for record in one.side(side).records("group"):
        name = str(record.fields["display_name"])
        assert name not in groups or side is Side.CLOUD, f"{name} is at the school twice"
        groups[f"{name}{' again' if name in groups else ''}"] = sorted(
            key_of[anchor] for anchor in record.fields.get("members") or () if anchor in key_of
        )  # type: ignore[union-attr]
    logins = [row[2] for row in people.values() if row[2]]
    assert len(logins) == len(set(logins)), "a login was given twice"
    return {**people, **groups}


def both(one: Rig) -> Mapping[Side, Any]:
    return {side: shown(one, side) for side in Side}


@contextmanager
def turning() -> Iterator[tuple[Rig, Turned]]:
    with rig() as one:
        one.threads = False
        one.policy = free()
        yield one, small()


async def undisturbed() -> tuple[int, int, Mapping[Side, Any]]:
    with turning() as (one, turn):
        await settled(one, turn)
        before = one.school.number
        wall = Accesses(None)
        with wall.around(one):
            carried = await apply(one, turn)
        assert carried.whole
        writes = one.school.number - before
        await one.settle()
        return wall.count, writes, both(one)


async def resumed(one: Rig, turn: Turned, result: Mapping[Side, Any], *, looked: bool) -> None:
    """Type it again, with a cycle in between or without; then everything is as if nothing had happened."""
    if looked:
        await one.cycle()
    one.pass_(minutes=30)
    await _again(one, turn)
    await one.settle()
    assert both(one) == result
    number = one.school.number
    assert (await apply(one, turn, before=False)).written == {}, "a second apply writes nothing"
    assert one.school.number == number
    assert one.store.verify().ok
    bare = [one.id for one in one.store.links(s.link for s in one.store.roster().steps) if one.school.anchor is None]  # type: ignore[union-attr]
    assert bare == []


async def _again(one: Rig, turn: Turned) -> None:
    for _ in range(3):
        if (await apply(one, turn)).whole:
            return
        one.pass_(hours=1)
    raise AssertionError("not done after three times")
