"""When a school is to begin its cutover. Each change is in the journal; what became of an appointment, too.

An appointment is good for one attempt: ``conclude`` takes it away and says how it ended, in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import delete, func, select

from bridge.core.cutover import Stage
from bridge.core.kinds import Kind
from bridge.core.waves import THROUGH, Place
from bridge.state import journal
from bridge.state.columns import UtcTime
from bridge.state.cutover_tables import appointment as table
from bridge.state.cutover_tables import changeover
from bridge.state.database import Database
from bridge.state.fleet_tables import lease
from bridge.state.tables import school
from bridge.state.transaction import Transaction, writing

ACTION = "appointment"
#: Outcomes of runs. Every other one counts against the wave.
_SWITCHED, _REHEARSED = "switched", "rehearsed"


@dataclass(frozen=True, slots=True)
class Appointment:
    """When, by whom, why, and when it was made."""

    school: str
    at: datetime
    actor: str
    reason: str
    made: datetime


class Outcome(StrEnum):
    """What became of an appointment."""

    MADE = "made"
    MOVED = "moved"
    CANCELLED = "cancelled"
    STARTED = "started"
    REFUSED = "refused"
    MISSED = "missed"


def appoint(
    database: Database, code: str, kinds: Mapping[str, Kind], at: datetime, *, actor: str, reason: str
) -> Appointment:
    """Make an appointment, in place of one that is there."""
    with writing(database, code, kinds) as tx:
        before = _found(tx)
        one = Appointment(code, at, actor, reason, tx.now)
        tx.put(table, [{"at": at, "actor": actor, "reason": reason, "made": tx.now}])
        outcome = Outcome.MOVED if before else Outcome.MADE
        _note(tx, outcome, actor=actor, reason=reason, before=before, after=one)
        return one


def cancel(database: Database, code: str, kinds: Mapping[str, Kind], *, actor: str, reason: str) -> Appointment | None:
    """Take an appointment away; None where there is none."""
    return _end(database, code, kinds, Outcome.CANCELLED, actor=actor, reason=reason, of=None, cause="")


def conclude(
    database: Database, of: Appointment, kinds: Mapping[str, Kind], outcome: Outcome, *, reason: str, cause: str = ""
) -> Appointment | None:
    """An appointment came to its end; None where it is another one by now. ``cause``: in one word of the bridge."""
    return _end(database, of.school, kinds, outcome, actor="bridge", reason=reason, of=of, cause=cause)


def _end(
    database: Database,
    code: str,
    kinds: Mapping[str, Kind],
    outcome: Outcome,
    *,
    actor: str,
    reason: str,
    of: Appointment | None,
    cause: str,
) -> Appointment | None:
    with writing(database, code, kinds) as tx:
        before = _found(tx)
        if before is None or (of is not None and before != of):
            return None
        tx.run(delete(table).where(table.c.school == code))
        _note(tx, outcome, actor=actor, reason=reason, before=before, cause=cause)
        return before


def appointment(database: Database, code: str) -> Appointment | None:
    """The appointment of a school."""
    with database.read() as connection:
        return _found(Transaction(connection, code, {}, database.clock()))


def appointments(database: Database) -> Mapping[str, Appointment]:
    """All of them, by school."""
    with database.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.at, table.c.school))
        return {row.school: Appointment(row.school, row.at, row.actor, row.reason, row.made) for row in rows}


def stray(database: Database, known: Collection[str]) -> list[Appointment]:
    """Those of schools that nobody looks after: none of ``known``, and no daemon that shares the state holds them."""
    with database.read() as connection:
        held = set(connection.scalars(select(lease.c.school).where(lease.c.owner != "")))
    return [one for code, one in appointments(database).items() if code not in known and code not in held]


def begun(database: Database, code: str) -> datetime | None:
    """When the last run of a school began, over or not; None when there was none."""
    last = select(func.max(changeover.c.started, type_=UtcTime)).where(changeover.c.school == code)
    with database.read() as connection:
        found: datetime | None = connection.scalar(last)
        return found


@dataclass(frozen=True, slots=True)
class Going:
    """A run of a cutover that goes on. ``held_up``: its step met a problem."""

    school: str
    stage: Stage
    started: datetime
    deadline: datetime
    held_up: bool


def going(database: Database) -> list[Going]:
    """All runs that go on."""
    of = changeover.c
    columns = (of.school, school.c.stage, of.started, of.deadline, of.problem)
    query = select(*columns).join(school, school.c.code == of.school).where(of.ended.is_(None))
    with database.read() as connection:
        rows = connection.execute(query.order_by(of.school)).all()
    return [Going(row.school, Stage(row.stage), row.started, row.deadline, bool(row.problem)) for row in rows]


def places(database: Database) -> Mapping[str, Place]:
    """Where every school stands, as far as the order of waves is concerned.

    Through since its last run that switched; a run that did not, and was no rehearsal, failed.
    """
    over = changeover.c.ended.is_not(None)
    runs = select(changeover.c.school, changeover.c.outcome).where(over, changeover.c.outcome != _REHEARSED)
    when = select(changeover.c.school, func.max(changeover.c.ended, type_=UtcTime)).group_by(changeover.c.school)
    with database.read() as connection:
        schools = connection.execute(select(school.c.code, school.c.stage, school.c.stage_since)).all()
        last = {row[0]: row[1] for row in connection.execute(runs.order_by(changeover.c.started))}
        done = when.where(over, changeover.c.outcome == _SWITCHED)
        switched = {row[0]: row[1] for row in connection.execute(done)}
    return {
        code: Place(
            Stage(stage),
            moved=switched.get(code, since) if Stage(stage) in THROUGH else None,
            failed=last.get(code, _SWITCHED) != _SWITCHED,
        )
        for code, stage, since in schools
    }


def _found(tx: Transaction) -> Appointment | None:
    rows = tx.rows(select(table).where(table.c.school == tx.school))
    return Appointment(tx.school, rows[0].at, rows[0].actor, rows[0].reason, rows[0].made) if rows else None


def _note(
    tx: Transaction,
    outcome: Outcome,
    *,
    actor: str,
    reason: str,
    before: Appointment | None,
    after: Appointment | None = None,
    cause: str = "",
) -> None:
    entry = journal.Entry(
        ACTION,
        actor=actor,
        reason=reason,
        before={"at": _text(before.at)} if before else {},
        after={**({"at": _text(after.at)} if after else {}), **({"cause": cause} if cause else {})},
        outcome=outcome.value,
    )
    journal.append(tx, [entry])


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
