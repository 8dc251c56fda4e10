"""What the engine asks of the trees, bounded by what it asks about and not by what stands in a share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, select

from bridge.core.model import Side
from bridge.ports import chunks
from bridge.state.canonical import BETWEEN, folded
from bridge.state.tables import key, link, observation, reference
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, Transaction


def rivals(tx: Transaction, places: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Links with a living record at one of these places (parent's link, empty for the root; name) on either side."""
    wanted = sorted(set(places))
    kinds = sorted(kind.name for kind in tx.kinds.values() if kind.parent is not None)
    found: set[str] = set()
    for side in Side:
        anchors = {"": "", **_anchors(tx, side, {parent for parent, _ in wanted} - {""})}
        values = {f"{anchors[parent]}{BETWEEN}{folded(name)}" for parent, name in wanted if parent in anchors}
        there = and_(
            observation.c.school == tx.school, observation.c.side == side, observation.c.anchor == key.c.anchor
        )
        mine = and_(link.c.school == tx.school, ANCHOR[side] == key.c.anchor)
        source = key.join(link, mine).join(observation, there)
        at = and_(key.c.school == tx.school, key.c.side == side, key.c.kind.in_(kinds), key.c.name == "place")
        for batch in chunks(sorted(values), BATCH):
            query = (
                select(link.c.id).select_from(source).where(at, key.c.value.in_(batch), observation.c.gone.is_(None))
            )
            found.update(row[0] for row in tx.rows(query))
    return frozenset(found)


def _anchors(tx: Transaction, side: Side, ids: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for batch in chunks(sorted(ids), BATCH):
        query = select(link.c.id, ANCHOR[side]).where(link.c.school == tx.school, link.c.id.in_(batch))
        found.update({row[0]: row[1] for row in tx.rows(query) if row[1] is not None})
    return found


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
    there = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor == ANCHOR[side])
    found: dict[str, tuple[str, str]] = {}
    for batch in chunks(sorted(set(ids)), BATCH):
        query = select(link.c.id, observation.c.anchor, observation.c.version).select_from(
            link.join(observation, there)
        )
        rows = tx.rows(query.where(link.c.school == tx.school, link.c.id.in_(batch), observation.c.gone.is_(None)))
        found.update({row[0]: (row[1], row[2]) for row in rows})
    return found
