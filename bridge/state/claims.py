"""Whose an anchor is that a creation came back with, where it is not simply new.

made     an id may come back after a deletion (MS-FSCC 2.1.9; Linux reuses inodes at once): what had it before makes
         way. Left alone, a folder made anew could bear the anchor of another link's deleted one, and each would be
         taken for the other
adopted  something was found there: another link that holds it is absorbed when it has no other end, else disputed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import and_, delete, select, update

from bridge.core.model import Action, Evidence, Operation, Side
from bridge.ports import Done, Trouble, chunks
from bridge.state import touch
from bridge.state.canonical import BETWEEN, NOTHING, to_hex
from bridge.state.pairs import drop
from bridge.state.tables import content_alias, echo, key, link, observation, reference, seen
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, Transaction, among

#: What is gone of these anchors, and the link that has it.
_IN_THE_WAY = {
    side: select(observation, link.c.id)
    .join_from(observation, link, and_(link.c.school == MINE, anchor == observation.c.anchor), isouter=True)
    .where(
        observation.c.school == MINE,
        observation.c.side == side,
        observation.c.anchor.in_(among("anchors")),
        observation.c.gone.is_not(None),
    )
    for side, anchor in ANCHOR.items()
}
_HOLDING = {
    side: select(link).where(link.c.school == MINE, anchor.in_(among("anchors"))) for side, anchor in ANCHOR.items()
}


def make_way(tx: Transaction, writes: Sequence[Done]) -> None:
    """What is gone and had the anchor of something made just now is gone for good.

    Its link keeps what it knows, under an anchor that no side gives; a deletion is then one that nothing undoes.
    """
    for side in Side:
        for batch in chunks(sorted(_made(tx, writes, side)), BATCH):
            for row in tx.rows(_IN_THE_WAY[side], anchors=batch):
                _move_aside(tx, side, row.anchor, holder=row.id, gone=row.gone)


def _made(tx: Transaction, writes: Iterable[Done], side: Side) -> set[str]:
    """Anchors of folders and files that these writes made and did not find; no directory gives an id away again."""
    return {
        one.written.anchor
        for one in writes
        if one.written is not None
        and one.operation.side is side
        and one.operation.action is Action.CREATE
        and not one.written.adopted
        and tx.kinds[one.operation.kind].parent is not None
    }


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


def adopted_twice(tx: Transaction, writes: Sequence[Done]) -> dict[str, Trouble]:
    """Creations that found an object which another link holds: absorb that link when it has no other end, else hold."""
    disputed: dict[str, Trouble] = {}
    for side in Side:
        created = {
            one.written.anchor: one.operation
            for one in writes
            if one.operation.side is side and one.operation.action is Action.CREATE and one.written is not None
        }
        for batch in chunks(sorted(created), BATCH):
            for row in tx.rows(_HOLDING[side], anchors=batch):
                operation = created[getattr(row, f"{side}_anchor")]
                if row.id == operation.link:
                    continue
                if getattr(row, f"{side.other}_anchor") is None:
                    drop(tx, row.id, heir=operation.link)
                else:
                    disputed[operation.link] = _dispute(tx, operation, row.id)
    return disputed


def _dispute(tx: Transaction, operation: Operation, holder: str) -> Trouble:
    message = (
        f"{tx.school}: {operation.kind} {operation.link} was found already there in the {operation.side}, but that "
        f"object belongs to link {holder}. Expected: an object of its own. Nothing was linked: look at both with "
        f"schoolbridge explain, then correct the source anchor of one of them."
    )
    return Trouble(
        operation.link, operation.kind, operation.side, operation.action, operation.role, "disputed", message, tx.now
    )
