"""Link space: records as reconcile sees them, every reference named by the link it leads to.

1. the links,  2. their observations,  3. their references joined to the links of the targets,  4. the agreements.
A batch costs a handful of statements however many links it has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Row, Select, and_, bindparam, or_, select

from bridge.core.kinds import Kind
from bridge.core.model import Action, Endpoint, Evidence, Fields, Link, Record, Side, Taken, Value
from bridge.ports import chunks
from bridge.state import drift, holds
from bridge.state.canonical import decode, shaped
from bridge.state.tables import agreed_reference, agreement, link, observation, reference, touched, trouble
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, SIDE, Transaction, among

_GONE_FOR_SURE = frozenset({Evidence.DELETED, Evidence.PURGED})


@dataclass(slots=True)
class Targets:
    """Where one field of one record leads: linked targets, how many are not, and records of the same kind to follow."""

    links: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    nested: list[str] = field(default_factory=list)


#: (anchor, field) -> targets
Leads = dict[tuple[str, str], Targets]

_OBSERVED = select(observation).where(
    observation.c.school == MINE, observation.c.side == SIDE, observation.c.anchor.in_(among("anchors"))
)
_REFERENCES = select(reference.c.anchor, reference.c.field, reference.c.target).where(
    reference.c.school == MINE, reference.c.side == SIDE, reference.c.anchor.in_(among("anchors"))
)
_LINKED = {
    side: select(anchor, link.c.id).where(link.c.school == MINE, anchor.in_(among("anchors")))
    for side, anchor in ANCHOR.items()
}
_LINKS = (
    select(link, trouble.c.attempts)
    .select_from(link.outerjoin(trouble, and_(trouble.c.school == MINE, trouble.c.link == link.c.id)))
    .where(link.c.school == MINE, link.c.id.in_(among("links")))
)
_AGREED = select(agreement.c.link, agreement.c.fields).where(
    agreement.c.school == MINE, agreement.c.link.in_(among("links"))
)
_AGREED_REFERENCES = select(agreed_reference.c.link, agreed_reference.c.field, agreed_reference.c.target).where(
    agreed_reference.c.school == MINE, agreed_reference.c.link.in_(among("links"))
)
_near, _far = observation.alias("near"), observation.alias("far")
_there = {
    side: and_(end.c.school == MINE, end.c.side == side, end.c.anchor == ANCHOR[side], end.c.gone.is_(None))
    for side, end in ((Side.SCHOOL, _near), (Side.CLOUD, _far))
}
_ALIVE = (
    select(link.c.id, _near.c.anchor, _far.c.anchor)
    .select_from(link.outerjoin(_near, _there[Side.SCHOOL]).outerjoin(_far, _there[Side.CLOUD]))
    .where(link.c.school == MINE, link.c.id.in_(among("links")))
)


def due(tx: Transaction, *, after: tuple[int, str] | None, limit: int) -> list[Link]:
    """Touched links whose time has come and that nothing holds, after the given (rank, id).

    By rank, then by id, which grows with time; of kinds with content the latest come first: of a million files that
    wait for their turn, the one that was saved just now is not the last.
    """
    contents = sorted({kind.rank for kind in tx.kinds.values() if kind.content})
    ranks = sorted({kind.rank for kind in tx.kinds.values()})
    rows: list[Row[*tuple[Any, ...]]] = []
    for falling in (False, True):
        mine = [rank for rank in ranks if (rank in contents) is falling and (after is None or rank >= after[0])]
        if not mine or len(rows) >= limit:
            continue
        rank, last = after or (0, "")
        query = _due(falling=falling, further=after is not None)
        rows += tx.rows(query, now=tx.now, ranks=mine, rank=rank, last=last, most=limit - len(rows))
    return resolve(tx, rows)


@cache
def _due(*, falling: bool, further: bool) -> Select[*tuple[Any, ...]]:
    held = and_(trouble.c.school == MINE, trouble.c.link == touched.c.link)
    source = touched.join(link, and_(link.c.school == MINE, link.c.id == touched.c.link)).outerjoin(trouble, held)
    now_or_then = or_(touched.c.changed.is_(True), touched.c.again <= bindparam("now"))
    free = or_(trouble.c.link.is_(None), trouble.c.retry_at <= bindparam("now"))
    mine = and_(touched.c.school == MINE, touched.c.rank.in_(among("ranks")))
    query = select(link, trouble.c.attempts).select_from(source).where(mine, now_or_then, free)
    if further:
        last: BindParameter[str] = bindparam("last")
        behind = and_(touched.c.rank == bindparam("rank"), touched.c.link < last if falling else touched.c.link > last)
        query = query.where(or_(touched.c.rank > bindparam("rank"), behind))
    by_id = touched.c.link.desc() if falling else touched.c.link
    return query.order_by(touched.c.rank, by_id).limit(bindparam("most"))


def links(tx: Transaction, ids: Iterable[str]) -> list[Link]:
    """These links, by (rank, id); unknown ids are left out."""
    found: list[Link] = []
    for batch in chunks(sorted(set(ids)), BATCH):
        found += resolve(tx, tx.rows(_LINKS, links=batch))
    rank = {name: kind.rank for name, kind in tx.kinds.items()}
    return sorted(found, key=lambda one: (rank.get(one.kind, 0), one.id))


def resolve(tx: Transaction, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Link]:
    """Rows of the link table with ``trouble.attempts`` as links, in the same order."""
    schools = _endpoints(tx, Side.SCHOOL, rows)
    clouds = _endpoints(tx, Side.CLOUD, rows)
    agreed = agreements(tx, rows)
    decided, owners = drift.decided(tx, [row.id for row in rows if tx.kinds[row.kind].parent is None])
    stopped = holds.stopped(tx, [row.id for row in rows if tx.kinds[row.kind].role])
    return [
        Link(
            id=sys.intern(row.id),
            kind=row.kind,
            school=schools.get(row.id, Endpoint()),
            cloud=clouds.get(row.id, Endpoint()),
            agreed=agreed.get(row.id),
            retired_at=row.retired_at,
            attempts=row.attempts or 0,
            decided=decided.get(row.id, {}),
            owners=owners.get(row.id, {}),
            taken=Taken(Action(row.step), row.step_at, Side(row.step_on)) if row.step else None,
            stopped=stopped.get(row.id, ()),
        )
        for row in rows
    ]


def _endpoints(tx: Transaction, side: Side, rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, Endpoint]:
    anchored = {getattr(row, f"{side}_anchor"): row for row in rows if getattr(row, f"{side}_anchor") is not None}
    ends = {row.id: Endpoint(anchor=anchor) for anchor, row in anchored.items()}
    for batch in chunks(sorted(anchored), BATCH):
        observed = {row.anchor: row for row in tx.rows(_OBSERVED, of_side=side, anchors=batch)}
        alive = {anchor: row.kind for anchor, row in observed.items() if row.gone is None}
        leads = _leads(tx, side, alive)
        for anchor, row in observed.items():
            ends[anchored[anchor].id] = _endpoint(tx, row, leads)
    return ends


def _endpoint(tx: Transaction, row: Row[*tuple[Any, ...]], leads: Mapping[str, Mapping[str, Targets]]) -> Endpoint:
    if row.gone is not None:
        return Endpoint(anchor=row.anchor, gone=Evidence(row.gone))
    fields: dict[str, Value] = decode(row.fields)
    kind = tx.kinds[row.kind]
    foreign: dict[str, int] = {}
    for name, targets in leads.get(row.anchor, {}).items():
        if targets.links:
            fields[name] = shaped(kind, name, targets.links)
        if targets.foreign:
            foreign[name] = len(targets.foreign)
    return Endpoint(row.anchor, Record(row.kind, row.anchor, row.version, fields), None, foreign, row.changed_at)


def _leads(tx: Transaction, side: Side, alive: Mapping[str, str]) -> dict[str, dict[str, Targets]]:
    """Anchor -> field -> targets, flattened sets followed to their end on the school's side."""
    by_anchor: dict[str, dict[str, Targets]] = {}
    for kind_name in sorted(set(alive.values())):
        kind = tx.kinds.get(kind_name)
        if kind is None or not kind.references:
            continue
        anchors = [anchor for anchor, name in alive.items() if name == kind_name]
        flat = {column.name for column in kind.references if column.flatten} if side is Side.SCHOOL else set()
        direct = _direct(tx, side, kind=kind, anchors=anchors, flat=flat)
        below = _below(tx, side, kind=kind, flat=flat, direct=direct)
        for (anchor, name), targets in direct.items():
            whole = _follow(targets, below, name=name, start=anchor) if targets.nested else targets
            by_anchor.setdefault(anchor, {})[name] = whole
    return by_anchor


