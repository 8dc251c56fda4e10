"""Runs of a cutover: at which step each is, what it has to remember, what became of it.

Every change names the step that it expects to find, in the transaction that moves the school's stage with it: two who
act at once, or a process that wakes up late, can't both be right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select, update

from bridge.core.changeover import Course, Step
from bridge.ports import ConfigurationError
from bridge.state import journal
from bridge.state.cutover_tables import changeover
from bridge.state.database import Database
from bridge.state.roots import BETWEEN
from bridge.state.tables import school
from bridge.state.transaction import Transaction, writing

_SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``state``: what its steps found out, by step. ``outcome``: a Course once it is over, else empty."""

    id: str
    started: datetime
    deadline: datetime
    actor: str
    step: Step
    step_at: datetime
    attempts: int = 0
    problem: str = ""
    outcome: str = ""
    ended: datetime | None = None
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def course(self) -> Course:
        """What it is for."""
        return Course(self.state.get("course", Course.CUTOVER.value))


def running(database: Database, code: str) -> Run | None:
    """The run that goes on, if one does."""
    mine = (changeover.c.school == code) & changeover.c.ended.is_(None)
    with database.read() as connection:
        row = connection.execute(select(changeover).where(mine)).first()
    return None if row is None else run_of(row)


def going_on(database: Database) -> Mapping[str, tuple[str, str, str]]:
    """School's code -> its stage, and id and step of the run that goes on (empty where none does). One query."""
    on = and_(changeover.c.school == school.c.code, changeover.c.ended.is_(None))
    query = select(school.c.code, school.c.stage, changeover.c.id, changeover.c.step).select_from(
        school.outerjoin(changeover, on)
    )
    with database.read() as connection:
        rows = connection.execute(query.where(school.c.code.not_like(f"%{BETWEEN}%")))
        return {row.code: (row.stage, row.id or "", row.step or "") for row in rows}


def past(database: Database, code: str, *, limit: int = 50) -> Sequence[Run]:
    """Those that are over, the newest first."""
    mine = (changeover.c.school == code) & changeover.c.ended.is_not(None)
    query = select(changeover).where(mine).order_by(changeover.c.started.desc()).limit(limit)
    with database.read() as connection:
        return [run_of(row) for row in connection.execute(query)]


def alone(tx: Transaction) -> None:
    """Raise ConfigurationError while a run goes on."""
    mine = (changeover.c.school == tx.school) & changeover.c.ended.is_(None)
    if other := tx.rows(select(changeover.c.step, changeover.c.started).where(mine)):
        raise ConfigurationError(
            f"{tx.school}: a run that began {other[0].started.isoformat(timespec=_SECONDS)} is at its step "
            f"'{other[0].step}'. Wait until it is over: schoolbridge cutover show {tx.school}"
        )


def begin(tx: Transaction, run: Run) -> None:
    """Begin a run. Raises ConfigurationError while another one goes on."""
    alone(tx)
    row = {
        "id": run.id, "started": run.started, "deadline": run.deadline, "actor": run.actor, "step": run.step.value,
        "step_at": run.step_at, "attempts": 0, "state": json.dumps(dict(run.state)), "problem": "", "outcome": "",
    }  # fmt: skip
    tx.add(changeover, [row])


def go_on(tx: Transaction, run: Run, step: Step, *, state: Mapping[str, Any] | None = None, problem: str = "") -> None:
    """From the step that ``run`` is at to another one; ``OVER`` ends it, its course is the outcome.

    Raises ConfigurationError where the run is not at that step any more.
    """
    told = {**run.state, **(state or {})}
    values: dict[str, Any] = {
        "step": step.value, "step_at": tx.now, "state": json.dumps(told), "problem": problem,
        "attempts": run.attempts + 1 if problem else 0,
    }  # fmt: skip
    if step is Step.OVER:
        values |= {"ended": tx.now, "outcome": Course(told.get("course", Course.CUTOVER.value)).value}
    if tx.connection.execute(update(changeover).where(_at(tx.school, run)).values(values)).rowcount != 1:
        raise ConfigurationError(
            f"{tx.school}: the run is not at its step '{run.step}' any more: somebody else acted meanwhile. Look at it "
            f"again: schoolbridge cutover show {tx.school}"
        )


def trouble(database: Database, code: str, run: Run, problem: str) -> None:
    """Note what holds a step up, unless the run went on meanwhile."""
    values = {"problem": problem[:2000], "attempts": changeover.c.attempts + 1}
    with database.write() as connection:
        connection.execute(update(changeover).where(_at(code, run)).values(values))


def reading(database: Database, code: str, run: Run) -> bool:
    """Note that both sides are read, unless the run went on; whether an earlier reading did not come to its end."""
    state = json.dumps({**run.state, "reading": True})
    with database.write() as connection:
        connection.execute(update(changeover).where(_at(code, run)).values(state=state))
    return bool(run.state.get("reading"))


def confirm(database: Database, code: str, share: str, *, actor: str, reason: str) -> None:
    """Note that a share was frozen by hand. Raises ConfigurationError where no run waits for it."""
    with writing(database, code) as tx:
        mine = (changeover.c.school == code) & changeover.c.ended.is_(None)
        rows = tx.rows(select(changeover).where(mine))
        if not rows or rows[0].step != Step.FREEZE:
            found = f"the run is at its step '{rows[0].step}'" if rows else "no run goes on"
            raise ConfigurationError(
                f"{code}: share {share}: expected a run that waits for it to be frozen, found: {found}. See: "
                f"schoolbridge cutover show {code}"
            )
        state = json.loads(rows[0].state)
        state["confirmed"] = sorted({*state.get("confirmed", ()), share})
        tx.run(update(changeover).where(mine).values(state=json.dumps(state)))
        journal.append(tx, [journal.Entry("confirm frozen", actor=actor, reason=reason, after={"share": share})])


def _at(code: str, run: Run) -> ColumnElement[bool]:
    """The row of a run while it is at that step."""
    mine = (changeover.c.school == code) & (changeover.c.id == run.id)
    return mine & (changeover.c.step == run.step.value) & changeover.c.ended.is_(None)


def run_of(row: Row[Any]) -> Run:
    """A row of the table as a run."""
    return Run(
        id=row.id, started=row.started, deadline=row.deadline, actor=row.actor, step=Step(row.step),
        step_at=row.step_at, attempts=row.attempts, problem=row.problem, outcome=row.outcome, ended=row.ended,
        state=json.loads(row.state),
    )  # fmt: skip
