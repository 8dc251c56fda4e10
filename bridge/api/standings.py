"""The cutover of a school as views: what may happen next, which gates stand before it, what runs and what ran."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import select

from bridge.api import models
from bridge.api.source import Unknown
from bridge.core.changeover import steps
from bridge.core.cutover import Event, Gate, Illegal, Stage, events, gates
from bridge.core.gates import Standing
from bridge.daemon import readiness
from bridge.daemon.changeover import unconfirmed
from bridge.settings import School
from bridge.state.approvals import APPROVERS, approvals
from bridge.state.changeover import Run, past, running
from bridge.state.cutover_tables import appointment
from bridge.state.database import Database
from bridge.state.stages import stage_of

_HIDDEN = "held up; what by is told to who may see the names of the school, and by: schoolbridge cutover show"


def gates_of(
    database: Database, school: School, stage: Stage, event: Event, now: datetime, *, names: bool = False
) -> list[models.GateView]:
    """The gates of an event in a stage; Unknown where the stage does not know the event.

    ``names``: with the reasons that people typed, which may name somebody.
    """
    try:
        gates(stage, event)
    except Illegal as error:
        raise Unknown(f"{school.code}: {error}") from None
    return [_gate(one, names=names) for one in readiness.standings(database, school, stage, event, now=now)]


def _gate(one: Standing, *, names: bool) -> models.GateView:
    vouched = one.vouched
    return models.GateView(
        gate=one.gate.value,
        result=cast(models.GateResult, one.result),
        expected=one.expected,
        found=one.found,
        fix=one.fix,
        person=str(one.person),
        measured=one.measured,
        valid_until=one.valid_until,
        vouched_by=vouched.actor if vouched else "",
        vouched_reason=vouched.reason if vouched and names else "",
        human=one.human,
    )


def holds(gate: models.GateView) -> bool:
    """Whether a gate lets the event pass."""
    return gate.result in {"pass", "waived"}


def event_view(
    database: Database, school: School, stage: Stage, event: Event, now: datetime, *, names: bool = False
) -> models.EventView:
    """An event with its gates and the approvals that count now; ``names`` as for ``gates_of``."""
    views = gates_of(database, school, stage, event, now, names=names)
    given = [
        models.ApprovalView(
            event=event.value, actor=one.actor, at=one.at, expires=one.expires, reason=one.reason if names else ""
        )
        for one in approvals(database, school.code, event, now)
    ]
    return models.EventView(
        event=event.value,
        target=events(stage)[event].value,
        gates=views,
        ready=all(map(holds, views)),
        approvals=given,
        approvals_needed=APPROVERS if Gate.TWO_APPROVERS in gates(stage, event) else 0,
    )


def event_views(
    database: Database, school: School, stage: Stage, now: datetime, *, names: bool = False
) -> list[models.EventView]:
    """All events of a stage; what only the clock may cause is left out. ``names`` as for ``gates_of``."""
    some = [one for one in events(stage) if one is not Event.DEADLINE]
    return [event_view(database, school, stage, one, now, names=names) for one in some]


def failed(views: Sequence[models.EventView], stage: Stage) -> int:
    """Gates of the next event on the way to the cloud that do not hold."""
    event = readiness.next_event(stage)
    return sum(not holds(gate) for view in views if view.event == event for gate in view.gates)


def cutover(database: Database, school: School, stage: Stage, now: datetime, *, names: bool) -> models.CutoverView:
    """All of it. ``stage``: where the school was seen last; a run that moved it on meanwhile counts."""
    with database.read() as connection:
        stage = stage_of(connection, school.code) or stage
        when = connection.execute(
            select(appointment.c.at, appointment.c.actor).where(appointment.c.school == school.code)
        ).first()
    run = running(database, school.code)
    return models.CutoverView(
        school=school.code,
        stage=stage.value,
        appointment=when.at if when else None,
        appointment_by=when.actor if when else "",
        run=_run(run, school, names=names) if run else None,
        past=[_run(one, school, names=names) for one in past(database, school.code)],
        events=event_views(database, school, stage, now, names=names),
    )


def _run(one: Run, school: School, *, names: bool) -> models.RunView:
    # What an error says of a folder may name whose it is.
    hidden = _HIDDEN if one.problem else ""
    return models.RunView(
        id=one.id,
        started=one.started,
        deadline=one.deadline,
        actor=one.actor,
        step=str(one.step),
        step_since=one.step_at,
        steps=[step.value for step in steps(one.course)],
        problem=one.problem if names else hidden,
        by_hand=unconfirmed(school, one),
        outcome=str(one.outcome),
        ended=one.ended,
    )
