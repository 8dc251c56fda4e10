"""A state that is put back from a backup, over and over, while everything else goes wrong: nothing vanishes.

While the school recovers no object goes from either side, and nobody leaves a group; every text is still somewhere.
Once a person has ended it both sides converge, as after any other trouble. ``soak.py`` says how a failing run is
replayed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from sqlalchemy import select

from bridge.core.model import Side
from bridge.core.recovery import Recovery
from bridge.ports import ConfigurationError
from bridge.state import restored
from bridge.state.database import Database
from bridge.state.tables import metadata
from tests.machines.rig import CODE, Rig
from tests.machines.soak import CHUNKS, run_machine
from tests.machines.test_bridge import Bridge, BridgeWithoutBin
from tests.machines.test_trees import Trees, TwoClouds, WithoutTombstones

Backup = Mapping[str, Sequence[Mapping[str, Any]]]


def backup(database: Database) -> Backup:
    """Every row of a state."""
    with database.read() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.sorted_tables
        }


def put_back(database: Database, kept: Backup) -> None:
    """The state as it was then."""
    with database.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
            if kept[table.name]:
                connection.execute(table.insert(), list(kept[table.name]))


class Recovering(RuleBasedStateMachine):
    """Mixed into a machine of both sides: its state is put back now and then."""

    rig: Rig
    kept: Backup | None = None

    @rule()
    def back_up(self) -> None:
        self.kept = backup(self.rig.database)

    @precondition(lambda self: self.kept is not None)
    @rule()
    def put_back(self) -> None:
        assert self.kept is not None
        put_back(self.rig.database, self.kept)
        restored.note(self.rig.database, [CODE], reason="the disk broke")
        self.seq = self.rig.store.checkpoint().seq

    @precondition(lambda self: restored.standing(self.rig.database, CODE))
    @rule()
    def end(self) -> None:
        try:
            restored.end(self.rig.database, CODE, roots=(), actor="test", reason="looked")
        except ConfigurationError as error:
            assert "not everything was read in full" in str(error)  # noqa: PT017

    def run(self, coroutine: Any) -> Any:
        recovery = self.rig.store.recovery(CODE)
        self.rig.policy = replace(self.rig.policy, recovery=recovery)
        self.rig.store.enter_stage(self.rig.policy.writable, recovery)
        before = {side: there(self.rig, side) for side in Side}
        writes = self.rig.versions()
        released = self.rig.store.released()
        try:
            return super().run(coroutine)  # type: ignore[misc]
        finally:
            if recovery is not Recovery.OVER and not released:
                for side in Side:
                    assert not before[side] - there(self.rig, side), f"gone from the {side}"
            if recovery is Recovery.COMPARING and not released:
                assert self.rig.versions() == writes, "it wrote before both sides were read in full"

    def converge(self) -> None:
        self.rig.calm()
        for _ in range(20):
            if not (rows := restored.standing(self.rig.database, CODE)):
                break
            if rows[0].whole:
                self.end()
            else:
                self.run(self.rig.cycle())
                self.rig.pass_(hours=1)
        assert not restored.standing(self.rig.database, CODE)
        super().converge()  # type: ignore[misc]


def there(rig: Rig, side: Side) -> set[tuple[str, ...]]:
    """Every object of a side, every account that may log in, and who is in which group."""
    found: set[tuple[str, ...]] = set()
    for kind in ("user", "group", "folder", "file"):
        for record in rig.side(side).records(kind):
            found.add((record.anchor,))
            if record.fields.get("enabled") is True:
                found.add((record.anchor, "enabled"))
            members = record.fields.get("members")
            found |= {(record.anchor, one) for one in members} if isinstance(members, frozenset) else set()
    return found


class RestoredTrees(Recovering, Trees):
    pass


class RestoredClouds(Recovering, TwoClouds):
    pass


class RestoredWithoutTombstones(Recovering, WithoutTombstones):
    pass


class RestoredBridge(Recovering, Bridge):
    pass


class RestoredWithoutBin(Recovering, BridgeWithoutBin):
    pass


MACHINES = [RestoredTrees, RestoredClouds, RestoredWithoutTombstones, RestoredBridge, RestoredWithoutBin]


@pytest.mark.parametrize("machine", MACHINES)
def test_restored(machine: type[Recovering]) -> None:
    run_machine(machine, settings(max_examples=5, stateful_step_count=30, derandomize=True))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("machine", MACHINES)
def test_restored_soak(machine: type[Recovering], chunk: int) -> None:
    run_machine(machine, settings(max_examples=1000 // len(CHUNKS), stateful_step_count=40), chunk=chunk)
