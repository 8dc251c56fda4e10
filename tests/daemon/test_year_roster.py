"""What a roster wants written, carried out at a school in memory: then the school is as the roster says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bridge.core.model import Action, Fields, Side
from bridge.core.policy import UNLIMITED, Tally
from bridge.core.year import Year
from bridge.core.year_wanted import Wanted
from bridge.daemon import school_year
from bridge.daemon.roster_year import Asked, Carried, apply
from bridge.ports import ConfigurationError
from tests.core.years import last_year, turned
from tests.machines.rig import Rig, rig
from tests.school_years import settled


def told(now: Year) -> tuple[Year, Mapping[str, Fields]]:
    """The year as a roster tells it: no groups of the directory, and ids of its own."""
    groups = tuple(type(g)(f"class:{g.name}", g.name, g.role, g.members) for g in now.groups)
    fields: dict[str, Fields] = {
        key: {
            "source_anchor": key, "given_name": "Name", "surname": key, "display_name": f"Name {key}", "enabled": True,
            "role": "pupil",
        }
        for key in now.people
    }  # fmt: skip
    return Year(now.people, groups), fields


def planned(one: Rig, now: Year, before: Year) -> tuple[school_year.Planned, list[Wanted]]:
    year, fields = told(now)
    plan = school_year.plan(one.store, told=year, before=before)
    return plan, school_year.wanted(one.store, plan, fields)


def asked(now: Year, before: Year | None, **more: object) -> Asked:
    said: dict[str, object] = {"actor": "test", "reason": "August", **more}
    old = school_year.Roster(before, {}) if before else None
    return Asked(school_year.Roster(*told(now)), old, **said)  # type: ignore[arg-type]


async def carried(one: Rig, now: Year, before: Year | None, **more: object) -> Carried:
    one.policy = replace(one.policy, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})
    bridged = one.bridged()
    return await apply(bridged, one.store, asked(now, before, **more))


def classes(one: Rig) -> dict[str, frozenset[str]]:
    people = {record.anchor: str(record.fields["source_anchor"]) for record in one.school.records("user")}
    off = {people[record.anchor] for record in one.school.records("user") if record.fields.get("enabled") is not True}
    return {
        str(record.fields["display_name"]): frozenset(people[member] for member in record.fields["members"]) - off  # type: ignore[union-attr]
        for record in one.school.records("group")
    }


@pytest.mark.parametrize("seed", range(4))
async def test_the_school_becomes_what_the_roster_says(seed: int) -> None:
    chance = random.Random(seed)
    last = last_year(chance, per_year=2, size=10, years=3)
    turn = turned(last, chance, way="made", leave=3, repeat=1, newcomers=20, split=1)
    with rig() as one:
        await settled(one, turn)
        kept = {record.anchor for record in one.school.records()}
        plan, wanted = planned(one, turn.now, last)
        assert plan.plan.undecided == []
        result = await carried(one, turn.now, last)
        assert (result.failed, sum(result.written.values())) == ([], len(wanted))
        now = {group.name: group.members for group in turn.now.groups}
        there = classes(one)
        assert {name: there[name] for name in now} == now
        assert kept <= {record.anchor for record in one.school.records()}, "nobody is deleted, nobody made twice"
        await one.cycle()
        again = planned(one, turn.now, last)[1]
        assert again == [], "doing it again finds nothing to do"


async def test_accounts_made_by_hand_and_teachers_stay_where_they_are() -> None:
    chance = random.Random(1)
    last = last_year(chance, per_year=1, size=10, years=2)
    turn = turned(last, chance, way="made")
    with rig() as one:
        year = await settled(one, turn)
        teacher, manual = (
            one.school.create("user", {"source_anchor": key, "display_name": key, "role": role, "enabled": True})
            for key, role in (("T", "teacher"), ("M", "pupil"))
        )
        group = year.groups["G-5a"]
        record = one.school.record(group)
        assert record is not None
        inside = record.fields["members"]
        assert isinstance(inside, frozenset)
        one.school.change(group, {"members": inside | {teacher, manual}})
        await one.settle()
        plan, wanted = planned(one, turn.now, last)
        assert {change.person.key: change.turn.value for change in plan.plan.people if change.person.key in "TM"} == {
            "M": "manual"
        }
        assert {row.key for row in wanted} & {"T", "M"} == set()
        assert (await carried(one, turn.now, last)).failed == []
        after = one.school.record(group)
        assert after is not None
        assert {teacher, manual} <= after.fields["members"]  # type: ignore[operator]
        assert after.fields["display_name"] == "6a"


async def test_a_side_that_can_not_be_written_says_so_and_nothing_happens() -> None:
    chance = random.Random(2)
    turn = turned(last_year(chance, per_year=1, size=10, years=2), chance, way="made", newcomers=3)
    with rig() as one:
        await settled(one, turn)
        one.connectors[Side.SCHOOL].options = one.connectors[Side.SCHOOL].options.model_copy(update={"read_only": True})
        before = one.versions()
        with pytest.raises(ConfigurationError, match="the school can't create group records"):
            await carried(one, turn.now, turn.last)
        assert one.versions() == before


async def test_a_login_is_never_given_twice() -> None:
    with rig() as one:
        chance = random.Random(3)
        turn = turned(last_year(chance, per_year=1, size=10, years=2), chance, way="made", newcomers=2)
        await settled(one, turn)
        one.school.create("user", {"source_anchor": "X", "login": "name.n0", "role": "staff", "enabled": True})
        await one.settle()
        _, wanted = planned(one, turn.now, turn.last)
        logins = {row.key: row.after["login"] for row in wanted if row.action is Action.CREATE and row.kind == "user"}
        assert logins == {"N0": "name.n02", "N1": "name.n1"}


async def test_the_roster_of_another_school_is_refused() -> None:
    with rig() as one:
        chance = random.Random(3)
        turn = turned(last_year(chance, per_year=1, size=10, years=2), chance, way="made")
        await settled(one, turn)
        strangers = Year({f"Q{key}": replace(person, key=f"Q{key}") for key, person in turn.now.people.items()}, ())
        with pytest.raises(ConfigurationError, match="0 of"):
            school_year.plan(one.store, told=strangers)
