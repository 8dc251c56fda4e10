"""People whom the cloud owns, under everything that goes wrong: made there, changed on both sides, gone and back.

Whatever happened, once the faults stop: nobody is at the school twice, whoever is claimed and enabled in the cloud is
there and looks alike, nothing of the cloud's people but the mark was written, and more cycles write nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from bridge.core.cutover import Stage
from bridge.core.model import Record, Side, Value
from bridge.core.policy import UNLIMITED, Tally, policy_for
from connectors.memory import MemorySide, Rejected
from tests.core.people import NAMES, PEOPLE, Edit, do, pick
from tests.machines.soak import CHUNKS, run_machine
from tests.machines.test_bridge import Bridge

_SOAKING = policy_for(Stage.SOAKING, thresholds={("*", "*", "*", tally): UNLIMITED for tally in Tally})
_SMALL = st.integers(0, 7)
_OWNED = ("display_name", "enabled", "members", "licenses")
_ALIKE = ("display_name", "enabled")


class Writeback(Bridge):
    """The same school after it was cut over. Files go on as ever."""

    def __init__(self) -> None:
        super().__init__()
        self.rig.policy = _SOAKING

    # --- people -----------------------------------------------------------------------------------------------------

    @rule(side=st.sampled_from(tuple(Side)), verb=st.sampled_from(PEOPLE), one=_SMALL, two=_SMALL,
          name=st.sampled_from(NAMES))  # fmt: skip
    def work_on_people(self, side: Side, verb: str, one: int, two: int, name: str) -> None:
        self.number += 1
        there = self.rig.side(side)
        if side is Side.CLOUD and verb in {"new_user", "new_group"}:
            self.born(there, verb, two, name)
            return
        do(there, Edit(side, verb, one, two, name), stamp="text", number=self.number)

    def born(self, cloud: MemorySide, verb: str, two: int, name: str) -> None:
        """Somebody made in the cloud, claimed or not; the bridge has to give him an anchor."""
        fields: dict[str, Value] = {"display_name": f"{name} {self.number}", "belongs": two % 4 != 0}
        if verb == "new_user":
            fields |= {"enabled": two % 3 != 0, "upn": f"{'ab'[two % 2]}@{self.number}.example"}
            cloud.create("user", fields)
            return
        member = pick(cloud, two, "user")
        fields |= {"mail_nickname": f"g{self.number}", "members": frozenset({member.anchor} if member else ())}
        with suppress(Rejected):
            cloud.create("group", fields)

    # --- what must hold ---------------------------------------------------------------------------------------------

    def run(self, coroutine: Any) -> Any:
        before = self.owned()
        try:
            return self.loop.run_until_complete(coroutine)
        finally:
            assert self.owned() == before, "the bridge wrote to the cloud's people"

    def owned(self) -> dict[str, tuple[Value, ...]]:
        return {
            record.anchor: tuple(record.fields.get(name) for name in _OWNED)
            for kind in ("user", "group")
            for record in self.rig.cloud.records(kind)
        }

    def check(self) -> None:
        rig = self.rig
        assert rig.tree(Side.SCHOOL) == rig.tree(Side.CLOUD), (rig.store.troubles(), rig.last and rig.last.messages)
        assert self.written <= self.contents(Side.SCHOOL), "a text that somebody wrote is gone"
        twins = self.twins()
        for kind in ("user", "group"):
            for record in rig.cloud.records(kind):
                known = self.linked(record)
                wanted = record.fields.get("belongs") is True and record.fields.get("enabled") is not False
                assert record.anchor in twins or not wanted, f"{kind} {record.anchor} is not at the school"
                if record.anchor not in twins:
                    continue
                assert record.fields.get("belongs") is not False, f"{record.anchor} belongs to another school"
                own = twins[record.anchor]
                for name in _ALIKE:
                    assert own.fields.get(name) == record.fields.get(name), (name, own, record)
                assert self.people_of(Side.CLOUD, record) == self.people_of(Side.SCHOOL, own), (own, record)
                assert known, f"{record.anchor} has a twin and no link"
        logins = [str(one.fields["login"]) for one in rig.school.records("user") if one.fields.get("login")]
        assert len(set(logins)) == len(logins), logins

    def linked(self, record: Record) -> str | None:
        found = self.rig.store.find(record.anchor)
        return next((one.link for one in found if one.anchor == record.anchor), None)

    def twins(self) -> dict[str, Record]:
        """Cloud anchor -> the record at the school of the same link. AssertionError when an anchor is there twice."""
        by_key: dict[str, Record] = {}
        for kind in ("user", "group"):
            for record in self.rig.school.records(kind):
                key = str(record.fields.get("source_anchor"))
                assert key not in by_key, f"{key} is at the school twice"
                by_key[key] = record
        found: dict[str, Record] = {}
        for kind in ("user", "group"):
            for record in self.rig.cloud.records(kind):
                key = str(record.fields.get("source_anchor") or record.anchor)
                if key in by_key:
                    found[record.anchor] = by_key[key]
        return found

    def people_of(self, side: Side, group: Record) -> frozenset[str]:
        """Members whom both sides have, as anchors of the cloud."""
        twins = self.twins()
        back = {record.anchor: cloud for cloud, record in twins.items()}
        value = group.fields.get("members")
        members = value if isinstance(value, frozenset) else frozenset()
        if side is Side.CLOUD:
            return frozenset(one for one in members if one in twins and self.rig.cloud.record(one))
        return frozenset(back[one] for one in members if one in back)


class WritebackOfDifferences(Writeback):
    options = {"differences": True, "lists_deleted": False}  # noqa: RUF012


class WritebackWithoutBin(Writeback):
    options = {"recycle_bin": False}  # noqa: RUF012


MACHINES = (Writeback, WritebackOfDifferences, WritebackWithoutBin)


@pytest.mark.parametrize("machine", MACHINES)
def test_writeback(machine: type[Writeback]) -> None:
    run_machine(machine, settings(max_examples=8, stateful_step_count=30, derandomize=True))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("machine", MACHINES)
def test_writeback_soak(machine: type[Writeback], chunk: int) -> None:
    run_machine(machine, settings(max_examples=600 // len(CHUNKS), stateful_step_count=40), chunk=chunk)
