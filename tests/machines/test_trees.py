"""Two trees with real bytes, people on both sides, and everything going wrong: the invariants I1 to I12.

``soak.py`` says how many cases there are and how a failing one is replayed alone. The same steps always give the same
run (``test_the_same_steps_give_the_same_journal``).

I1 convergence: ``check``. I2 nothing lost: ``nothing_lost`` after each cycle, ``check`` at the end. I3 idempotence and
I4 termination: ``converge``. I5 order: ``disorder``, ``batch``, and ``test_tree_properties``. I6 crashes: ``killed``,
and ``test_fault_points``. I7 evidence of deletions: ``deleted_with_evidence``. I8 an edit beats a delete: ``written``.
I9 equal content never conflicts: ``parted_with_reason``. I10 to I12: ``test_tree_properties``.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.core.policy import UNLIMITED, Tally, policy_for
from bridge.engine import cycle as engine_cycle
from bridge.state.journal import Entry
from connectors.memory import MemorySide, State
from connectors.memory.contents import MARK
from tests.machines.rig import CODE, Rig
from tests.machines.soak import CHUNKS, run_machine
from tests.machines.test_bridge import Dying, Killed
from tests.machines.tree_work import NAMES, VERBS, Work, do

_FREE = policy_for(Stage.HYBRID, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})
_SIDES = st.sampled_from(tuple(Side))
_SMALL = st.integers(0, 7)
#: A few texts are written more than once, also on both sides: equal content must not conflict.
_BODIES = st.one_of(st.none(), st.sampled_from([b"same 01", b"same 02", b""]))
SHARE = {Side.SCHOOL: "unread", Side.CLOUD: "digest"}
SHARES = {Side.SCHOOL: "unread", Side.CLOUD: "unread"}
CLOUDS = {Side.SCHOOL: "digest", Side.CLOUD: "digest"}


class Trees(RuleBasedStateMachine):
    """People and faults on both sides of a mirrored root."""

    shows = SHARE
    batch = 500
    rewrites: tuple[str, ...] = ()
    options: dict[str, object] = {}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(policy=_FREE, page_size=3, shows=self.shows, kinds=("folder", "file"), **self.options)
        self.rig.threads = False
        self.rig.cloud_faults().rewrites = self.rewrites
        self.loop = asyncio.new_event_loop()
        self.written: set[bytes] = set()
        self.number = 0
        self.seq = 0

    def teardown(self) -> None:
        try:
            self.converge()
        finally:
            self.rig.close()
            self.loop.close()

    # --- people -----------------------------------------------------------------------------------------------------

    @rule(
        side=_SIDES, verb=st.sampled_from(sorted(VERBS)), one=_SMALL, two=_SMALL, name=st.sampled_from(NAMES),
        body=_BODIES,
    )  # fmt: skip
    def work(self, side: Side, verb: str, one: int, two: int, name: str, body: bytes | None) -> None:
        self.number += 1
        text = body if body is not None else f"{side.value} {self.number:03}".encode()
        before = current(self.rig.side(side))
        do(self.rig.side(side), Work(verb, one, two, name, text, self.stamp()))
        after = current(self.rig.side(side))
        # Whoever overwrites or deletes a text does so knowingly; a restored one is no new text.
        # A text that is written again may be the one that both sides had: then it was no change.
        fresh = {one for one in after - before if text in one} if body is None else set()
        self.written |= fresh if verb != "restore" else set()
        self.written -= before - after

    def stamp(self) -> str:
        return f"{self.rig.clock.now:%Y-%m-%dT%H:%M:%SZ}"

    @rule(hours=st.sampled_from([-3, 0.01, 1, 24, 800]))
    def clock_jumps(self, hours: float) -> None:
        self.rig.pass_(hours=hours)

    # --- the bridge -------------------------------------------------------------------------------------------------

    @rule()
    def cycle(self) -> None:
        self.run(self.rig.cycle())

    @rule(lives=st.integers(0, 40))
    def killed(self, lives: int) -> None:
        dying: Any = Dying(self.rig.database.school(CODE, KINDS), lives)
        try:
            self.run(self.rig.cycle(dying))
        except Killed:
            return

    @precondition(lambda self: self.rig.store.troubles())
    @rule()
    def release(self) -> None:
        for trouble in self.rig.store.troubles():
            self.rig.store.release(trouble.link, actor="test", reason="checked")

    # --- faults -----------------------------------------------------------------------------------------------------

    @rule(
        side=_SIDES,
        fault=st.sampled_from(
            [
                "unreachable",
                "lost_token",
                "incomplete",
                "cut_pages",
                "cut_writes",
                "cut_answers",
                "lost_responses",
                "stale",
                "replay",
                "changing",
            ]
        ),
        number=st.integers(1, 5),
    )
    def fault(self, side: Side, fault: str, number: int) -> None:
        setattr(self.rig.connectors[side].faults, fault, number)

    @rule(side=_SIDES)
    def list_incompletely(self, side: Side) -> None:
        self.rig.side(side).expire_tokens()
        self.rig.connectors[side].faults.incomplete = 1

    @rule(side=_SIDES, one=_SMALL)
    def busy(self, side: Side, one: int) -> None:
        there = [record.anchor for record in self.rig.side(side).records("file")]
        self.rig.connectors[side].faults.busy = {there[one % len(there)]} if there else set()

    @rule(side=_SIDES, duplicate=st.booleans(), shuffle=st.one_of(st.none(), st.integers(0, 9)))
    def disorder(self, side: Side, duplicate: bool, shuffle: int | None) -> None:
        faults = self.rig.connectors[side].faults
        faults.duplicate = duplicate
        faults.shuffle = None if shuffle is None else Random(shuffle)

    @rule(side=_SIDES)
    def expire(self, side: Side) -> None:
        self.rig.side(side).expire_tokens()

    # --- what must hold ---------------------------------------------------------------------------------------------

    def run(self, coroutine: Any) -> Any:
        before = {side: current(self.rig.side(side)) for side in Side}
        gone = {
            side: {one for one in self.rig.side(side).entries if not self.rig.side(side).record(one)} for side in Side
        }
        engine_cycle.BATCH, whole = self.batch, engine_cycle.BATCH
        try:
            return self.loop.run_until_complete(coroutine)
        finally:
            engine_cycle.BATCH = whole
            for side in Side:
                # Somebody wrote a file while it was read: what was there before he overwrote himself.
                gone_over = self.rig.connectors[side].traffic.overwritten
                self.written = self.written - gone_over | {body + b" and more" for body in gone_over & self.written}
                before = {one: texts - gone_over for one, texts in before.items()}
                gone_over.clear()
            self.nothing_lost(before)
            for entry in list(self.rig.store.journal(after=self.seq)):
                self.seq = entry.seq
                self.deleted_with_evidence(entry.entry, gone)
                self.parted_with_reason(entry.entry)

    def nothing_lost(self, before: dict[Side, set[bytes]]) -> None:
        """I2: what was on a side before a cycle is after it on either side, or in that side's trash."""
        now = {side: current(self.rig.side(side)) for side in Side}
        for side in Side:
            lost = before[side] - now[side] - now[side.other] - trashed(self.rig.side(side))
            assert not lost, f"lost at the {side}: {lost}"

    def deleted_with_evidence(self, one: Entry, gone: dict[Side, set[str]]) -> None:
        """I7: the bridge deletes on one side only what people had removed from the other."""
        if one.action != "delete":
            return
        side = Side(one.side)
        for link in self.rig.store.links([one.link]):
            other = link.end(side.other).anchor
            assert other in gone[side.other], f"{one.anchor} was deleted without evidence"

    def parted_with_reason(self, one: Entry) -> None:
        """I9: what has the same bytes on both sides is never called a conflict."""
        if one.action != "detach":
            return
        side = Side(one.side)
        copy = self.rig.side(side).bodies[one.anchor].removesuffix(MARK)
        for link in self.rig.store.links([one.link]):
            other = self.rig.side(side.other).bodies.get(link.end(side.other).anchor or "", b"(none)")
            assert other.removesuffix(MARK) != copy, f"{one.anchor} holds what the other side holds: {copy!r}"

    def converge(self) -> None:
        rig = self.rig
        rig.calm()
        rig.cloud_faults().rewrites = self.rewrites
        quiet = 0
        for _ in range(30):
            report = self.run(rig.cycle())
            assert not report.error, report.error
            busy = report.executed or report.noted or report.failed or report.held or rig.store.troubles()
            # Twice: what a replica may not have known yet is believed only when it has had its time.
            quiet = 0 if busy else quiet + 1
            if quiet == 2:
                break
            for trouble in rig.store.troubles():
                rig.store.release(trouble.link, actor="test", reason="checked")
            rig.pass_(hours=25)
        assert quiet == 2, f"it does not end: {report.counts()} {report.messages}"
        self.check()
        before = rig.versions(), rig.sent()
        for _ in range(3):
            rig.pass_(hours=1)
            self.run(rig.cycle())
        assert (rig.versions(), rig.sent()) == before, "a quiet bridge wrote"
        assert rig.store.verify().ok

    def check(self) -> None:
        rig = self.rig
        school, cloud = rig.tree(Side.SCHOOL), rig.tree(Side.CLOUD)
        assert school == cloud, (rig.store.troubles(), rig.last and rig.last.messages)
        lost = self.written - {body for body in school.values() if isinstance(body, bytes)}
        assert not lost, f"somebody's text is not where people look: {lost}"