def _direct(tx: Transaction, side: Side, *, kind: Kind, anchors: Iterable[str], flat: set[str]) -> Leads:
    """The stored references of records of one kind.

    Each target is looked up once, however many groups it is in: a join would do it once for each membership.
    """
    found: list[tuple[str, str, str]] = []
    for batch in chunks(anchors, BATCH):
        found += [(anchor, name, target) for anchor, name, target in tx.rows(_REFERENCES, of_side=side, anchors=batch)]
    linked = linked_anchors(tx, side, {target for _, _, target in found})
    nesting = _anchors_of_kind(tx, side, kind) if flat else {}
    leads: Leads = {}
    for anchor, name, target in found:
        targets = leads.setdefault((anchor, name), Targets())
        if name in flat and target in nesting:
            if nesting[target] not in _GONE_FOR_SURE:
                targets.nested.append(target)
        elif (of := linked.get(target)) is None:
            targets.foreign.add(target)
        else:
            targets.links.add(of)
    return leads


def linked_anchors(tx: Transaction, side: Side, anchors: set[str]) -> dict[str, str]:
    """Anchor -> link, for those that have one."""
    found: dict[str, str] = {}
    for batch in chunks(sorted(anchors), BATCH):
        found.update({row[0]: sys.intern(row[1]) for row in tx.rows(_LINKED[side], anchors=batch)})
    return found


