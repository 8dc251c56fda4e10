"""Rows out of the state, page by page: cycles, what is held, conflicts, drift, journal, releases.

A page goes on after a position that its predecessor told; the application signs it, so that nobody can make one up.
Everything here runs in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, or_, select

from bridge.api import models
from bridge.api.causes import cause_of
from bridge.api.source import Unknown
from bridge.core.model import Value
from bridge.daemon.decisions import drift_handle
from bridge.state.columns import UtcTime
from bridge.state.database import Database
from bridge.state.glance import clashes, name_of
from bridge.state.roots import BETWEEN, below
from bridge.state.store import SchoolStore
from bridge.state.tables import cycle, journal, release, trouble

#: What tells a person whom a row is about.
_LABELS = ("display_name", "upn", "login", "name")
_TIME = UtcTime()
#: So many releases are told.
_RELEASES = 1000


def cycles(database: Database, code: str, before: str | None, limit: int) -> models.Page[models.CycleView]:
    """Its cycles, the newest first."""
    of = cycle.c
    query = select(cycle).where(of.school == code).order_by(of.started.desc(), of.id.desc()).limit(limit + 1)
    if before is not None:
        at, name = _after(before)
        query = query.where(or_(of.started < at, and_(of.started == at, of.id < name)))
    with database.read() as connection:
        rows = connection.execute(query).all()
    views = [
        models.CycleView(
            id=row.id,
            started=row.started,
            ended=row.ended,
            outcome=row.outcome,
            counts=_numbers(json.loads(row.counts)),
        )
        for row in rows[:limit]
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    return models.Page(rows=views, next=_position(last.started, last.id) if last else None)


def _numbers(counts: dict[str, Any]) -> dict[str, int]:
    """The counts of a cycle, flat: ``executed.create`` -> number; what is no number is left out."""
    found: dict[str, int] = {}
    for name, value in counts.items():
        if isinstance(value, int) and not isinstance(value, bool):
            found[name] = value
        elif isinstance(value, dict):
            found |= {f"{name}.{key}": one for key, one in value.items() if isinstance(one, int)}
    return found


def held(
    database: Database, code: str, *, names: bool, before: str | None, limit: int
) -> models.Page[models.OperationView]:
    """What waits for a person or is in quarantine, in the school and in the roots of its shares, the oldest first."""
    of = trouble.c
    mine = or_(of.school == code, below(of.school, code))
    query = select(trouble).where(mine).order_by(of.since, of.school, of.link).limit(limit + 1)
    if before is not None:
        since, root, link = _after(before, parts=3)
        later = or_(of.school > root, and_(of.school == root, of.link > link))
        query = query.where(or_(of.since > since, and_(of.since == since, later)))
    with database.read() as connection:
        rows = connection.execute(query).all()
    views = [_operation(database, row, names=names) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return models.Page(rows=views, next=_position(last.since, last.school, last.link) if last else None)


def _operation(database: Database, row: Any, *, names: bool) -> models.OperationView:
    shown = {}
    if names:
        shown = {"message": row.message, **name_of(database, row.school, row.link, fields=_LABELS)}
    return models.OperationView(
        link=row.link,
        root=row.school if BETWEEN in row.school else "",
        kind=row.kind,
        side=row.side,
        action=row.action,
        role=row.role,
        rule=row.rule,
        reason=cause_of(row.rule)[0],
        since=row.since,
        attempts=row.attempts,
        names=shown,
    )


def conflicts(
    database: Database, code: str, *, names: bool, before: str | None, limit: int
) -> models.Page[models.ConflictView]:
    """Files of which both versions were kept, open ones first."""
    skip = _number(before) if before is not None else 0
    rows = clashes(database, code, skip=skip, limit=limit + 1)
    views = [
        models.ConflictView(
            id=one.id,
            share=_share_of(one.root),
            at=one.at,
            side="school" if one.side == "school" else "cloud",
            resolved=one.resolved,
            how=one.how,
            names={"path": one.path, "copy": one.copy} if names else {},
        )
        for one in rows[:limit]
    ]
    return models.Page(rows=views, next=str(skip + limit) if len(rows) > limit else None)


def _share_of(root: str) -> str:
    """``0123/homes/LINK`` lies in the share ``homes``."""
    parts = root.split(BETWEEN)
    return parts[1] if len(parts) > 1 else ""


def drifts(store: SchoolStore, *, names: bool) -> Sequence[models.DriftView]:
    """What was changed on the side that does not own it, the newest first."""
    return [
        models.DriftView(
            handle=drift_handle(one),
            kind=one.kind,
            link=one.link,
            field=one.field,
            side=one.side.value,
            state=one.state,
            at=one.at,
            names={"found": _shown(one.found), "wanted": _shown(one.wanted)} if names else {},
        )
        for one in store.drifts()
    ]


def _shown(value: Value) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    return "" if value is None else str(value)


def rows_of_journal(
    database: Database, code: str, *, names: bool, before: str | None, limit: int
) -> models.Page[models.JournalRow]:
    """The school's own journal, the newest first; reason and values only with names."""
    of = journal.c
    query = select(journal).where(of.school == code).order_by(of.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(of.seq < _number(before))
    with database.read() as connection:
        rows = connection.execute(query).all()
    views = [_entry(row, names=names) for row in rows[:limit]]
    return models.Page(rows=views, next=str(rows[limit - 1].seq) if len(rows) > limit else None)


def _entry(row: Any, *, names: bool) -> models.JournalRow:
    shown = {}
    if names:
        both = (("before", json.loads(row.before)), ("after", json.loads(row.after)))
        shown = {f"{when}.{name}": str(value) for when, values in both for name, value in values.items()}
    return models.JournalRow(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        action=row.action,
        side=row.side,
        kind=row.kind,
        link=row.link,
        outcome=row.outcome if names else row.outcome.partition(":")[0],
        reason=row.reason if names else "",
        hash=row.hash,
        names=shown,
    )


def releases(database: Database, code: str, *, names: bool) -> Sequence[models.ReleaseView]:
    """What was let pass, the newest first; the reason, as in the journal, only with names."""
    of = release.c
    query = select(release).where(of.school == code).order_by(of.at.desc(), of.link).limit(_RELEASES)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [
        models.ReleaseView(link=row.link, actor=row.actor, reason=row.reason if names else "", at=row.at, used=row.used)
        for row in rows
    ]


# --- positions --------------------------------------------------------------------------------------------------------


def _position(at: Any, *keys: str) -> str:
    return json.dumps([_TIME.process_bind_param(at, None), *keys])  # type: ignore[arg-type]


def _after(text: str, parts: int = 2) -> tuple[Any, ...]:
    try:
        found = json.loads(text)
        at, *keys = found
        if len(found) != parts or not all(isinstance(one, str) for one in found):
            raise ValueError
        return _TIME.process_result_value(at, None), *keys  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise Unknown("this cursor leads nowhere; begin without one") from None


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Unknown("this cursor leads nowhere; begin without one")
    return int(text)
