"""Anchors that a side gave away again: what had one before makes way for what has just been made.

A file id may come back after a deletion (MS-FSCC 2.1.9; Linux reuses inodes at once). Left alone, a folder made anew
could bear the anchor of another link's deleted one, and each would be taken for the other.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, delete, select, update

from bridge.core.model import Evidence, Side
from bridge.ports import chunks
from bridge.state import touch
from bridge.state.canonical import BETWEEN, NOTHING, to_hex
from bridge.state.tables import content_alias, echo, key, link, observation, reference, seen
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, Transaction


def make_way(tx: Transaction, side: Side, made: Collection[str]) -> None:
    """``made``: anchors of what was made just now, so that whatever had one of them is gone for good.

    Its link keeps what it knows, under an anchor that no side gives; a deletion is then one that nothing undoes.
    """
    for batch in chunks(sorted(made), BATCH):
        mine = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor.in_(batch))
        here = and_(link.c.school == tx.school, ANCHOR[side] == observation.c.anchor)
        query = select(observation, link.c.id).join_from(observation, link, here, isouter=True)
        for row in tx.rows(query.where(mine, observation.c.gone.is_not(None))):
            _move_aside(tx, side, row.anchor, holder=row.id, gone=row.gone)


def _move_aside(tx: Transaction, side: Side, anchor: str, *, holder: str | None, gone: str) -> None:
    for table in (reference, key, echo, seen, content_alias):
        tx.run(delete(table).where(table.c.school == tx.school, table.c.side == side, table.c.anchor == anchor))
    mine = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor == anchor)
    if holder is None:
        tx.run(delete(observation).where(mine))
        return
    aside = f"{anchor}{BETWEEN}{holder}"
    proven = Evidence.PURGED if gone == Evidence.DELETED else gone
    tx.run(update(observation).where(mine).values(anchor=aside, gone=proven, refs=to_hex(NOTHING)))
    tx.run(update(link).where(link.c.school == tx.school, link.c.id == holder).values({ANCHOR[side].name: aside}))
    touch.touch(tx, [holder])
