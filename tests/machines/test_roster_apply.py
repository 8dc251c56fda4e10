"""A roster carried out at the school, cut off at every point, taken up again, mirrored and taken back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.core.policy import UNLIMITED, Policy, Tally, Threshold, policy_for
from bridge.core.year import Year
from bridge.daemon import roster_year, school_year
from bridge.daemon.roster_year import Asked, Carried
from bridge.lab.postgres import PostgresServer
from bridge.ports import ConfigurationError
from tests.core.years import Turned, last_year, turned
from tests.daemon.test_year_roster import told
from tests.machines.rig import Rig, rig
from tests.machines.walls import Accesses, Broken
from tests.school_years import settled

#: Of the points of a run every so many are tried by ``make test``; all of them by ``make soak``.
STRIDE = 23


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
    await _line(fault, looked, 4)


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


async def test_classes_keep_their_groups_and_nobody_is_made_anew_in_the_cloud() -> None:
    with turning() as (one, turn):
        year = await settled(one, turn)
        groups, people = year.clouds(), {r.fields["source_anchor"]: r.anchor for r in one.cloud.records("user")}
        assert (await apply(one, turn)).whole
        await one.settle()
        now = year.clouds()
        assert (now["6a"], now["7a"]) == (groups["5a"], groups["6a"])
        assert now["5a"] not in groups.values()
        after = {r.fields["source_anchor"]: r for r in one.cloud.records("user")}
        assert {key: after[key].anchor for key in people} == people, "0 accounts deleted or made anew"
        assert {key for key in after if key not in people} == turn.now.people.keys() - turn.last.people.keys()
        gone = turn.last.people.keys() - turn.now.people.keys()
        assert {key for key, record in after.items() if record.fields["enabled"] is not True} == set(gone)


async def test_taken_back() -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        before = both(one)
        assert (await apply(one, turn)).whole
        await one.settle()
        assert both(one) != before
        one.pass_(hours=1)
        undone = await undo(one)
        assert (undone.failed, undone.against) == ([], [])
        await one.settle()
        assert shown(one, Side.SCHOOL) == before[Side.SCHOOL]
        assert one.store.brought() == frozenset()
        with pytest.raises(ConfigurationError, match="nothing to undo"):
            await undo(one)
        new = turn.now.people.keys() - turn.last.people.keys()
        cloud = shown(one, Side.CLOUD)
        assert all(key not in cloud or cloud[key][1] is False for key in new), "who was made is retired, in steps"
        # Whoever is retired leaves the classes of the cloud when the account goes.
        there = {key: [one for one in row if one not in new] for key, row in cloud.items() if key in before[Side.CLOUD]}
        assert {key: row for key, row in there.items() if key != "5a"} == {
            key: row for key, row in before[Side.CLOUD].items() if key != "5a"
        }


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


async def test_what_changed_since_is_not_taken_back() -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        assert (await apply(one, turn)).whole
        await one.settle()
        new = sorted(turn.now.people.keys() - turn.last.people.keys())
        one.school.change(str(one.school.named("user", "source_anchor", new[0])), {"surname": "Neuname"})
        one.school.change(str(one.school.named("group", "display_name", "6a")), {"display_name": "6 Adler"})
        one.pass_(hours=1)
        undone = await undo(one)
        assert len(undone.against) == 2
        assert any("display_name changed since" in text for text in undone.against)
        assert any("surname changed since" in text for text in undone.against)
        there = {str(r.fields["source_anchor"]) for r in one.school.records("user")}
        assert new[0] in there
        assert not there & set(new[1:]), "everybody else is retired"
        assert "6 Adler" in shown(one, Side.SCHOOL)


async def test_more_than_the_thresholds_is_refused_with_numbers_until_somebody_types_how_many() -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        few = {("*", "user", "*", Tally.DISABLE): Threshold(3), ("*", "group", "*", Tally.RENAME): Threshold(1)}
        one.policy = policy_for(Stage.HYBRID, thresholds=few)
        before = one.versions()
        with pytest.raises(
            ConfigurationError, match=r"\d+ × disable of user records of role pupil .*--expect (\d+)"
        ) as no:
            await apply(one, turn)
        assert one.versions() == before
        assert one.store.brought() == frozenset()
        number = int(str(no.value).split("--expect ")[1].split(".")[0])
        with pytest.raises(ConfigurationError, match="changes are to be made"):
            await apply(one, turn, expect=number + 1)
        one.connectors[Side.SCHOOL].faults.cut_writes = 5
        assert not (await apply(one, turn, expect=number)).whole
        one.calm()
        one.pass_(hours=1)
        assert (await apply(one, turn)).whole, "what was let pass once goes on without asking again"
        await one.settle()
        assert one.store.troubles() == [], "it passes in the cloud, too"


async def test_who_was_never_brought_stays_and_before_is_needed_once() -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        manual = one.school.create(
            "user", {"source_anchor": "M", "display_name": "By Hand", "role": "pupil", "enabled": True}
        )
        await one.settle()
        first = await apply(one, turn)
        assert first.whole
        assert first.manual == ["M"]
        await one.settle()
        leaver = sorted(turn.now.people)[0]
        people = {key: person for key, person in turn.now.people.items() if key != leaver}
        groups = tuple(replace(group, members=group.members - {leaver}) for group in turn.now.groups)
        one.pass_(hours=1)
        carried = await apply(one, Turned(turn.last, Year(people, groups), turn.truth), before=False)
        assert carried.written["user:disable"] == 1, "the roster before is remembered"
        record = one.school.record(manual)
        assert record is not None
        assert record.fields["enabled"] is True


@pytest.mark.parametrize("stage", [Stage.OBSERVING, Stage.REHEARSING, Stage.CLOUD])
async def test_a_stage_that_does_not_write_the_school_refuses(stage: Stage) -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        one.policy = policy_for(stage)
        before = one.versions()
        with pytest.raises(ConfigurationError, match=f"stage {stage} writes nothing to the school"):
            await apply(one, turn)
        assert one.versions() == before


async def test_where_the_cloud_decides_who_there_is_nothing_is_written_that_would_not_last() -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        one.policy = policy_for(Stage.SOAKING)
        before = one.versions()
        with pytest.raises(ConfigurationError, match="the cloud decides"):
            await apply(one, turn)
        assert one.versions() == before


@pytest.mark.parametrize("cycles", [False, True])
async def test_who_can_not_be_made_is_told_and_made_once_it_is_repaired(cycles: bool) -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        faults = one.connectors[Side.SCHOOL].faults
        faults.failing["N0"] = ("invalid", "the directory does not take it")
        carried = await apply(one, turn)
        assert len(carried.failed) == 1
        assert "does not take it" in carried.failed[0]
        assert [trouble.rule for trouble in one.store.troubles()] == ["failed:invalid"]
        if cycles:  # the link that was put aside is forgotten meanwhile
            await one.settle()
        faults.failing.clear()
        one.pass_(hours=1)
        assert (await apply(one, turn)).whole
        await one.settle()
        record = one.record(Side.SCHOOL, "N0")
        assert record is not None
        everywhere = [one.school.record(r.anchor) for r in one.school.records("group")]
        assert any(record.anchor in (group.fields["members"] or ()) for group in everywhere if group)  # type: ignore[operator]
        assert one.record(Side.CLOUD, "N0") is not None
        assert one.store.troubles() == []


async def test_somebody_changed_it_meanwhile_and_nothing_is_overwritten() -> None:
    with turning() as (one, turn):
        await settled(one, turn)
        anchor = str(one.school.named("group", "display_name", "5a"))
        apply_ = one.connectors[Side.SCHOOL].apply

        async def late(writes):  # type: ignore[no-untyped-def]
            if any(write.anchor == anchor for write in writes):
                one.school.change(anchor, {"description": "by hand"})
            async for outcome in apply_(writes):
                yield outcome

        one.connectors[Side.SCHOOL].apply = late  # type: ignore[method-assign]
        carried = await apply(one, turn)
        assert [text for text in carried.failed if "expected was" in text], carried.failed
        record = one.school.record(anchor)
        assert record is not None
        assert record.fields["display_name"] == "5a"
        one.connectors[Side.SCHOOL].apply = apply_  # type: ignore[method-assign]
        one.pass_(hours=1)
        assert (await apply(one, turn)).whole, "read anew, it is carried out on what stands there now"
        await one.settle()
        assert one.store.troubles() == []


async def test_who_comes_back_gets_the_account_that_he_had() -> None:
    with turning() as (one, turn):
        year = await settled(one, turn)
        key = sorted(turn.now.people.keys() & turn.last.people.keys())[0]
        login = shown(one, Side.SCHOOL)[key][2]
        one.school.delete(year.people[key])
        await one.cycle()
        assert (await apply(one, turn)).whole
        assert shown(one, Side.SCHOOL)[key][1:] == [True, login]
        assert one.school.named("user", "source_anchor", key) == year.people[key]


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
