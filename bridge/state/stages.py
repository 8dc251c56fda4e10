"""To move a school from one stage to the next, in a transaction that is open already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from bridge.core.cutover import Stage
from bridge.ports import ConfigurationError
from bridge.state import journal
from bridge.state.tables import school
from bridge.state.transaction import Transaction


def stage_of(connection: Connection, code: str) -> Stage | None:
    """Where a school stands; None for one that was never met."""
    found = connection.scalar(select(school.c.stage).where(school.c.code == code))
    return None if found is None else Stage(found)


def expect(tx: Transaction, stage: str | None) -> str:
    """Where the school stands. Raises ConfigurationError where that is not ``stage``, if one is given."""
    before = str(tx.rows(select(school.c.stage).where(school.c.code == tx.school))[0].stage)
    if stage is not None and before != stage:
        raise ConfigurationError(
            f"{tx.school}: the school is {before} now, no longer {stage}: somebody else moved it meanwhile. Look at "
            f"it again: schoolbridge stage {tx.school}"
        )
    return before


def move(
    tx: Transaction,
    stage: str,
    *,
    event: str,
    actor: str,
    reason: str,
    expected: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Move it and journal it. Raises ConfigurationError where it is not in the stage that was ``expected``.

    ``more`` goes into the journal's row beside the stage.
    """
    before = expect(tx, expected)
    tx.run(update(school).where(school.c.code == tx.school).values(stage=stage, stage_since=tx.now))
    after = {"stage": stage, **(more or {})}
    moved = journal.Entry("stage", actor=actor, reason=f"{event}: {reason}", before={"stage": before}, after=after)
    journal.append(tx, [moved])
