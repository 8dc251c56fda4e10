"""A roster carried out at the school: what becomes of people and classes, what is refused, what is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.core.policy import Tally, Threshold, policy_for
from bridge.core.year import Year
from bridge.ports import ConfigurationError
from tests.core.years import Turned
from tests.machines.roster_play import apply, both, shown, turning, undo
from tests.school_years import settled


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
