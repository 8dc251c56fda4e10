"""Which links are to be looked at again because of a change, and through which references it reaches others.

1. what changed itself,  2. where its presence changed: what refers to it,  3. where a flattened set changed: every
group that contains the group, upwards, whatever nests whatever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, select, true, update
from sqlalchemy.sql import Select

from bridge.core.model import Side
from bridge.ports import chunks
from bridge.state.tables import link, reference, touched, touched_loose, trouble
from bridge.state.transaction import BATCH, Transaction

ANCHOR = {Side.SCHOOL: link.c.school_anchor, Side.CLOUD: link.c.cloud_anchor}


def touch(tx: Transaction, ids: Iterable[str]) -> None:
    """Mark links as changed; what held them does so no longer, because it judged something else."""
    for batch in chunks(sorted(set(ids)), BATCH):
        _touch_where(tx, select(link.c.id).where(link.c.school == tx.school, link.c.id.in_(batch)))


def _touch_where(tx: Transaction, wanted: Select[str]) -> None:
    source = select(link.c.school, link.c.id, link.c.rank, true()).where(
        link.c.school == tx.school, link.c.id.in_(wanted)
    )
    statement = tx.insert(touched).from_select(["school", "link", "rank", "changed"], source)
    tx.run(
        statement.on_conflict_do_update(
            index_elements=["school", "link"], set_={"changed": True}, where=touched.c.changed.is_(False)
        )
    )
    tx.run(delete(trouble).where(trouble.c.school == tx.school, trouble.c.link.in_(wanted)))


def look_again(tx: Transaction, whens: Mapping[str, datetime]) -> None:
    """Mark links as due at a time; one that is due later already (the next step of a retirement) stays so."""
    for batch in chunks(sorted(whens), BATCH):
        rows = tx.rows(select(link.c.id, link.c.rank).where(link.c.school == tx.school, link.c.id.in_(batch)))
        tx.add(touched, ({"link": row.id, "rank": row.rank, "changed": False} for row in rows))
        for row in rows:
            mine = and_(touched.c.school == tx.school, touched.c.link == row.id, touched.c.again.is_(None))
            tx.run(update(touched).where(mine).values(again=whens[row.id]))


def touch_loose(tx: Transaction, side: Side, anchors: Iterable[str]) -> None:
    """Mark records without a link as to be correlated."""
    tx.add(touched_loose, ({"side": side, "anchor": anchor} for anchor in sorted(set(anchors))))


def forget_loose(tx: Transaction, side: Side, anchors: Iterable[str]) -> None:
    """Records that got a link or are gone need no correlation."""
    for batch in chunks(sorted(set(anchors)), BATCH):
        mine = and_(touched_loose.c.school == tx.school, touched_loose.c.side == side)
        tx.run(delete(touched_loose).where(mine, touched_loose.c.anchor.in_(batch)))


def touch_referrers(tx: Transaction, side: Side, anchors: Iterable[str]) -> None:
    """The presence or the link of these records changed: mark what refers to them and what contains that.

    The referrers of all are gathered before any is marked: thousands of people are in the same few hundred groups.
    """
    nested = _flattened(tx)
    referrers: set[str] = set()
    containing: set[str] = set()
    for batch in chunks(sorted(set(anchors)), BATCH):
        found = _referring(tx, side, batch)
        referrers.update(anchor for anchor, _ in found)
        containing.update(anchor for anchor, name in found if name in nested)
    _touch_anchors(tx, side, referrers)
    # A record that is not a linked group itself (a group that is nested without being linked) passes it on as well.
    touch_containers(tx, side, containing)


def touch_across(tx: Transaction, side: Side, anchors: Iterable[str]) -> None:
    """People came to this side or went from it: mark what refers to them on the other one.

    A set that this side owns leaves alone whom it does not know: who is known again is its to take out.
    """
    found: set[str] = set()
    for batch in chunks(sorted(set(anchors)), BATCH):
        mine = and_(link.c.school == tx.school, ANCHOR[side].in_(batch), ANCHOR[side.other].is_not(None))
        found.update(row[0] for row in tx.rows(select(ANCHOR[side.other]).where(mine)))
    touch_referrers(tx, side.other, found)


def touch_containers(tx: Transaction, side: Side, anchors: Iterable[str]) -> None:
    """Mark every record that contains one of these through flattened sets, upwards."""
    if side is Side.SCHOOL:
        _touch_anchors(tx, side, containers(tx, side, anchors))


def containers(tx: Transaction, side: Side, anchors: Iterable[str]) -> set[str]:
    """Anchors of what contains one of these through flattened sets, upwards; circles end by themselves."""
    fields = _flattened(tx)
    found: set[str] = set()
    frontier = set(anchors) if fields else set()
    while frontier:
        above: set[str] = set()
        for batch in chunks(sorted(frontier), BATCH):
            above.update(anchor for anchor, name in _referring(tx, side, batch) if name in fields)
        frontier = above - found
        found |= above
    return found


def _referring(tx: Transaction, side: Side, targets: Sequence[str]) -> set[tuple[str, str]]:
    """(anchor, field) of what refers to these anchors.

    They are told apart here: for a DISTINCT, SQLite goes through all references of the side instead of the index.
    """
    mine = and_(reference.c.school == tx.school, reference.c.side == side, reference.c.target.in_(targets))
    return {
        (row[0], row[1]) for row in tx.connection.execute(select(reference.c.anchor, reference.c.field).where(mine))
    }


def _touch_anchors(tx: Transaction, side: Side, anchors: set[str]) -> None:
    for batch in chunks(sorted(anchors), BATCH):
        _touch_where(tx, select(link.c.id).where(link.c.school == tx.school, ANCHOR[side].in_(batch)))


def _flattened(tx: Transaction) -> frozenset[str]:
    return frozenset(column.name for kind in tx.kinds.values() for column in kind.references if column.flatten)


def untouch(tx: Transaction, ids: Iterable[str]) -> None:
    """Nothing to do for these links now; a time in the future at which they are due again stays."""
    for batch in chunks(sorted(set(ids)), BATCH):
        mine = and_(touched.c.school == tx.school, touched.c.link.in_(batch))
        over = touched.c.again.is_(None) | (touched.c.again <= tx.now)
        tx.run(delete(touched).where(mine, over))
        tx.run(update(touched).where(mine, touched.c.changed.is_(True)).values(changed=False))
        tx.run(delete(trouble).where(trouble.c.school == tx.school, trouble.c.link.in_(batch)))


def postpone(tx: Transaction, until: Mapping[str, datetime]) -> None:
    """Nothing to do for these links before a time."""
    untouch(tx, until)
    for batch in chunks(sorted(until), BATCH):
        rows = tx.rows(select(link.c.id, link.c.rank).where(link.c.school == tx.school, link.c.id.in_(batch)))
        tx.put(touched, ({"link": r.id, "rank": r.rank, "changed": False, "again": until[r.id]} for r in rows))


def touch_everything(tx: Transaction) -> None:
    """Mark every link of the school: for a plan on a copy, as if all were looked at anew."""
    _touch_where(tx, select(link.c.id).where(link.c.school == tx.school))
