"""All schools at a glance: what tells cheaply whether something changed, and the few numbers that a board shows.

A handful of questions for all schools together. What lies in the roots of a school's shares counts for the school.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from bridge.state.canonical import decode
from bridge.state.columns import UtcTime
from bridge.state.cutover_tables import appointment, approval, changeover, gate, vouch
from bridge.state.database import Database
from bridge.state.drift import HELD
from bridge.state.roots import BETWEEN, below
from bridge.state.tables import conflict, cycle, drift, observation, release, school, trouble
from bridge.state.tables import link as links


@dataclass(slots=True)
class Glance:
    """One school. Two of them that are equal: nothing that anybody reads has changed in between.

    ``cycled``: when the last cycle of its people began. ``vouched``, ``measured``, ``approved``, ``step``: when a gate
    was vouched for, measured, an event approved of, a step of a cutover begun at last.
    """

    stage: str = ""
    since: datetime | None = None
    seq: int = 0
    cycled: datetime | None = None
    held: int = 0
    conflicts: int = 0
    drift: int = 0
    released: datetime | None = None
    appointment: datetime | None = None
    measured: datetime | None = None
    vouched: datetime | None = None
    approved: datetime | None = None
    run: str = ""
    step: datetime | None = None


def glance(database: Database, codes: Sequence[str]) -> dict[str, Glance]:
    """Code -> what is known of it; schools that the state does not know are left out."""
    with database.read() as connection:
        found = {row.code: _school(row) for row in connection.execute(_schools(codes))}
        for one, number in _counted(connection, trouble):
            if one in found:
                found[one].held += number
        for one, number in _counted(connection, conflict, conflict.c.resolved.is_(None)):
            if one in found:
                found[one].conflicts += number
        for one, number in _counted(connection, drift, drift.c.state == HELD):
            if one in found:
                found[one].drift += number
        _cutover(connection, found)
    return found


def _schools(codes: Sequence[str]) -> Any:
    last = select(func.max(cycle.c.started, type_=UtcTime)).where(cycle.c.school == school.c.code).scalar_subquery()
    let_go = select(func.max(release.c.at, type_=UtcTime)).where(release.c.school == school.c.code).scalar_subquery()
    columns = (school.c.code, school.c.stage, school.c.stage_since, school.c.journal_seq)
    return select(*columns, last.label("cycled"), let_go.label("released")).where(school.c.code.in_(codes))


def _school(row: Row[Any]) -> Glance:
    return Glance(row.stage, row.stage_since, row.journal_seq, row.cycled, released=row.released)


def _counted(connection: Connection, table: Any, *where: Any) -> list[tuple[str, int]]:
    query = select(table.c.school, func.count()).where(*where).group_by(table.c.school)
    return [(str(code).partition(BETWEEN)[0], int(number)) for code, number in connection.execute(query)]


def _cutover(connection: Connection, found: dict[str, Glance]) -> None:
    for row in connection.execute(select(appointment.c.school, appointment.c.at)):
        if row.school in found:
            found[row.school].appointment = row.at
    for name, table in (("measured", gate), ("vouched", vouch), ("approved", approval)):
        query = select(table.c.school, func.max(table.c.at, type_=UtcTime)).group_by(table.c.school)
        for code, at in connection.execute(query):
            if code in found:
                setattr(found[code], name, at)
    runs = select(changeover.c.school, changeover.c.id, changeover.c.step_at).where(changeover.c.ended.is_(None))
    for run in connection.execute(runs):
        if run.school in found:
            found[run.school].run, found[run.school].step = run.id, run.step_at


@dataclass(frozen=True, slots=True)
class Clash:
    """A file of which both versions were kept. ``root`` is the code of the root in which it lies."""

    id: str
    root: str
    link: str
    side: str
    path: str
    copy: str
    at: datetime
    resolved: datetime | None
    how: str


def clashes(database: Database, code: str, *, skip: int, limit: int) -> list[Clash]:
    """Conflicts in all roots of a school, open ones first, of these the oldest first."""
    of = conflict.c
    columns = (of.id, of.school, of.link, of.side, of.path, of.copy, of.at, of.resolved, of.how)
    order = (of.resolved.is_not(None), of.at, of.id)
    query = select(*columns).where(below(of.school, code)).order_by(*order).offset(skip).limit(limit)
    with database.read() as connection:
        return [Clash(*row) for row in connection.execute(query)]


def name_of(database: Database, code: str, link: str, *, fields: Sequence[str]) -> dict[str, str]:
    """What of these fields a side shows of a link, the school's first: to tell a person whom an operation is about."""
    with database.read() as connection:
        ends = connection.execute(
            select(links.c.school_anchor, links.c.cloud_anchor).where(links.c.school == code, links.c.id == link)
        ).first()
        for side, anchor in zip(("school", "cloud"), ends or (), strict=False):
            seen = observation.c
            mine = (seen.school == code) & (seen.side == side) & (seen.anchor == anchor)
            row = connection.execute(select(seen.fields).where(mine)).first() if anchor else None
            if row is not None:
                shown = decode(row.fields)
                return {name: str(shown[name]) for name in fields if shown.get(name) is not None}
    return {}
