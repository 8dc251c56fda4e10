"""Where a report of evidence gets its gates and runs from: the only place that knows who measures and who runs.

A gate that nobody measured is told as unknown, never left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select

from bridge.core.cutover import TRANSITIONS, Event, Gate, Stage
from bridge.settings import School
from bridge.state.cutover_tables import appointment, changeover
from bridge.state.database import Database


class Vouched(Protocol):
    """What a person said of a gate."""

    @property
    def how(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def expires(self) -> datetime | None: ...


class Standing(Protocol):
    """How a gate stands now."""

    @property
    def gate(self) -> Gate: ...
    @property
    def result(self) -> str: ...
    @property
    def expected(self) -> str: ...
    @property
    def found(self) -> str: ...
    @property
    def fix(self) -> str: ...
    @property
    def person(self) -> str: ...
    @property
    def human(self) -> bool: ...
    @property
    def measured(self) -> datetime | None: ...
    @property
    def valid_until(self) -> datetime | None: ...
    @property
    def vouched(self) -> Vouched | None: ...


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A gate of which nothing is known."""

    gate: Gate
    result: str = "unknown"
    expected: str = ""
    found: str = "never measured"
    fix: str = "run: schoolbridge readiness"
    person: str = ""
    human: bool = False
    measured: datetime | None = None
    valid_until: datetime | None = None
    vouched: Vouched | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a cutover as the state remembers it."""

    id: str
    started: datetime
    deadline: datetime
    actor: str
    step: str
    step_at: datetime
    attempts: int = 0
    problem: str = ""
    outcome: str = ""
    ended: datetime | None = None
    state: Mapping[str, Any] = field(default_factory=dict)


def standings(database: Database, school: School, stage: Stage, event: Event, now: datetime) -> Sequence[Standing]:
    """All gates of an event, in the order of the table."""
    wanted = TRANSITIONS.get((stage, event), (stage, ()))[1]
    known: dict[Gate, Standing] = {}
    if importlib.util.find_spec("bridge.daemon.readiness") is not None:
        readiness = importlib.import_module("bridge.daemon.readiness")
        measured: Iterable[Standing] = readiness.standings(database, school, stage, event, now=now)
        known = {one.gate: one for one in measured}
    return [known.get(gate) or Unmeasured(gate) for gate in wanted]


def last_run(database: Database, code: str) -> Run | None:
    """The newest run of a school."""
    columns = [column for column in changeover.c if column.name != "school"]
    query = select(*columns).where(changeover.c.school == code).order_by(changeover.c.started.desc())
    with database.read() as connection:
        row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else Run(**{**row, "state": json.loads(row["state"])})


def appointed(database: Database, code: str) -> datetime | None:
    """When the school's cutover is to begin."""
    with database.read() as connection:
        return connection.scalar(select(appointment.c.at).where(appointment.c.school == code))