def _anchors_of_kind(tx: Transaction, side: Side, kind: Kind) -> dict[str, str | None]:
    """Anchor -> evidence, of all records of a kind that nests: hundreds, not thousands."""
    mine = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.kind == kind.name)
    return {row[0]: row[1] for row in tx.rows(select(observation.c.anchor, observation.c.gone).where(mine))}


def _below(tx: Transaction, side: Side, *, kind: Kind, flat: set[str], direct: Leads) -> Leads:
    """The references of everything that is nested, level by level; each record is read once."""
    below: Leads = dict(direct)
    read = {anchor for anchor, _ in direct}
    frontier = {anchor for targets in direct.values() for anchor in targets.nested} - read
    while frontier:
        level = _direct(tx, side, kind=kind, anchors=sorted(frontier), flat=flat)
        below |= level
        read |= frontier
        frontier = {anchor for targets in level.values() for anchor in targets.nested} - read
    return below


def _follow(targets: Targets, below: Leads, *, name: str, start: str) -> Targets:
    """Everything that is reached through nested records; circles end by themselves."""
    whole = Targets(set(targets.links), set(targets.foreign))
    visited = {start}
    stack = list(targets.nested)
    while stack:
        anchor = stack.pop()
        if anchor in visited:
            continue
        visited.add(anchor)
        further = below.get((anchor, name))
        if further is not None:
            whole.links |= further.links
            whole.foreign |= further.foreign
            stack += further.nested
    return whole


def agreements(tx: Transaction, rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, Fields]:
    """Link -> the agreed fields, references included."""
    kinds = {row.id: row.kind for row in rows}
    agreed: dict[str, dict[str, Value]] = {}
    for batch in chunks(kinds, BATCH):
        for row in tx.rows(_AGREED, links=batch):
            agreed[row.link] = decode(row.fields)
        sets: dict[tuple[str, str], set[str]] = {}
        for row in tx.rows(_AGREED_REFERENCES, links=batch):
            sets.setdefault((row[0], row[1]), set()).add(sys.intern(row[2]))
        for (of, name), targets in sets.items():
            agreed[of][name] = shaped(tx.kinds[kinds[of]], name, targets)
    return dict(agreed)


def anchors(tx: Transaction, ids: Iterable[str]) -> dict[str, tuple[str | None, str | None]]:
    """Link -> anchors of its living endpoints."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for batch in chunks(sorted(set(ids)), BATCH):
        for row in tx.rows(_ALIVE, links=batch):
            found[row[0]] = (row[1], row[2])
    return found
