"""Which links are to be looked at again because of a change, and through which references it reaches others.

1. what changed itself,  2. where its presence changed: what refers to it,  3. where a flattened set changed: every
group that contains the group, upwards, whatever nests whatever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, and_, bindparam, delete, or_, select, true, update
from sqlalchemy.sql import Select

from bridge.core.model import Side
from bridge.ports import chunks
from bridge.state.tables import link, reference, touched, touched_loose, trouble
from bridge.state.transaction import BATCH, MINE, SIDE, Transaction, among, insert

ANCHOR = {Side.SCHOOL: link.c.school_anchor, Side.CLOUD: link.c.cloud_anchor}

_ENDS = {
    side: select(link.c.id, anchor).where(link.c.school == MINE, link.c.id.in_(among("links")))
    for side, anchor in ANCHOR.items()
}
_FORGET_LOOSE = delete(touched_loose).where(
    touched_loose.c.school == MINE, touched_loose.c.side == SIDE, touched_loose.c.anchor.in_(among("anchors"))
)
_ours = and_(touched.c.school == MINE, touched.c.link.in_(among("links")))
_OVER = delete(touched).where(_ours, or_(touched.c.again.is_(None), touched.c.again <= bindparam("now")))
_UNCHANGED = update(touched).where(_ours, touched.c.changed.is_(True)).values(changed=False)
_UNTROUBLED = delete(trouble).where(trouble.c.school == MINE, trouble.c.link.in_(among("links")))
_REFERRING = select(reference.c.anchor, reference.c.field).where(
    reference.c.school == MINE,
    reference.c.side == SIDE,
    reference.c.target.in_(among("targets")),
)


def anchors_of(tx: Transaction, side: Side, ids: Iterable[str]) -> dict[str, str | None]:
    """Link -> its anchor on a side, which may be none, of those that there are."""
    found: dict[str, str | None] = {}
    for batch in chunks(sorted(set(ids)), BATCH):
        found.update({row[0]: row[1] for row in tx.rows(_ENDS[side], links=batch)})
    return found


def touch(tx: Transaction, ids: Iterable[str]) -> None:
    """Mark links as changed; what held them does so no longer, because it judged something else."""
    for batch in chunks(sorted(set(ids)), BATCH):
        _touch(tx, None, among=batch)


@cache
def _touching(dialect: str, side: Side | None) -> tuple[Executable, Executable]:
    """Mark links, found by their ids or by their anchors on a side; and end what held them."""
    column = link.c.id if side is None else ANCHOR[side]
    wanted = select(link.c.id).where(link.c.school == MINE, column.in_(among("among")))
    return _marking(dialect, wanted), delete(trouble).where(trouble.c.school == MINE, trouble.c.link.in_(wanted))


def _marking(dialect: str, wanted: Select[str]) -> Executable:
    source = select(link.c.school, link.c.id, link.c.rank, true()).where(link.c.school == MINE, link.c.id.in_(wanted))
    statement = insert(dialect, touched).from_select(["school", "link", "rank", "changed"], source)
    return statement.on_conflict_do_update(
        index_elements=["school", "link"], set_={"changed": True}, where=touched.c.changed.is_(False)
    )


def _touch(tx: Transaction, side: Side | None, *, among: Sequence[str]) -> None:
    for statement in _touching(tx.connection.dialect.name, side):
        tx.run(statement, among=among)


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
        tx.run(_FORGET_LOOSE, of_side=side, anchors=batch)


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
    return {(row[0], row[1]) for row in tx.rows(_REFERRING, of_side=side, targets=targets)}


def _touch_anchors(tx: Transaction, side: Side, anchors: set[str]) -> None:
    for batch in chunks(sorted(anchors), BATCH):
        _touch(tx, side, among=batch)


def _flattened(tx: Transaction) -> frozenset[str]:
    return frozenset(column.name for kind in tx.kinds.values() for column in kind.references if column.flatten)


def untouch(tx: Transaction, ids: Iterable[str]) -> None:
    """Nothing to do for these links now; a time in the future at which they are due again stays."""
    for batch in chunks(sorted(set(ids)), BATCH):
        tx.run(_OVER, links=batch, now=tx.now)
        tx.run(_UNCHANGED, links=batch)
        tx.run(_UNTROUBLED, links=batch)


def postpone(tx: Transaction, until: Mapping[str, datetime]) -> None:
    """Nothing to do for these links before a time."""
    untouch(tx, until)
    for batch in chunks(sorted(until), BATCH):
        rows = tx.rows(select(link.c.id, link.c.rank).where(link.c.school == tx.school, link.c.id.in_(batch)))
        tx.put(touched, ({"link": r.id, "rank": r.rank, "changed": False, "again": until[r.id]} for r in rows))


def touch_everything(tx: Transaction) -> None:
    """Mark every link of the school: for a plan on a copy, as if all were looked at anew."""
    tx.run(_marking(tx.connection.dialect.name, select(link.c.id).where(link.c.school == MINE)), of_school=tx.school)
    tx.run(delete(trouble).where(trouble.c.school == tx.school))
