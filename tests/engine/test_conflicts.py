"""Files changed on both sides: named, remembered, and decided by a person."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from bridge.core.model import Side
from bridge.engine import cycle as engine_cycle
from bridge.ports import KeptBoth
from connectors.memory import MemorySide
from connectors.memory.contents import new_file, write_body
from tests.machines.rig import Rig, rig

SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}


async def disputed(one: Rig) -> KeptBoth:
    folder = one.school.create("folder", {"name": "Kurse"})
    here = new_file(one.school, {"name": "a.txt", "parent": folder}, b"base")
    await one.settle()
    there = next(record.anchor for record in one.cloud.records("file"))
    write_body(one.school, here, b"school")
    write_body(one.cloud, there, b"cloud")
    await one.settle()
    (kept,) = one.store.conflicts()
    return kept


def texts(side: MemorySide) -> dict[object, bytes]:
    return {record.fields["name"]: side.bodies[record.anchor] for record in side.records("file")}


async def test_the_loser_gets_a_name_on_both_sides_and_is_remembered() -> None:
    with rig(shows=SHARE) as one:
        kept = await disputed(one)
        copy = "a (conflict cloud 2026-09-01 07-00).txt"
        assert texts(one.school) == texts(one.cloud) == {"a.txt": b"school", copy: b"cloud"}
        assert (kept.path, kept.copy, kept.side) == ("/Kurse/a.txt", f"/Kurse/{copy}", Side.CLOUD)
        assert (kept.resolved, kept.how) == (None, "")
        moved = next(record for record in one.cloud.records("file") if record.fields["name"] == "a.txt")
        one.cloud.change(moved.anchor, {"name": "b.txt"})
        await one.settle()
        assert one.store.conflicts() == [kept]


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ("keep-this", [b"school"]),
        ("keep-other", [b"cloud"]),
        ("keep-both", [b"cloud", b"school"]),
    ],
)
async def test_a_decision_is_carried_out_on_both_sides(how: str, left: list[bytes]) -> None:
    with rig(shows=SHARE) as one:
        kept = await disputed(one)
        one.store.decide(kept.id, how, actor="test", reason="asked the teacher")
        await one.settle()
        assert sorted(texts(one.school).values()) == sorted(texts(one.cloud).values()) == left
        assert "a.txt" in texts(one.school)
        assert not one.store.conflicts()
        (done,) = one.store.conflicts(resolved=True)
        assert (done.how, done.resolved is not None) == (how, True)
        with pytest.raises(KeyError):
            one.store.decide(kept.id, "keep-both", actor="test", reason="")
        sent = one.sent()
        await one.settle()
        assert one.sent() == sent
        assert one.store.verify().ok


async def test_a_decision_that_is_refused_is_tried_again() -> None:
    with rig(shows=SHARE) as one:
        kept = await disputed(one)
        one.cloud_faults().failing[kept.anchor] = ("locked", "open in Word")
        one.store.decide(kept.id, "keep-this", actor="test", reason="")
        report = await one.cycle()
        assert any("open in Word" in message and "keep-this" in message for message in report.messages)
        assert len(texts(one.cloud)) == 2
        one.calm()
        await one.settle()
        assert texts(one.school) == {"a.txt": b"school"}


async def test_equal_text_written_on_both_sides_is_no_conflict_and_transfers_nothing() -> None:
    with rig(shows={Side.SCHOOL: "unread", Side.CLOUD: "unread"}) as one:
        here = new_file(one.school, {"name": "a.txt"}, b"base")
        await one.settle()
        there = next(record.anchor for record in one.cloud.records("file"))
        sent = one.sent()
        write_body(one.school, here, b"same")
        write_body(one.cloud, there, b"same")
        await one.settle()
        assert (one.sent(), one.store.conflicts()) == (sent, [])


async def test_a_touched_file_is_read_and_not_sent() -> None:
    with rig(shows=SHARE) as one:
        here = new_file(one.school, {"name": "a.txt", "modified": "2026-09-01T06:00:00Z"}, b"base")
        await one.settle()
        sent = one.sent()
        write_body(one.school, here, b"base", {"modified": "2026-09-02T06:00:00Z"})
        await one.settle()
        assert one.sent() == sent
        [there] = one.cloud.records("file")
        assert there.fields["modified"] == "2026-09-01T06:00:00Z", "a time alone would be a version of its own there"
        written = one.cloud.number
        one.cloud.change(there.anchor, {"modified": "2026-09-03T06:00:00Z"})
        await one.settle()
        assert one.cloud.number == written + 1
        [back] = one.school.records("file")
        assert back.fields["modified"] == "2026-09-02T06:00:00Z"


async def test_the_time_goes_with_the_content_also_where_it_is_the_same() -> None:
    with rig(shows=SHARE) as one:
        time = {"modified": "2026-09-01T06:00:00Z"}
        here = new_file(one.school, {"name": "a.txt", **time}, b"base")
        await one.settle()
        write_body(one.school, here, b"base", {"modified": "2026-09-05T06:00:00Z"})
        await one.settle()
        [there] = one.cloud.records("file")
        one.cloud.change(there.anchor, {"modified": "2026-09-07T06:00:00Z"})
        write_body(one.school, here, b"edit", time)  # with the time that is agreed, the oldest of all
        await one.settle()
        [there] = one.cloud.records("file")
        assert there.fields["modified"] == time["modified"], "a side sets its own time otherwise"
        assert one.cloud.bodies[there.anchor] == b"edit"


async def test_a_touched_file_that_is_deleted_on_the_other_side_is_gone() -> None:
    """An edit beats a delete; a touch is no edit."""
    with rig(shows=SHARE) as one:
        here = new_file(one.school, {"name": "a.txt", "modified": "2026-09-01T06:00:00Z"}, b"base")
        await one.settle()
        write_body(one.school, here, b"base", {"modified": "2026-09-02T06:00:00Z"})
        await one.settle()
        one.cloud.delete(next(one.cloud.records("file")).anchor)
        await one.settle()
        assert not list(one.school.records("file"))


async def test_a_file_that_is_open_waits_and_is_no_error() -> None:
    with rig(shows=SHARE) as one:
        here = new_file(one.school, {"name": "a.txt"}, b"base")
        one.connectors[Side.SCHOOL].faults.busy.add(here)
        report = await one.cycle()
        assert not report.failed
        (trouble,) = one.store.troubles()
        assert trouble.rule == "waits:busy"
        assert trouble.retry_at is not None
        one.calm()
        one.pass_(seconds=31)
        await one.settle()
        assert texts(one.cloud) == {"a.txt": b"base"}


async def test_a_full_cloud_is_trouble_and_work_resumes() -> None:
    with rig(shows=SHARE) as one:
        new_file(one.school, {"name": "a.txt"}, b"too much")
        one.cloud_faults().full = 3
        report = await one.cycle()
        assert report.failed == {"file:quota": 1}
        assert [trouble.rule for trouble in one.store.troubles()] == ["failed:quota"]
        one.calm()
        one.pass_(hours=1)
        await one.settle()
        assert texts(one.cloud) == {"a.txt": b"too much"}


async def test_a_plan_shows_a_folder_once_that_lives_for_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with rig(shows=SHARE) as one:
        folder = one.school.create("folder", {"name": "Kurse"})
        files = [new_file(one.school, {"name": f"{number}", "parent": folder}, b"base") for number in range(4)]
        await one.settle()
        for anchor in files:
            one.school.delete(anchor)
        one.school.delete(folder)
        for record in list(one.cloud.records("file"))[2:]:
            write_body(one.cloud, record.anchor, b"edited")
        monkeypatch.setattr(engine_cycle, "BATCH", 1)
        report = await engine_cycle.cycle(one.bridged(), rehearse=True)
        actions = sorted((planned.kind, planned.action.value) for planned in report.operations)
        assert actions == [
            ("file", "delete"), ("file", "delete"), ("file", "restore"), ("file", "restore"), ("folder", "restore"),
        ]  # fmt: skip
        await one.settle()
        assert len(texts(one.school)) == len(texts(one.cloud)) == 2


async def test_the_time_in_the_name_is_that_of_the_schools_clocks() -> None:
    with rig(shows=SHARE) as one:
        one.policy = replace(one.policy, zone=ZoneInfo("Europe/Berlin"))
        kept = await disputed(one)
        assert kept.copy == "/Kurse/a (conflict cloud 2026-09-01 09-00).txt"
