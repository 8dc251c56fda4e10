"""Correlate's side of the store: what is not paired, who carries the same key, and the pairs that were decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, cast, delete, null, or_, select, update

from bridge.core.model import Evidence, Side
from bridge.ports import Candidate, Loose, Pair, chunks
from bridge.state import journal, touch
from bridge.state.canonical import BETWEEN, folded
from bridge.state.space import linked_anchors
from bridge.state.tables import (
    agreed_reference,
    agreement,
    drift,
    hold,
    key,
    link,
    name,
    observation,
    release,
    touched,
    touched_loose,
    trouble,
)
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, SIDE, Transaction, among

_KEYS = select(key.c.anchor, key.c.name, key.c.value).where(
    key.c.school == MINE, key.c.side == SIDE, key.c.anchor.in_(among("anchors"))
)
_SET_END = {
    side: update(link)
    .where(link.c.school == MINE, link.c.id == bindparam("of"))
    .values({anchor.name: bindparam("end")})
    for side, anchor in ANCHOR.items()
}

_GONE_FOR_SURE = (Evidence.DELETED, Evidence.PURGED)


def loose(tx: Transaction, *, after: str | None, limit: int) -> list[Loose]:
    """Touched records without another end, by anchor; ``after`` is the last anchor of the call before.

    Some more than ``limit`` may come, so that two sides that use the same anchor are not torn apart.
    """
    found: list[Any] = []
    for query in _loose(further=after is not None):
        found += tx.rows(query, now=tx.now, after=after, most=limit + 1)
    rows = sorted(found, key=lambda row: (row.anchor, row.side))
    end = limit
    while 0 < end < len(rows) and rows[end].anchor == rows[end - 1].anchor:
        end += 1
    rows = rows[:end]
    keys = _keys(tx, rows)
    return [Loose(Side(row.side), row.kind, row.anchor, row.link, keys.get((row.side, row.anchor), {})) for row in rows]


#: The anchor to order by, and the query.
Source = tuple[ColumnElement[str], Select[*tuple[Any, ...]]]


@cache
def _loose(*, further: bool) -> list[Select[*tuple[Any, ...]]]:
    """What has no link, and what has a link with one end; ``further``: behind an anchor."""
    found = []
    for anchor, query in (_unlinked(), *(_one_ended(side) for side in Side)):
        part = query.where(anchor > bindparam("after")) if further else query
        found.append(part.order_by(anchor).limit(bindparam("most")))
    return found


def _unlinked() -> Source:
    there = and_(
        observation.c.school == touched_loose.c.school,
        observation.c.side == touched_loose.c.side,
        observation.c.anchor == touched_loose.c.anchor,
    )
    columns = (observation.c.side, observation.c.kind, observation.c.anchor, cast(null(), String).label("link"))
    source = touched_loose.join(observation, there)
    mine = and_(touched_loose.c.school == MINE, observation.c.gone.is_(None))
    return touched_loose.c.anchor, select(*columns).select_from(source).where(mine)


def _one_ended(side: Side) -> Source:
    here = and_(observation.c.school == MINE, observation.c.side == side, observation.c.anchor == ANCHOR[side])
    source = (
        touched.join(link, and_(link.c.school == MINE, link.c.id == touched.c.link))
        .join(observation, here)
        .outerjoin(trouble, and_(trouble.c.school == MINE, trouble.c.link == link.c.id))
    )
    time_has_come = or_(touched.c.changed.is_(True), touched.c.again <= bindparam("now"))
    free = or_(trouble.c.link.is_(None), trouble.c.retry_at <= bindparam("now"))
    alone = and_(touched.c.school == MINE, ANCHOR[side.other].is_(None), observation.c.gone.is_(None))
    columns = (observation.c.side, observation.c.kind, observation.c.anchor, link.c.id.label("link"))
    return ANCHOR[side], select(*columns).select_from(source).where(alone, time_has_come, free)


def _keys(tx: Transaction, rows: Sequence[Any]) -> dict[tuple[str, str], dict[str, str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    trees = {kind.name for kind in tx.kinds.values() if kind.parent is not None}
    for side in Side:
        for batch in chunks([row.anchor for row in rows if row.side == side], BATCH):
            for row in tx.rows(_KEYS, of_side=side, anchors=batch):
                found.setdefault((side, row.anchor), {})[row.name] = row.value
        places = [found[side, row.anchor] for row in rows if row.side == side and row.kind in trees]
        parents = {keys["place"].split(BETWEEN)[0] for keys in places} - {""}
        linked = linked_anchors(tx, side, parents)
        for keys in places:
            parent, _, called = keys.pop("place").partition(BETWEEN)
            if not parent or parent in linked:
                keys["place"] = f"{linked[parent] if parent else ''}\0{called}"
    return found


def candidates(
    tx: Transaction, side: Side, *, kind: str, name: str, values: Sequence[str]
) -> dict[str, list[Candidate]]:
    """Value -> the records of ``side`` that carry it. ``paired``: with a record that isn't surely gone.

    A link whose other end was deleted for good is free: the person came back under another anchor. Records with a link
    count also from the recycle bin, except in a tree, where a place is no identity.
    """
    wanted = _wanted(tx, side, name, values)
    found: dict[str, list[Candidate]] = {value: [] for value in values}
    query = _candidates(side, binned=name != "place")
    for batch in chunks(sorted(wanted), BATCH):
        for row in tx.rows(query, kind=kind, name=name, values=batch):
            paired = row.far is not None and row.gone not in _GONE_FOR_SURE
            found[wanted[row.value]].append(Candidate(row.anchor, row.id, paired, gone=row.binned is not None))
    return found


@cache
def _candidates(side: Side, *, binned: bool) -> Select[*tuple[Any, ...]]:
    other = observation.alias("other")
    here = and_(observation.c.school == MINE, observation.c.side == side, observation.c.anchor == key.c.anchor)
    there = and_(other.c.school == MINE, other.c.side == side.other, other.c.anchor == ANCHOR[side.other])
    source = (
        key.join(observation, here)
        .outerjoin(link, and_(link.c.school == MINE, ANCHOR[side] == key.c.anchor))
        .outerjoin(other, there)
    )
    columns = (
        key.c.value,
        key.c.anchor,
        link.c.id,
        ANCHOR[side.other].label("far"),
        other.c.gone,
        observation.c.gone.label("binned"),
    )
    seen: ColumnElement[bool] = observation.c.gone.is_(None)
    if binned:
        seen = or_(seen, and_(observation.c.gone == Evidence.DELETED, link.c.id.is_not(None)))
    called = and_(key.c.kind == bindparam("kind"), key.c.name == bindparam("name"), key.c.value.in_(among("values")))
    mine = and_(key.c.school == MINE, key.c.side == side, called, seen)
    return select(*columns).select_from(source).where(mine).order_by(key.c.anchor)


def _wanted(tx: Transaction, side: Side, name: str, values: Sequence[str]) -> dict[str, str]:
    """Stored value -> asked value: a place is asked for by its parent's link and stored by its parent's anchor."""
    if name != "place":
        return {folded(value): value for value in values}
    parents = {value: value.split("\0")[0] for value in values}
    anchors = {"": "", **touch.anchors_of(tx, side, set(parents.values()) - {""})}
    wanted: dict[str, str] = {}
    for value, parent in parents.items():
        anchor = anchors.get(parent)
        if anchor is not None:
            wanted[f"{anchor}{BETWEEN}{folded(value.split(chr(0), 1)[1])}"] = value
    return wanted


def pair(tx: Transaction, pairs: Sequence[Pair]) -> None:
    """Create or complete links and mark them, and what refers to them, as touched; two ends are journaled."""
    for one in pairs:
        if one.absorbs is not None and one.absorbs != one.link:
            drop(tx, one.absorbs, heir=one.link)
    known = touch.anchors_of(tx, Side.SCHOOL, (one.link for one in pairs)).keys()
    tx.add(
        link,
        (
            {
                "id": one.link,
                "kind": one.kind,
                "rank": tx.kinds[one.kind].rank,
                "school_anchor": one.school,
                "cloud_anchor": one.cloud,
            }
            for one in pairs
            if one.link not in known
        ),
    )
    for side in Side:
        set_ends(
            tx, side, {one.link: end for one in pairs if one.link in known and (end := _end(one, side)) is not None}
        )
    touch.touch(tx, (one.link for one in pairs))
    for side in Side:
        ends_of = [end for one in pairs if (end := _end(one, side)) is not None]
        touch.forget_loose(tx, side, ends_of)
        touch.touch_referrers(tx, side, ends_of)
    _journal(tx, pairs)


def _end(one: Pair, side: Side) -> str | None:
    return one.school if side is Side.SCHOOL else one.cloud


def set_ends(tx: Transaction, side: Side, ends: Mapping[str, str | None]) -> None:
    """Link -> its new anchor on a side."""
    tx.each(_SET_END[side], ({"of": of, "end": end} for of, end in ends.items()))


def _journal(tx: Transaction, pairs: Sequence[Pair]) -> None:
    whole = [one for one in pairs if one.school is not None and one.cloud is not None]
    journal.append(
        tx,
        (
            journal.Entry(
                action="link",
                kind=one.kind,
                link=one.link,
                reason="correlate",
                after={"school_anchor": one.school, "cloud_anchor": one.cloud, "absorbs": one.absorbs},
            )
            for one in whole
        ),
    )


def drop(tx: Transaction, gone: str, *, heir: str | None = None) -> None:
    """Remove a link and what hangs on it; names it was given go to the heir, else they stay with it for ever."""
    for table in (touched, trouble, release, agreement, agreed_reference, drift):
        tx.run(delete(table).where(table.c.school == tx.school, table.c.link == gone))
    tx.run(delete(link).where(link.c.school == tx.school, link.c.id == gone))
    held = (hold.c.school == tx.school) & (hold.c.link == gone)
    tx.run(delete(hold).where(held) if heir is None else update(hold).where(held).values(link=heir))
    if heir is not None:
        tx.run(update(name).where(name.c.school == tx.school, name.c.link == gone).values(link=heir))
