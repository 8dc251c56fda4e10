"""A large file that made room for others: it is due again at once, and others as large wait for the next cycle."""

from __future__ import annotations

from bridge.core.model import Side
from bridge.core.urgency import LARGE
from connectors.memory.contents import new_file, write_body
from tests.machines.rig import Rig, rig

_SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}


def _unfinished(one: Rig, file: str) -> None:
    one.cloud_faults().failing = {file: ("unfinished", "a part is there; it goes on by itself")}


async def test_it_goes_on_in_the_next_cycle_without_any_time_passing() -> None:
    with rig(shows=_SHARE) as one:
        new_file(one.school, {"name": "film.mp4"}, bytes(LARGE))
        await one.settle()
        (there,) = one.cloud.records("file")
        (file,) = one.school.records("file")
        write_body(one.school, file.anchor, b"1" * LARGE)
        _unfinished(one, there.anchor)
        report = await one.cycle()
        assert report.held == {"file:unfinished": 1}
        assert not report.failed
        assert report.again == one.clock.now
        for _ in range(3):
            await one.cycle()
        assert [(one_.rule, one_.attempts) for one_ in one.store.troubles()] == [("waits:unfinished", 0)]
        one.cloud_faults().failing = {there.anchor: ("busy", "locked for a moment")}
        await one.cycle()
        assert [trouble.attempts for trouble in one.store.troubles()] == [1], "making room was no failure"
        one.calm()
        one.pass_(minutes=6)
        report = await one.cycle()
        assert report.executed == {"file:update": 1}
        assert not one.store.troubles()
        assert one.cloud.bodies[there.anchor] == b"1" * LARGE


async def test_others_as_large_wait_with_it_and_small_ones_do_not() -> None:
    with rig(shows=_SHARE, chunk=1) as one:
        files = [new_file(one.school, {"name": f"{number}"}, bytes(LARGE)) for number in range(2)]
        await one.settle()
        there = {str(record.fields["name"]): record.anchor for record in one.cloud.records("file")}
        for file in files:
            write_body(one.school, file, b"1" * LARGE)
        new_file(one.school, {"name": "small"}, b"small")
        _unfinished(one, there["1"])  # the later one goes first
        report = await one.cycle()
        assert report.held == {"file:unfinished": 1}
        assert report.executed == {"file:create": 1}
        assert one.cloud.bodies[there["0"]] == bytes(LARGE)
        one.calm()
        await one.settle()
        assert [one.cloud.bodies[anchor] for anchor in there.values()] == [b"1" * LARGE] * 2
