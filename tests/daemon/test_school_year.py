"""A school year end to end: the real engine and state between two memory sides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from bridge.core.freeze import Phase
from bridge.core.model import Action, Side
from bridge.core.year import CLASS, COURSE, Group, GroupTurn, Person, Year
from bridge.daemon import school_year
from bridge.lab.postgres import PostgresServer
from bridge.ports import ConfigurationError
from bridge.state import tables
from connectors.memory import State
from tests.core.years import WAYS, Truth, Turned
from tests.machines.rig import Rig, rig
from tests.school_years import SchoolYear, counting, drawn, least, settle_year, settled


async def cycled(one: Rig) -> None:
    """As the daemon: the policy knows where the year stands."""
    for _ in range(6):
        one.policy = replace(one.policy, year=one.store.year_phase())
        report = await one.cycle()
        assert not report.error, report.error
        one.pass_(hours=1)


@pytest.mark.parametrize("way", WAYS)
async def test_a_year_change_keeps_every_account_and_every_group(way: str) -> None:
    with rig() as one:
        year = await settled(one, drawn(3, way=way))
        accounts = {record.anchor for record in one.cloud.records("user")}
        one.store.open_year("Y1", actor="test", reason="August")
        counted = counting(one.connectors[Side.CLOUD])
        year.rebuild()
        await cycled(one)
        assert counted.of("group", *Action) == [], "nothing happens to a class before it is known which it is"
        assert counted.of("user", Action.DELETE, Action.DISABLE) == []
        await settle_year(one)
        await cycled(one)
        assert year.wrong() == []
        assert counted.of("user", Action.DELETE, Action.DISABLE, Action.RESTORE) == []
        assert counted.of("group", Action.DELETE, Action.RESTORE) == []
        assert accounts <= {record.anchor for record in one.cloud.records("user")}
        assert all(one.cloud.state(anchor) is State.ALIVE for anchor in year.before.values()), "archived, never deleted"
        assert counted.requests() <= 1.1 * least(counted, year)
        assert one.sent() == 0


async def opened_and_rebuilt(one: Rig, way: str = "made", seed: int = 3) -> SchoolYear:
    year = await settled(one, drawn(seed, way=way))
    one.store.open_year("Y0", actor="test", reason="August")
    year.rebuild()
    await cycled(one)
    return year


def ends(one: Rig) -> dict[str, tuple[object, ...]]:
    """Everything that apply may change: links, agreements, source anchors, releases, the year."""
    found: dict[str, tuple[object, ...]] = {}
    for table in (tables.link, tables.agreement, tables.agreed_reference, tables.generation, tables.release):
        query = select(table).where(table.c.school == one.store.code)
        with one.database.read() as connection:
            found[table.name] = tuple(sorted(map(repr, connection.execute(query).all())))
    query = select(tables.observation.c.anchor, tables.observation.c.fields).order_by(tables.observation.c.anchor)
    with one.database.read() as connection:
        found["observation"] = tuple(map(repr, connection.execute(query).all()))
        keys = select(tables.key).order_by(tables.key.c.anchor, tables.key.c.name)
        found["key"] = tuple(map(repr, connection.execute(keys).all()))
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_undo_gives_back_everything_that_apply_changed(way: str) -> None:
    with rig() as one:
        await opened_and_rebuilt(one, way)
        before = ends(one)
        planned = school_year.plan(one.store)
        one.store.apply_year("Y1", school_year.settlement(planned), actor="test", reason="August")
        assert ends(one) != before
        assert one.store.year_phase() is Phase.APPLIED
        assert one.store.undo_year(actor="test", reason="too early") == "Y1"
        assert one.store.year_phase() is Phase.OPEN
        after = ends(one)
        # Links with one end that gave way are made anew by the next cycle: the same ends, other ids.
        lost = [row for row in before["link"] if row not in after["link"]]
        assert [row for row in lost if "'cloud-" in row] == []
        assert {name: rows for name, rows in after.items() if name != "link"} == {
            name: rows for name, rows in before.items() if name != "link"
        }
        assert [row for row in after["link"] if row not in before["link"]] == []
        assert school_year.plan(one.store).plan.groups == planned.plan.groups
        assert one.store.verify().ok


async def test_after_undo_and_apply_again_it_is_as_if_nothing_had_been_undone() -> None:
    with rig() as one:
        year = await opened_and_rebuilt(one, "refilled")
        await settle_year(one)
        one.store.undo_year(actor="test", reason="too early")
        await cycled(one)
        await settle_year(one)
        await cycled(one)
        assert year.wrong() == []


async def test_undo_works_after_cycles_as_long_as_nothing_stands_in_its_place() -> None:
    with rig() as one:
        year = await opened_and_rebuilt(one, "made")
        ends_before = [row for row in ends(one)["link"] if "'cloud-" in row]
        await settle_year(one)
        await cycled(one)
        assert year.wrong() == []
        one.store.undo_year(actor="test", reason="wrong list")
        after = ends(one)["link"]
        assert [row for row in ends_before if row not in after] == []
        await cycled(one)
        assert one.store.year_phase() is Phase.OPEN
        for anchor in year.before.values():
            assert one.cloud.state(anchor) is State.ALIVE
        await settle_year(one)
        await cycled(one)
        assert year.wrong() == []


async def test_undo_is_refused_where_later_changes_stand_against_it() -> None:
    with rig() as one:
        year = await opened_and_rebuilt(one, "refilled")
        await settle_year(one)
        await cycled(one)  # the new fifth classes get groups of their own, in the directory's old groups
        before = ends(one)
        with pytest.raises(ConfigurationError, match="has got a group of its own"):
            one.store.undo_year(actor="test", reason="too late")
        assert ends(one) == before
        assert year.wrong() == []


async def test_a_closed_year_frees_what_was_frozen() -> None:
    with rig() as one:
        await opened_and_rebuilt(one)
        await settle_year(one)
        await cycled(one)
        held = {trouble.rule for trouble in one.store.troubles()}
        assert "year" in held
        assert {trouble.action for trouble in one.store.troubles() if trouble.rule == "year"} <= {
            Action.DISABLE, Action.DELETE, Action.RETIRE,
        }  # fmt: skip
        one.store.close_year(actor="test", reason="done")
        await cycled(one)
        assert "year" not in {trouble.rule for trouble in one.store.troubles()}
        assert "guard:disable" in {trouble.rule for trouble in one.store.troubles()}, "the guard judges leavers as ever"


async def test_what_was_planned_and_did_not_happen_passes_the_guard_no_more() -> None:
    with rig() as one:
        await opened_and_rebuilt(one)
        planned = school_year.plan(one.store)
        one.store.apply_year("Y1", school_year.settlement(planned), actor="test", reason="August")
        assert one.store.released()
        one.store.close_year(actor="test", reason="done")
        assert not one.store.released()


async def test_what_is_planned_passes_the_guard_also_in_the_second_year() -> None:
    with rig() as one:
        await opened_and_rebuilt(one)
        wanted = school_year.settlement(school_year.plan(one.store))
        used = {"school": one.store.code, "actor": "", "reason": "last year", "at": one.clock(), "used": one.clock()}
        with one.database.write() as connection:
            for link in wanted.released:
                connection.execute(tables.release.insert().values(link=link, **used))
        one.store.apply_year("Y1", wanted, actor="test", reason="August")
        assert one.store.released() == set(wanted.released)


async def test_a_group_that_got_one_of_its_own_already_is_not_thrown_away() -> None:
    """Somebody let a new class through by hand, and may have worked in it since."""
    with rig() as one:
        await opened_and_rebuilt(one, "made")
        held = [trouble.link for trouble in one.store.troubles() if trouble.kind == "group"]
        one.store.release(*held, actor="test", reason="impatient")
        await cycled(one)
        planned = school_year.plan(one.store)
        before = ends(one)
        with pytest.raises(ConfigurationError, match="of its own in the cloud already"):
            one.store.apply_year("Y1", school_year.settlement(planned), actor="test", reason="August")
        assert ends(one) == before
        assert one.store.year_phase() is Phase.OPEN


async def test_without_opening_it_the_last_agreement_tells_last_year() -> None:
    with rig() as one:
        year = await settled(one, drawn(3, way="renamed"))
        one.policy = replace(one.policy, writable=frozenset())  # the bridge only looked on
        year.rebuild()
        await one.cycle()
        planned = school_year.plan(one.store)
        assert {change.turn for change in planned.plan.groups} >= {GroupTurn.SAME, GroupTurn.NEW, GroupTurn.DISSOLVED}


async def test_an_undecided_class_is_applied_only_once_a_person_has_chosen() -> None:
    with rig() as one:
        people = {key: Person(key, key, "pupil") for key in "abcdijkl"}
        last = Year(people, (group("5a", "abcd"), group("5b", "ijkl")))
        now = Year(people, (group("6a", "abcdijkl"),))
        year = await settled(one, Turned(last, now, Truth()))
        one.store.open_year("Y0", actor="test", reason="August")
        year.rebuild()
        await cycled(one)
        with pytest.raises(ConfigurationError, match="--choose"):
            school_year.settlement(school_year.plan(one.store))
        with pytest.raises(ConfigurationError, match="0 classes of last year are called 9z"):
            school_year.plan(one.store, chosen={"6a": "9z"})
        await settle_year(one, chosen={"6a": "5b"})
        await cycled(one)
        assert year.clouds()["6a"] == year.before["5b"]
        assert year.clouds()["2025-26 5a"] == year.before["5a"]


def group(name: str, members: str) -> Group:
    return Group(name, name, CLASS, frozenset(members), f"G-{name}")


async def test_last_years_courses_are_archived_with_their_members_and_begin_anew() -> None:
    with rig() as one:
        people = {key: Person(key, key, "pupil") for key in "abcdijkl"}
        course, again = (Group("c", "Bio Q1 GK", COURSE, frozenset(keys), "C") for keys in ("abcd", "ijkl"))
        year = await settled(one, Turned(Year(people, (course,)), Year(people, (again,)), Truth()))
        one.store.open_year("Y0", actor="test", reason="August")
        year.rebuild()
        await cycled(one)
        assert year.cloud_members(year.before["Bio Q1 GK"]) == frozenset("abcd"), "nobody new reads last year's files"
        await settle_year(one)
        await cycled(one)
        now = year.clouds()
        assert now["2025-26 Bio Q1 GK"] == year.before["Bio Q1 GK"]
        assert year.cloud_members(now["2025-26 Bio Q1 GK"]) == frozenset("abcd")
        assert year.cloud_members(now["Bio Q1 GK"]) == frozenset("ijkl")
        one.pass_(days=400)
        one.store.close_year(actor="test", reason="done")
        await cycled(one)
        assert one.cloud.state(now["2025-26 Bio Q1 GK"]) is State.ALIVE, "never deleted by itself"


async def test_the_state_holds_no_name_of_a_person_beyond_what_was_observed() -> None:
    with rig() as one:
        await opened_and_rebuilt(one)
        with one.database.read() as connection:
            told = connection.execute(select(tables.year.c.last)).scalar_one()
        assert "Name R" not in told
        assert '"R' in told


@pytest.mark.postgresql
async def test_the_same_on_postgresql(postgresql_server: PostgresServer) -> None:
    with rig(postgresql_server.create_database("school_year")) as one:
        year = await opened_and_rebuilt(one, "refilled")
        before = ends(one)
        await settle_year(one)
        one.store.undo_year(actor="test", reason="too early")
        after = ends(one)
        assert {name: rows for name, rows in after.items() if name != "link"} == {
            name: rows for name, rows in before.items() if name != "link"
        }
        await cycled(one)
        await settle_year(one)
        await cycled(one)
        assert year.wrong() == []
