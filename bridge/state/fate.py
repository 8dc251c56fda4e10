"""What operations mean for the links themselves: their retirement, when they are due again, their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from bridge.core.model import Action, Link, Side
from bridge.ports import Done, chunks
from bridge.state import names, space, touch
from bridge.state.canonical import decode
from bridge.state.pairs import drop
from bridge.state.tables import content_alias, echo, link, observation, reference, seen, tombstone, touched
from bridge.state.tables import key as key_table
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, Transaction, among

_REVIVES = frozenset({Action.AGREE, Action.CREATE, Action.UPDATE, Action.RESTORE})


def _alive(side: Side) -> Any:
    there = select(observation.c.anchor).where(
        observation.c.school == MINE,
        observation.c.side == side,
        observation.c.anchor == ANCHOR[side],
        observation.c.gone.is_(None),
    )
    return there.exists()


#: Of these links: those that were retired, or on the way, and whose ends are both there.
_ENDED = select(link.c.id).where(
    link.c.school == MINE,
    link.c.id.in_(among("links")),
    or_(link.c.retired_at.is_not(None), link.c.step.is_not(None)),
    *(_alive(side) for side in Side),
)
_NONE: dict[str, Any] = {"step": None, "step_at": None, "step_on": None}


def retirements(tx: Transaction, done: Sequence[Done]) -> None:
    """Begin them, note how far they went, and end those of links both of whose ends are there (again)."""
    _begin(tx, done)
    revived = [one.operation.link for one in done if one.operation.action in _REVIVES]
    for batch in chunks(revived, BATCH):
        if alive := [row.id for row in tx.rows(_ENDED, links=batch)]:
            mine = and_(link.c.school == tx.school, link.c.id.in_(alive))
            tx.run(update(link).where(mine).values(retired_at=None, **_NONE))
            tx.run(update(touched).where(touched.c.school == tx.school, touched.c.link.in_(alive)).values(again=None))


def _begin(tx: Transaction, done: Sequence[Done]) -> None:
    begun = [one.operation for one in done if one.operation.action is Action.RETIRE]
    steps = [(one, Action(str(one.after["step"]))) for one in begun if one.after.get("step")]
    steps += [
        (one.operation, one.operation.action)
        for one in done
        if one.operation.action in tx.kinds[one.operation.kind].retire and len(tx.kinds[one.operation.kind].retire) > 1
    ]
    if not begun and not steps:
        return
    mine = and_(link.c.school == tx.school, link.c.id == bindparam("of"))
    begin = {"retired_at": tx.now, "step": Action.RETIRE.value, "step_at": tx.now, "step_on": bindparam("on")}
    afresh = [{"of": one.link, "on": str(one.side)} for one in begun if not one.after.get("step")]
    tx.run(update(link).where(mine).values(begin), afresh)
    starts = update(link).where(mine).values(retired_at=func.coalesce(link.c.retired_at, tx.now))
    tx.run(starts, ({"of": one.link} for one in begun if one.after.get("step")))
    # The same step done once more (enabled again by hand) does not start its period anew.
    step = update(link).where(mine, or_(link.c.step.is_(None), link.c.step != bindparam("done")))
    values = {"step": bindparam("done"), "step_at": tx.now, "step_on": bindparam("on")}
    tx.run(step.values(values), ({"of": one.link, "done": str(what), "on": str(one.side)} for one, what in steps))


def untouch(tx: Transaction, done: Sequence[Done]) -> None:
    """Nothing is left to do for these links but at the time that an operation asked for."""
    touch.untouch(tx, [one.operation.link for one in done])
    touch.postpone(tx, {one.operation.link: one.again for one in done if one.again is not None})


def forget(tx: Transaction, done: Sequence[Done]) -> None:
    """Remove links with all that was observed of them, and leave a tombstone: ids, no values of anybody."""
    for one in space.links(tx, [one.operation.link for one in done]):
        tx.put(tombstone, [_tombstone(tx, one)])
        for side in Side:
            anchor = one.end(side).anchor
            if anchor is None:
                continue
            _keep_names(tx, one, side)
            touch.touch_referrers(tx, side, [anchor])
            for table in (observation, reference, key_table, echo, seen, content_alias):
                mine = and_(table.c.school == tx.school, table.c.side == side, table.c.anchor == anchor)
                tx.run(delete(table).where(mine))
        drop(tx, one.id)


def _keep_names(tx: Transaction, one: Link, side: Side) -> None:
    """A login of the school is never given to another person, also one that the bridge only saw."""
    columns = [column.name for column in tx.kinds[one.kind].fields if column.assigned_from]
    if side is not Side.SCHOOL or not columns:
        return
    mine = and_(observation.c.school == tx.school, observation.c.side == side)
    for row in tx.rows(select(observation.c.fields).where(mine, observation.c.anchor == one.end(side).anchor)):
        fields = decode(row.fields)
        for name in columns:
            if fields.get(name):
                names.keep(tx, name, str(fields[name]), link=one.id)


def _tombstone(tx: Transaction, one: Link) -> dict[str, Any]:
    return {
        "link": one.id,
        "kind": one.kind,
        "school_anchor": one.school.anchor,
        "cloud_anchor": one.cloud.anchor,
        "at": tx.now,
        "agreed": "{}",
    }
