"""What people ask the store: cycles, counts, whom a name belongs to, who got a first password."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, select, update

from bridge.core.model import Evidence, Side
from bridge.ports import chunks
from bridge.state.canonical import decode, dump
from bridge.state.tables import cycle, echo, handed_out, link, observation, tally, tombstone
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, Transaction

KEPT_CYCLES = 1000
KEPT_TALLIES = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One line of bookkeeping; ``ended`` is None while it runs, or for ever when the process was killed."""

    id: str
    started: datetime
    ended: datetime | None
    outcome: str
    counts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record that ``find`` found; ``shown`` holds the fields that a person searches by."""

    side: Side
    kind: str
    anchor: str
    link: str | None
    gone: Evidence | None
    shown: Mapping[str, str]


def begin_cycle(tx: Transaction, id: str) -> None:  # noqa: A002
    """Write the line of a new cycle; the oldest beyond the last thousand go."""
    tx.put(cycle, [{"id": id, "started": tx.now, "ended": None, "outcome": "", "counts": "{}"}])
    mine = cycle.c.school == tx.school
    kept = select(cycle.c.started).where(mine).order_by(cycle.c.started.desc()).offset(KEPT_CYCLES - 1).limit(1)
    tx.run(delete(cycle).where(mine, cycle.c.started < kept.scalar_subquery()))


def end_cycle(tx: Transaction, id: str, *, outcome: str, counts: Mapping[str, Any]) -> None:  # noqa: A002
    """Close the line, and drop bookkeeping that nobody can need any more."""
    ended = {"ended": tx.now, "outcome": outcome, "counts": dump(dict(counts))}
    tx.run(update(cycle).where(cycle.c.school == tx.school, cycle.c.id == id).values(ended))
    tx.run(delete(tally).where(tally.c.school == tx.school, tally.c.at < tx.now - KEPT_TALLIES))
    tx.run(delete(echo).where(echo.c.school == tx.school, echo.c.until <= tx.now))


def cycles(tx: Transaction, limit: int) -> list[Cycle]:
    """The last cycles, the newest first."""
    query = select(cycle).where(cycle.c.school == tx.school).order_by(cycle.c.started.desc(), cycle.c.id)
    rows = tx.rows(query.limit(limit))
    return [Cycle(row.id, row.started, row.ended, row.outcome, json.loads(row.counts)) for row in rows]


def counts(tx: Transaction) -> dict[tuple[str, str], int]:
    """(side, kind) -> records that are there, linked or not."""
    mine = and_(observation.c.school == tx.school, observation.c.gone.is_(None))
    query = select(observation.c.side, observation.c.kind, func.count()).where(mine)
    return {(row[0], row[1]): int(row[2]) for row in tx.rows(query.group_by(observation.c.side, observation.c.kind))}


def find(tx: Transaction, text: str, *, limit: int = 50) -> list[Sighting]:
    """Records whose anchor, link or one of the names contains the text, exact matches first."""
    wanted = text.casefold()
    hits: list[tuple[bool, Sighting]] = []
    for side in Side:
        source = observation.outerjoin(link, and_(link.c.school == tx.school, ANCHOR[side] == observation.c.anchor))
        query = select(observation, link.c.id).select_from(source)
        mine = and_(observation.c.school == tx.school, observation.c.side == side)
        for row in tx.connection.execute(query.where(mine)):
            shown = _searched(tx, row.kind, row.fields)
            values = [value.casefold() for value in (row.anchor, row.id or "", *shown.values())]
            if any(wanted in value for value in values):
                gone = Evidence(row.gone) if row.gone is not None else None
                hits.append((wanted not in values, Sighting(side, row.kind, row.anchor, row.id, gone, shown)))
    hits.sort(key=lambda hit: (hit[0], hit[1].kind, hit[1].side, hit[1].anchor))
    return [sighting for _, sighting in hits[:limit]]


def _searched(tx: Transaction, kind_name: str, fields: str) -> dict[str, str]:
    kind = tx.kinds.get(kind_name)
    if kind is None:
        return {}
    assigned = {column.name for column in kind.fields if column.assigned_from or column.rename}
    folding = {column.name for column in kind.fields if column.fold}
    names = {kind.label, *kind.keys, *assigned, *folding}
    return {name: str(value) for name, value in decode(fields).items() if name in names and value is not None}


def doubtful(tx: Transaction) -> frozenset[Side]:
    """Sides where an observation was ignored as a replica's lag and nothing newer came within the 15 minutes.

    Only a full listing tells whether it was one: drop the token. The listing itself clears the doubt.
    """
    mine = and_(observation.c.school == tx.school, observation.c.doubt_until <= tx.now)
    return frozenset(Side(row.side) for row in tx.rows(select(observation.c.side).distinct().where(mine)))


def handed(tx: Transaction, ids: Iterable[str]) -> dict[str, datetime]:
    """Link -> when its first password was handed out; those without are left out."""
    found: dict[str, datetime] = {}
    for batch in chunks(sorted(set(ids)), BATCH):
        mine = and_(handed_out.c.school == tx.school, handed_out.c.link.in_(batch))
        found.update({row.link: row.at for row in tx.rows(select(handed_out.c.link, handed_out.c.at).where(mine))})
    return found


def tombstones(tx: Transaction) -> list[tuple[str, str, datetime]]:
    """(link, kind, when) of forgotten links, the oldest first."""
    rows = tx.rows(select(tombstone).where(tombstone.c.school == tx.school).order_by(tombstone.c.at))
    return [(row.link, row.kind, row.at) for row in rows]


def bury(tx: Transaction, before: datetime) -> int:
    """Drop tombstones older than the retention period; returns how many."""
    mine = and_(tombstone.c.school == tx.school, tombstone.c.at < before)
    number = tx.rows(select(func.count()).select_from(tombstone).where(mine))[0][0]
    tx.run(delete(tombstone).where(mine))
    return int(number)
