"""What was deleted in a root and is remembered: enough to ask a side's recycle bin for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select

from bridge.core.kinds import Kind
from bridge.core.model import Action, Digest, Evidence, Side
from bridge.state import journal
from bridge.state.canonical import decode
from bridge.state.database import Database
from bridge.state.pairs import drop
from bridge.state.root_counts import path_of
from bridge.state.tables import content_alias, echo, key, link, observation, reference, seen
from bridge.state.tables import journal as journal_table
from bridge.state.touch import ANCHOR
from bridge.state.transaction import Transaction, writing


@dataclass(frozen=True, slots=True)
class Tomb:
    """A file or folder that is gone from both sides. ``path`` as far as its folders are still known."""

    link: str
    kind: str
    anchor: str
    path: str
    at: datetime
    size: int


def tombs(database: Database, code: str, side: Side) -> Sequence[Tomb]:
    """All of a root that was deleted on this side, the latest first."""
    here = ANCHOR[side]
    there = (observation.c.school == link.c.school) & (observation.c.side == side) & (observation.c.anchor == here)
    gone = (link.c.school == code) & (observation.c.gone == Evidence.DELETED)
    columns = (link.c.id, link.c.kind, here.label("anchor"), observation.c.fields)
    when = select(journal_table.c.link, func.max(journal_table.c.at)).where(
        journal_table.c.school == code, journal_table.c.action == Action.DELETE
    )
    with database.read() as connection:
        rows = connection.execute(select(*columns).select_from(link.join(observation, there)).where(gone)).all()
        at: dict[str, datetime] = {row[0]: row[1] for row in connection.execute(when.group_by(journal_table.c.link))}
    unknown = datetime.fromtimestamp(0, UTC)
    found = []
    for row in rows:
        content = decode(row.fields).get("content")
        size = content.size if isinstance(content, Digest) else 0
        path = path_of(database, code, row.id)
        found.append(Tomb(row.id, row.kind, row.anchor, path, at.get(row.id, unknown), size))
    return sorted(found, key=lambda one: (one.at, one.link), reverse=True)


def let_go(database: Database, code: str, kinds: Mapping[str, Kind], side: Side, anchors: Sequence[str]) -> None:
    """Forget what is gone on both sides, so that what comes back with the same anchor is new, not deleted once more.

    Nothing is planned for such a link any more: nobody holds it in memory, also while the daemon runs.
    """
    with writing(database, code, kinds) as tx:
        mine = (link.c.school == code) & ANCHOR[side].in_(list(anchors))
        for row in tx.rows(select(link.c.id, link.c.school_anchor, link.c.cloud_anchor).where(mine)):
            ends = {Side.SCHOOL: row.school_anchor, Side.CLOUD: row.cloud_anchor}
            if any(_lives(tx, one, anchor) for one, anchor in ends.items()):
                continue
            for one, anchor in ends.items():
                for table in (observation, reference, key, echo, seen, content_alias):
                    of = (table.c.school == code) & (table.c.side == one) & (table.c.anchor == anchor)
                    tx.run(delete(table).where(of))
            drop(tx, row.id)


def _lives(tx: Transaction, side: Side, anchor: str | None) -> bool:
    of = (observation.c.school == tx.school) & (observation.c.side == side) & (observation.c.anchor == anchor)
    return bool(tx.rows(select(observation.c.anchor).where(of, observation.c.gone.is_(None))))


def note_restored(database: Database, code: str, kinds: Mapping[str, Kind], entries: Sequence[journal.Entry]) -> None:
    """Note in the root's journal what a person brought back."""
    with writing(database, code, kinds) as tx:
        journal.append(tx, entries)