def current(side: MemorySide) -> set[bytes]:
    """The texts of all files that are there."""
    return {side.bodies[record.anchor].removesuffix(MARK) for record in side.records("file")}


def trashed(side: MemorySide) -> set[bytes]:
    """The texts in the recycle bin, and those that the bridge overwrote."""
    binned = {body for anchor, body in side.bodies.items() if side.state(anchor) is State.DELETED}
    return {body.removesuffix(MARK) for body in (*binned, *side.kept)}


class TwoShares(Trees):
    shows = SHARES
    batch = 3


class TwoClouds(Trees):
    shows = CLOUDS
    options = {"differences": True}  # noqa: RUF012


class Rewriting(Trees):
    rewrites = (".docx", ".txt")
    batch = 3


class WithoutTombstones(Trees):
    """Listings don't tell what was deleted: after a lost token it is only missing."""

    options = {"lists_deleted": False}  # noqa: RUF012


MACHINES = [Trees, TwoShares, TwoClouds, Rewriting, WithoutTombstones]


@pytest.mark.parametrize("machine", MACHINES)
def test_trees(machine: type[Trees]) -> None:
    run_machine(machine, settings(max_examples=8, stateful_step_count=25, derandomize=True))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("machine", MACHINES)
def test_trees_soak(machine: type[Trees], chunk: int) -> None:
    run_machine(machine, settings(max_examples=2000 // len(CHUNKS), stateful_step_count=20), chunk=chunk)
