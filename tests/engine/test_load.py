"""Files and bytes that a plan sends: counted once, whatever the passes, holds, failures and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.cutover import Stage
from bridge.core.model import Operation, Side
from bridge.core.policy import Tally, Threshold, policy_for
from bridge.engine import addressed, execute
from bridge.engine.bridged import Bridged, Report
from bridge.engine.contents import LARGE
from bridge.engine.cycle import cycle
from bridge.engine.load import NOTHING, Amount, Load, Planned
from connectors.memory.contents import new_file, write_body
from tests.machines.rig import Rig, rig

_SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}


class Planning(Load):
    """Tells what every plan sends before the first operation of it."""

    plans: list[Amount]

    def plan(self, planned: Planned) -> None:
        super().plan(planned)
        self.plans = [*getattr(self, "plans", ()), self.left]


class Watching:
    """A rig whose load is kept over its cycles and looked at after every chunk."""

    def __init__(self, one: Rig) -> None:
        self.one, self.load = one, Planning()
        self.seen: list[tuple[Amount, Amount]] = []

    async def cycle(self) -> Report:
        bridged = self.one.bridged()
        bridged.load, bridged.progress = self.load, lambda *_: self.look()
        return await cycle(bridged)

    def look(self) -> None:
        """(done, done and left)."""
        done = self.load.sent.less(self.load.since) + self.load.parts
        self.seen.append((done, done + self.load.left))

    @property
    def totals(self) -> set[Amount]:
        return {total for done, total in self.seen if done.files or total.files}


@contextmanager
def watching(**settings: object) -> Iterator[Watching]:
    with rig(shows=_SHARE, chunk=2, **settings) as one:
        yield Watching(one)


async def test_the_total_stands_from_the_first_chunk_to_the_last_in_both_directions() -> None:
    with watching() as here:
        for number in range(5):
            new_file(here.one.school, {"name": f"s{number}"}, bytes(10 + number))
        new_file(here.one.cloud, {"name": "c"}, bytes(7))
        assert not here.load.known
        report = await here.cycle()
        assert report.executed == {"file:create": 6}
        assert here.load.known
        assert here.totals == {Amount(6, 60, 7)}
        assert max(done.files for done, _ in here.seen) == 6
        assert (here.load.left, here.load.sent, here.load.since) == (NOTHING, Amount(6, 60, 7), Amount(6, 60, 7))
        assert here.load.moved.files == pytest.approx(6)
        assert (here.load.moved.up, here.load.moved.down) == (60, 7)


async def test_what_waits_for_its_parent_is_counted_once_over_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.engine.cycle.BATCH", 2)
    with watching() as here:
        folder = here.one.school.create("folder", {"name": "f"})
        for number in range(3):
            new_file(here.one.school, {"name": f"{number}", "parent": folder}, bytes(10))
        new_file(here.one.school, {"name": "beside"}, bytes(10))
        resolved, refused = execute.resolved, 3

        def late(bridged: Bridged, operation: Operation, anchors: addressed.Anchors) -> Operation | None:
            nonlocal refused
            if operation.after.get("parent") is None or operation.kind != "file" or not refused:
                return resolved(bridged, operation, anchors)
            refused -= 1
            return None

        monkeypatch.setattr(execute, "resolved", late)
        report = await here.cycle()
        assert not refused
        assert not report.held
        assert here.totals == {Amount(4, 40, 0)}
        assert here.load.sent == Amount(4, 40, 0)


async def test_a_restore_that_becomes_a_creation_in_the_next_pass_is_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.engine.cycle.BATCH", 1)
    with watching() as here:
        file = new_file(here.one.school, {"name": "a"}, b"one")
        await here.one.settle()
        (there,) = here.one.cloud.records("file")
        new_file(here.one.school, {"name": "b"}, bytes(7))
        here.one.cloud.delete(there.anchor)
        write_body(here.one.school, file, b"three")
        here.one.cloud_faults().failing = {there.anchor: ("gone", "it is not in the recycle bin any more")}
        report = await here.cycle()
        assert report.executed == {"file:create": 2}
        assert here.totals == {Amount(2, 12, 0)}
        assert here.load.sent == Amount(2, 12, 0)


async def test_a_failed_file_is_left_out_until_its_time_has_come() -> None:
    with watching() as here:
        files = [new_file(here.one.school, {"name": f"{number}"}, bytes(10)) for number in range(3)]
        await here.one.settle()
        for file in files:
            write_body(here.one.school, file, bytes(20))
        there = {str(one.fields["name"]): one.anchor for one in here.one.cloud.records("file")}
        here.one.cloud_faults().failing = {there["0"]: ("quota", "the drive is full")}
        report = await here.cycle()
        assert report.failed == {"file:quota": 1}
        assert (here.load.left, here.load.sent, here.load.begun) == (NOTHING, Amount(2, 40, 0), {})
        assert Amount(3, 60, 0) in here.totals
        here.one.calm()
        here.one.pass_(hours=1)
        here.seen.clear()
        await here.cycle()
        assert here.totals == {Amount(1, 20, 0)}
        assert here.load.sent == Amount(3, 60, 0)


async def test_a_line_that_breaks_leaves_what_is_left_and_the_next_cycle_goes_on() -> None:
    with watching() as here:
        for number in range(6):
            new_file(here.one.school, {"name": f"{number}"}, bytes(10))
        here.one.cloud_faults().cut_writes = 3
        report = await here.cycle()
        assert report.error
        assert here.load.left == Amount(3, 30, 0)
        assert here.load.sent.less(here.load.since) == Amount(3, 30, 0)
        here.seen.clear()
        report = await here.cycle()
        assert not report.error
        assert here.totals == {Amount(6, 60, 0)}, "what was sent before the line broke still counts"
        assert (here.load.left, here.load.since) == (NOTHING, Amount(6, 60, 0))


async def test_a_restarted_bridge_counts_what_is_left() -> None:
    with watching() as here:
        for number in range(6):
            new_file(here.one.school, {"name": f"{number}"}, bytes(10))
        here.one.cloud_faults().cut_writes = 3
        await here.cycle()
        again = Watching(here.one)
        await again.cycle()
        assert again.totals == {Amount(3, 30, 0)}
        assert again.load.sent == Amount(3, 30, 0)


async def test_what_the_stage_or_the_guard_holds_is_in_no_total() -> None:
    with watching(policy=policy_for(Stage.REHEARSING)) as here:
        new_file(here.one.school, {"name": "a"}, bytes(10))
        report = await here.cycle()
        assert report.held
        assert here.load.known
        assert here.load.plans == [NOTHING]
    limit = {("cloud", "file", "", Tally.CREATE): Threshold(2, None)}
    with watching(policy=replace(policy_for(Stage.HYBRID), thresholds=limit)) as here:
        for number in range(3):
            new_file(here.one.school, {"name": f"s{number}"}, bytes(10))
        new_file(here.one.cloud, {"name": "c"}, bytes(7))
        report = await here.cycle()
        assert report.held == {"file:guard:create": 3}
        assert here.totals == {Amount(1, 0, 7)}
        assert here.load.plans == [Amount(1, 0, 7)]


async def test_a_large_file_that_made_room_stays_counted_with_what_is_there_of_it() -> None:
    with watching() as here:
        file = new_file(here.one.school, {"name": "film"}, bytes(LARGE))
        await here.one.settle()
        (there,) = here.one.cloud.records("file")
        write_body(here.one.school, file, b"1" * LARGE)
        here.one.cloud_faults().failing = {there.anchor: ("unfinished", "a part is there; it goes on by itself")}
        await here.cycle()
        assert here.load.sent == NOTHING
        assert here.load.left.files == 1
        assert here.load.left.bytes + here.load.parts.bytes == LARGE
        moved = here.load.moved
        here.one.calm()
        await here.cycle()
        assert (here.load.left, here.load.sent, here.load.begun) == (NOTHING, Amount(1, LARGE, 0), {})
        assert here.load.moved.bytes == max(moved.bytes, LARGE), "what is read again is no more work"
        assert here.load.moved.files == pytest.approx(1)


def test_half_a_file_is_half_done_and_reading_it_again_is_not_more() -> None:
    load, film = Load(ahead=Amount(1, 100, 0)), Amount(1, 100, 0)
    load.batch(film)
    for offset in (50, 20):
        load.read("film", offset, film)
    assert (load.parts, load.left) == (Amount(0, 50, 0), Amount(1, 50, 0))
    assert load.moved == Amount(0.5, 50, 0)
    load.read("film", 400, film)  # it grew while it was read
    assert load.left == Amount(1, 0, 0)
    load.begun["other"] = film
    load.drop("other", film)
    assert load.begun == {"film": Amount(0, 100, 0)}
    load.open = film
    load.write("film", film)
    assert (load.sent, load.left, load.parts, load.moved) == (film, NOTHING, NOTHING, Amount(1, 100, 0))


@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "drop", "wait", "put_off", "nothing"]), st.integers(0, 99)), max_size=30
    ),
    st.integers(0, 5),
)
def test_done_and_left_together_never_grow_in_a_pass(steps: list[tuple[str, int]], unmet: int) -> None:
    amounts = [Amount(1, size, 0) for _, size in steps]
    whole = Amount(len(steps) + unmet, sum(one.up for one in amounts) + unmet, 0)
    load = Load(known=True, ahead=whole)
    load.batch(Amount(len(steps), whole.up - unmet, 0))
    for number, ((step, size), amount) in enumerate(zip(steps, amounts, strict=True)):
        load.read(f"{number}", size // 2, amount)
        if step in {"write", "drop"}:
            getattr(load, step)(f"{number}", amount)
        elif step != "nothing":
            getattr(load, step)(amount)
        together = load.sent + load.left + load.parts
        assert together.files + sum(name == "drop" for name, _ in steps[: number + 1]) == whole.files
        assert together.up <= whole.up
    load.next_pass()
    kept = sum(name in {"wait", "put_off"} for name, _ in steps)
    assert load.left.files == kept
