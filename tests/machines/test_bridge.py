"""The whole bridge under everything that goes wrong: real engine, real store, two memory connectors with faults.

Whatever happened, once the faults stop: both sides converge, nobody is there twice, no text that
somebody wrote is lost, the school's people were never written, more cycles write nothing, and the journal verifies.
``soak.py`` says how a failing run is replayed alone.
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
from bridge.core.model import Side, Value
from bridge.core.policy import UNLIMITED, Tally, policy_for
from tests.core.people import FILES, NAMES, PEOPLE, Edit, do
from tests.machines.rig import CODE, Rig
from tests.machines.soak import CHUNKS, run_machine

_FREE = policy_for(Stage.HYBRID, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})
_SIDES = st.sampled_from(tuple(Side))
_SMALL = st.integers(0, 7)
#: What of a person has to be equal on both sides.
_COMPARED = ("display_name", "enabled", "members")


class Killed(BaseException):
    """kill -9, between two calls of the store."""


class Dying:
    """A store whose process is killed before its n-th writing call."""

    _WRITING = frozenset(
        {
            "fold",
            "pair",
            "record",
            "intend",
            "trouble",
            "quiet",
            "reserve",
            "spoil",
            "postpone",
            "drop_token",
            "mean",
            "bind",
            "resolve",
            "drifted",
        }
    )

    def __init__(self, store: Any, lives: int) -> None:
        self._store, self._lives = store, lives

    def __getattr__(self, name: str) -> Any:
        if name in self._WRITING:
            self._lives -= 1
            if self._lives < 0:
                raise Killed
        return getattr(self._store, name)


class Bridge(RuleBasedStateMachine):
    """People and faults on both sides of a bridge."""

    options: dict[str, object] = {}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(policy=_FREE, page_size=3, **self.options)
        self.loop = asyncio.new_event_loop()
        self.written: set[Value] = set()
        self.number = 0

    def teardown(self) -> None:
        try:
            self.converge()
        finally:
            self.rig.close()
            self.loop.close()

    # --- people -----------------------------------------------------------------------------------------------------

    @rule(side=_SIDES, verb=st.sampled_from(FILES), one=_SMALL, two=_SMALL, name=st.sampled_from(NAMES))
    def work_on_files(self, side: Side, verb: str, one: int, two: int, name: str) -> None:
        before = self.contents(side)
        self.number += 1
        do(self.rig.side(side), Edit(side, verb, one, two, name), stamp="text", number=self.number)
        after = self.contents(side)
        # Whoever overwrites or deletes a text does so knowingly; a restored one is no new text.
        self.written |= {
            text for text in after - before if str(getattr(text, "value", "")) == f"{side.value}{self.number}"
        }
        self.written -= before - after

    @rule(side=_SIDES, verb=st.sampled_from(PEOPLE), one=_SMALL, two=_SMALL, name=st.sampled_from(NAMES))
    def work_on_people(self, side: Side, verb: str, one: int, two: int, name: str) -> None:
        self.number += 1
        do(self.rig.side(side), Edit(side, verb, one, two, name), stamp="text", number=self.number)

    @rule(days=st.sampled_from([0.1, 1, 8, 31]))
    def wait(self, days: float) -> None:
        self.rig.pass_(days=days)

    # --- the bridge -------------------------------------------------------------------------------------------------

    @rule()
    def cycle(self) -> None:
        self.run(self.rig.cycle())

    @rule(lives=st.integers(0, 12))
    def killed(self, lives: int) -> None:
        dying: Any = Dying(self.rig.database.school(CODE, KINDS), lives)
        try:
            self.run(self.rig.cycle(dying))
        except Killed:
            return

    @precondition(lambda self: self.rig.store.troubles())
    @rule()
    def release(self) -> None:
        self.release_all()

    # --- faults -----------------------------------------------------------------------------------------------------

    @rule(
        side=_SIDES,
        fault=st.sampled_from(
            ["unreachable", "lost_token", "incomplete", "cut_pages", "cut_writes", "lost_responses", "stale", "replay"]
        ),
        number=st.integers(1, 5),
    )
    def fault(self, side: Side, fault: str, number: int) -> None:
        setattr(self.rig.connectors[side].faults, fault, number)

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
        before = self.rig.people(Side.SCHOOL, _COMPARED)
        cloud = set(self.rig.people(Side.CLOUD, ()))
        try:
            return self.loop.run_until_complete(coroutine)
        finally:
            assert self.rig.people(Side.SCHOOL, _COMPARED) == before, "the bridge wrote to the school's people"
            lost = cloud - set(self.rig.people(Side.CLOUD, ()))
            # Who withdrew the consent is disabled, and deleted when the period is over (docs/concepts).
            living = {anchor for anchor in before if self.consents(anchor)}
            assert not lost & living, f"{lost & living} live at the school and were deleted in the cloud"

    def consents(self, anchor: str) -> bool:
        record = self.rig.record(Side.SCHOOL, anchor)
        return record is None or record.fields.get("consent") is not False

    def contents(self, side: Side) -> set[Value]:
        return {content for content in self.rig.tree(side).values() if content is not None}

    def release_all(self) -> None:
        for trouble in self.rig.store.troubles():
            self.rig.store.release(trouble.link, actor="test", reason="checked")

    def converge(self) -> None:
        rig = self.rig
        rig.calm()
        for _ in range(30):
            report = self.run(rig.cycle())
            assert not report.error, report.error
            # What was held in an earlier cycle is not told again, but a person still has to let it go.
            if not (report.executed or report.noted or report.failed or rig.store.troubles()):
                break
            self.release_all()
            rig.pass_(days=2)
        rig.pass_(days=40)
        for _ in range(5):
            self.run(rig.cycle())
            self.release_all()
        self.check()
        before = rig.versions()
        for _ in range(10):
            rig.pass_(hours=1)
            report = self.run(rig.cycle())
        assert rig.versions() == before, f"a quiet bridge wrote: {report.counts()}"
        assert rig.store.verify().ok

    def check(self) -> None:
        rig = self.rig
        assert rig.tree(Side.SCHOOL) == rig.tree(Side.CLOUD), (rig.store.troubles(), rig.last and rig.last.messages)
        assert self.written <= self.contents(Side.SCHOOL), "a text that somebody wrote is gone"
        school, cloud = rig.people(Side.SCHOOL, _COMPARED), rig.people(Side.CLOUD, _COMPARED)
        for anchor, fields in school.items():
            record = rig.record(Side.SCHOOL, anchor) or rig.record(Side.SCHOOL, anchor, kind="group")
            assert record is not None
            allowed = record.fields.get("enabled") is not False and record.fields.get("consent") is not False
            assert anchor in cloud or (record.kind == "user" and not allowed), (
                f"{anchor} has no account: {rig.store.troubles()}"
            )
            if anchor not in cloud:
                continue
            for name in ("display_name", "enabled"):
                assert cloud[anchor][name] == fields[name], (anchor, name, rig.store.troubles())
            wanted, found = fields["members"] or frozenset(), cloud[anchor]["members"] or frozenset()
            assert isinstance(wanted, frozenset)
            assert isinstance(found, frozenset)
            # Whom the school does not know is not its to remove.
            assert found & set(school) == wanted & set(cloud), (anchor, "members")
        # Who was made by people in the cloud bears their mark; whoever the bridge agreed on has left with his account.
        # One whose creation was never confirmed before he left stays: the bridge deletes nobody it never agreed on.
        for anchor in cloud.keys() - school.keys():
            ids = [one.link for one in rig.store.find(anchor) if one.link]
            agreed = [
                link for link in rig.store.links(ids) if link.agreed is not None and link.cloud.record is not None
            ]
            assert anchor[1:].startswith("cloud") or not agreed, f"{anchor} left the school and lives on in the cloud"


class BridgeOfDifferences(Bridge):
    """The same over sides that tell differences, forget to list what is deleted, and have no recycle bin."""

    options = {"differences": True, "lists_deleted": False}  # noqa: RUF012


class BridgeWithoutBin(Bridge):
    options = {"recycle_bin": False}  # noqa: RUF012


MACHINES = (Bridge, BridgeOfDifferences, BridgeWithoutBin)


@pytest.mark.parametrize("machine", MACHINES)
def test_bridge(machine: type[Bridge]) -> None:
    run_machine(machine, settings(max_examples=8, stateful_step_count=30, derandomize=True))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("machine", MACHINES)
def test_bridge_soak(machine: type[Bridge], chunk: int) -> None:
    run_machine(machine, settings(max_examples=600 // len(CHUNKS), stateful_step_count=40), chunk=chunk)
