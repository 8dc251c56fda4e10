"""What the engine asks of the trees, bounded by what it asks about and not by what stands in a share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, and_, select

from bridge.core.model import Side
from bridge.ports import chunks
from bridge.state.canonical import BETWEEN, folded
from bridge.state.tables import key, link, observation, reference
from bridge.state.touch import ANCHOR, anchors_of
from bridge.state.transaction import BATCH, MINE, Transaction, among


def _standing(side: Side) -> Select[str]:
    there = and_(observation.c.school == MINE, observation.c.side == side, observation.c.anchor == key.c.anchor)
    mine = and_(link.c.school == MINE, ANCHOR[side] == key.c.anchor)
    at = and_(key.c.school == MINE, key.c.side == side, key.c.kind.in_(among("kinds")), key.c.name == "place")
    source = key.join(link, mine).join(observation, there)
    return (
        select(link.c.id).select_from(source).where(at, key.c.value.in_(among("values")), observation.c.gone.is_(None))
    )


def _original(side: Side) -> Select[str, str, str]:
    there = and_(observation.c.school == MINE, observation.c.side == side, observation.c.anchor == ANCHOR[side])
    return (
        select(link.c.id, observation.c.anchor, observation.c.version)
        .select_from(link.join(observation, there))
        .where(link.c.school == MINE, link.c.id.in_(among("links")), observation.c.gone.is_(None))
    )


_STANDING = {side: _standing(side) for side in Side}
_ORIGINALS = {side: _original(side) for side in Side}


def rivals(tx: Transaction, places: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Links with a living record at one of these places (parent's link, empty for the root; name) on either side."""
    wanted = sorted(set(places))
    kinds = sorted(kind.name for kind in tx.kinds.values() if kind.parent is not None)
    found: set[str] = set()
    for side in Side:
        anchors = {"": "", **anchors_of(tx, side, {parent for parent, _ in wanted} - {""})}
        values = {
            f"{anchors[parent]}{BETWEEN}{folded(name)}" for parent, name in wanted if anchors.get(parent) is not None
        }
        for batch in chunks(sorted(values), BATCH):
            found.update(row[0] for row in tx.rows(_STANDING[side], kinds=kinds, values=batch))
    return frozenset(found)


def occupied(tx: Transaction, ids: Iterable[str], side: Side) -> frozenset[str]:
    """Those of these folders in which something lives on a side, linked or not."""
    parents = sorted({kind.parent for kind in tx.kinds.values() if kind.parent is not None})
    child = and_(
        observation.c.school == reference.c.school,
        observation.c.side == reference.c.side,
        observation.c.anchor == reference.c.anchor,
    )
    inside = (
        select(reference.c.anchor)
        .select_from(reference.join(observation, child))
        .where(
            reference.c.school == tx.school,
            reference.c.side == side,
            reference.c.target == ANCHOR[side],
            reference.c.field.in_(parents),
            observation.c.gone.is_(None),
        )
    )
    found: set[str] = set()
    for batch in chunks(sorted(set(ids)), BATCH):
        query = select(link.c.id).where(link.c.school == tx.school, link.c.id.in_(batch), inside.exists())
        found.update(row[0] for row in tx.rows(query))
    return frozenset(found)


def originals(tx: Transaction, ids: Iterable[str], side: Side) -> dict[str, tuple[str, str]]:
    """Link -> (anchor, version) of its living record on a side, as it is known now."""
    found: dict[str, tuple[str, str]] = {}
    for batch in chunks(sorted(set(ids)), BATCH):
        found.update({row[0]: (row[1], row[2]) for row in tx.rows(_ORIGINALS[side], links=batch)})
    return found
