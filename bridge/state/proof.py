"""What evidence takes from the books of a school: what was left, who approved, how the stage moved. Reads only.

All by ids: messages that may name a person or a file stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from bridge.state import journal
from bridge.state.changeover import Run, run_of
from bridge.state.cutover_tables import approval, changeover, gate, vouch
from bridge.state.roots import below
from bridge.state.tables import conflict, release, school, trouble
from bridge.state.tables import journal as rows


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not carried over: where, what, by which rule, and who released it. Ids only."""

    code: str
    link: str
    kind: str
    side: str
    action: str
    rule: str
    since: str
    released_by: str = ""
    released_why: str = ""
    released_at: str = ""


def left(connection: Connection, code: str) -> Iterator[Left]:
    """What is held or in quarantine in a school and its roots, with who released it."""
    mine = (trouble.c.school == code) | below(trouble.c.school, code)
    freed = and_(release.c.school == trouble.c.school, release.c.link == trouble.c.link)
    columns = (
        *(trouble.c.school, trouble.c.link, trouble.c.kind, trouble.c.side, trouble.c.action, trouble.c.rule),
        *(trouble.c.since, release.c.actor, release.c.reason, release.c.at),
    )
    query = select(*columns).select_from(trouble.outerjoin(release, freed)).where(mine)
    for row in connection.execute(query.order_by(trouble.c.school, trouble.c.link)):
        at = row[9].isoformat(timespec="seconds") if row[9] else ""
        yield Left(*row[:6], row[6].isoformat(timespec="seconds"), row[7] or "", row[8] or "", at)


def open_conflicts(connection: Connection, code: str) -> Iterator[tuple[str, str, str]]:
    """(code, conflict, link) of files of which both versions stand and nobody has decided."""
    mine = (conflict.c.school == code) | below(conflict.c.school, code)
    query = select(conflict.c.school, conflict.c.id, conflict.c.link).where(mine, conflict.c.resolved.is_(None))
    for row in connection.execute(query.order_by(conflict.c.school, conflict.c.id)):
        yield row[0], row[1], row[2]


def heads(connection: Connection, code: str) -> list[journal.Checkpoint]:
    """The heads of the journals of a school, which comes first, and of its roots."""
    mine = (school.c.code == code) | below(school.c.code, code)
    query = select(school.c.code, school.c.journal_seq, school.c.journal_hash).where(mine)
    return [journal.Checkpoint(*row) for row in connection.execute(query.order_by(school.c.code))]


def moves(connection: Connection, code: str, *, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """How a school went from stage to stage, through which gates (who vouched, or the result), by the journal."""
    mine = (rows.c.school == code) & (rows.c.action == "stage")
    query = select(rows).where(mine if since is None else mine & (rows.c.at >= since))
    for row in connection.execute(query.order_by(rows.c.seq)):
        after = json.loads(row.after)
        event, _, reason = row.reason.partition(": ")
        yield {
            "at": row.at.isoformat(timespec="seconds"),
            "event": event,
            "from": json.loads(row.before).get("stage", ""),
            "to": after.get("stage", ""),
            "run": after.get("run", ""),
            "gates": after.get("gates", {}),
            "evidence": after.get("evidence", {}),
            "actor": row.actor,
            "reason": reason,
            "journal": {"row": row.seq, "hash": row.hash},
        }


def measured(connection: Connection, code: str) -> dict[str, dict[str, Any]]:
    """Gate -> what was measured of it last."""
    found = connection.execute(select(gate).where(gate.c.school == code).order_by(gate.c.gate))
    return {row.gate: {"result": row.result, "at": row.at, **json.loads(row.evidence)} for row in found}


def vouched(connection: Connection, code: str) -> dict[str, dict[str, Any]]:
    """Gate -> what a person said of it last."""
    found = connection.execute(select(vouch).where(vouch.c.school == code).order_by(vouch.c.gate))
    return {
        row.gate: {"how": row.how, "actor": row.actor, "reason": row.reason, "at": row.at, "expires": row.expires}
        for row in found
    }


def approvals(connection: Connection, code: str) -> list[dict[str, Any]]:
    """Who approved of which event, and why."""
    query = select(approval).where(approval.c.school == code).order_by(approval.c.event, approval.c.at)
    return [
        {
            "event": row.event,
            "actor": row.actor,
            "reason": row.reason,
            "at": row.at.isoformat(timespec="seconds"),
            "expires": row.expires.isoformat(timespec="seconds") if row.expires else None,
        }
        for row in connection.execute(query)
    ]


def runs(connection: Connection, code: str) -> list[Run]:
    """All runs of a cutover there ever were; last comes the one that goes on, else the newest."""
    query = select(changeover).where(changeover.c.school == code).order_by(changeover.c.started)
    found = [run_of(row) for row in connection.execute(query)]
    return sorted(found, key=lambda run: run.ended is None)


def unsound(connection: Connection, codes: list[str]) -> dict[str, str]:
    """Code -> what is wrong with its journal; empty where all of them are whole."""
    found = {code: journal.verify(connection, code) for code in codes}
    return {code: verdict.message for code, verdict in found.items() if not verdict.ok}


def still_holds(connection: Connection, head: journal.Checkpoint) -> str:
    """Why a journal does not hold a head that was written down earlier; empty: it does, and is whole."""
    known = connection.execute(select(school.c.code).where(school.c.code == head.school)).first()
    if known is None:
        return f"{head.school}: its journal is gone, and no erasure of a person was noted that took it along"
    verdict = journal.verify(connection, head.school, against=head)
    return "" if verdict.ok else f"{head.school}: {verdict.message}"


def erased_roots(connection: Connection, code: str) -> set[str]:
    """The roots whose journals went when a person was erased, as the school's own journal says."""
    mine = (rows.c.school == code) & (rows.c.action == journal.ERASE)
    return {root for text in connection.scalars(select(rows.c.after).where(mine)) for root in _roots(text)}


def _roots(after: str) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(after).get("roots", {})
    return found
