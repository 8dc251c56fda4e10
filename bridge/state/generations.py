"""Which source anchor stands for a group of the school, where the group became another class in a new school year.

A class that goes on in the cloud keeps the source anchor that its cloud group was made with, whatever group of the
directory it is now; a group of the directory that begins anew gets one that nobody had before. Without that the next
creation would find last year's group under the old source anchor and take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import and_, delete, select, update

from bridge.core.model import Side
from bridge.ports import Observation, chunks
from bridge.state.canonical import decode, encode, folded
from bridge.state.tables import generation, key, observation
from bridge.state.transaction import BATCH, Transaction

NAME = "source_anchor"
#: Between a source anchor and the number of its generation.
BEFORE_NUMBER = "~"


def applied(tx: Transaction, side: Side, seen: Sequence[Observation]) -> Sequence[Observation]:
    """The school's observations with the source anchors that stand for them; costs one question a page of groups."""
    groups = [one.anchor for one in seen if one.kind == "group" and NAME in one.fields]
    if side is not Side.SCHOOL or not groups:
        return seen
    known = current(tx, groups)
    if not known:
        return seen
    return [
        replace(one, fields={**one.fields, NAME: known[one.anchor]})
        if one.anchor in known and NAME in one.fields
        else one
        for one in seen
    ]


def current(tx: Transaction, anchors: Iterable[str]) -> dict[str, str]:
    """Anchor at the school -> the source anchor that stands for it; those with their own are left out."""
    found: dict[str, str] = {}
    for batch in chunks(sorted(set(anchors)), BATCH):
        mine = and_(generation.c.school == tx.school, generation.c.anchor.in_(batch))
        found.update({row.anchor: row.source_anchor for row in tx.rows(select(generation).where(mine))})
    return found


def give(tx: Transaction, given: Mapping[str, str]) -> dict[str, str]:
    """Have these source anchors stand for groups of the school, at once; returns what stood for them before."""
    before = stored(tx, Side.SCHOOL, given)
    tx.put(generation, ({"anchor": anchor, "source_anchor": value} for anchor, value in given.items()))
    _show(tx, given)
    return before


def take_back(tx: Transaction, before: Mapping[str, str], *, had: Mapping[str, str]) -> None:
    """Undo ``give``: ``before`` is what it returned, ``had`` what ``current`` told then."""
    for batch in chunks(sorted(before), BATCH):
        tx.run(delete(generation).where(generation.c.school == tx.school, generation.c.anchor.in_(batch)))
    tx.put(generation, ({"anchor": anchor, "source_anchor": value} for anchor, value in had.items()))
    _show(tx, before)


def stored(tx: Transaction, side: Side, anchors: Iterable[str]) -> dict[str, str]:
    """Anchor -> the source anchor that is stored of a record."""
    found: dict[str, str] = {}
    for batch in chunks(sorted(set(anchors)), BATCH):
        mine = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor.in_(batch))
        for row in tx.rows(select(observation.c.anchor, observation.c.fields).where(mine)):
            found[row.anchor] = str(decode(row.fields).get(NAME) or "")
    return found


def _show(tx: Transaction, values: Mapping[str, str]) -> None:
    for anchor, value in values.items():
        here = and_(
            observation.c.school == tx.school, observation.c.side == Side.SCHOOL, observation.c.anchor == anchor
        )
        for row in tx.rows(select(observation.c.kind, observation.c.fields).where(here)):
            tx.run(update(observation).where(here).values(fields=encode({**decode(row.fields), NAME: value})))
            told = {"side": Side.SCHOOL.value, "anchor": anchor, "name": NAME, "kind": row.kind}
            tx.put(key, [{**told, "value": folded(value)}])


def fresh(tx: Transaction, anchors: Iterable[str]) -> dict[str, str]:
    """Anchor -> a source anchor that nobody had before."""
    own = stored(tx, Side.SCHOOL, anchors)
    taken = {row.value for row in tx.rows(select(key.c.value).where(key.c.school == tx.school, key.c.name == NAME))}
    taken |= {folded(row.source_anchor) for row in tx.rows(
        select(generation.c.source_anchor).where(generation.c.school == tx.school))}  # fmt: skip
    found: dict[str, str] = {}
    for anchor in sorted(own):
        number = 2
        while folded(f"{anchor}{BEFORE_NUMBER}{number}") in taken:
            number += 1
        found[anchor] = f"{anchor}{BEFORE_NUMBER}{number}"
        taken.add(folded(found[anchor]))
    return found
