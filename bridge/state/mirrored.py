"""What is mirrored: objects that live on both sides and were agreed on, streamed in the order of their links.

All of it is read in one moment of the database, a few thousand rows at a time. Reads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, select

from bridge.core.model import Side
from bridge.state.database import Database
from bridge.state.tables import agreed_reference, agreement, link, observation

_AT_ONCE = 5000
_PARENT = "parent"
_ANCHORS = {Side.SCHOOL: link.c.school_anchor, Side.CLOUD: link.c.cloud_anchor}
_ABOVE = and_(
    agreed_reference.c.school == agreement.c.school,
    agreed_reference.c.link == agreement.c.link,
    agreed_reference.c.field == _PARENT,
)
#: Made once: it is asked for each folder.
_PLACE = (
    select(agreement.c.fields, agreed_reference.c.target)
    .select_from(agreement.outerjoin(agreed_reference, _ABOVE))
    .where(agreement.c.school == bindparam("of_school"), agreement.c.link == bindparam("of_link"))
)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One object: its ends' anchors, and what was agreed of it as it is stored; ``parent`` is a link."""

    link: str
    kind: str
    school: str
    cloud: str
    fields: str
    parent: str | None


@contextmanager
def one_moment(database: Database) -> Iterator[Connection]:
    """A transaction in which nothing that others write meanwhile is seen."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def objects(connection: Connection, code: str) -> Iterator[Mirrored]:
    """All of a school's people or of a root, by link."""
    query, after = _objects(), ""
    while True:
        mine = and_(link.c.school == code, link.c.id > after)
        rows = connection.execute(query.where(mine).order_by(link.c.id).limit(_AT_ONCE)).all()
        for row in rows:
            yield Mirrored(*row)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0]


def _objects() -> Select[Any]:
    near, far = observation.alias("near"), observation.alias("far")
    here = and_(near.c.school == link.c.school, near.c.side == Side.SCHOOL, near.c.anchor == link.c.school_anchor)
    there = and_(far.c.school == link.c.school, far.c.side == Side.CLOUD, far.c.anchor == link.c.cloud_anchor)
    agreed = and_(agreement.c.school == link.c.school, agreement.c.link == link.c.id)
    source = link.join(near, here).join(far, there).join(agreement, agreed).outerjoin(agreed_reference, _ABOVE)
    columns = (link.c.id, link.c.kind, near.c.anchor, far.c.anchor, agreement.c.fields, agreed_reference.c.target)
    return select(*columns).select_from(source).where(near.c.gone.is_(None), far.c.gone.is_(None))


def memberships(connection: Connection, code: str) -> Iterator[tuple[str, str, str]]:
    """(link, field, link referred to) of all that is agreed between a school's people and groups."""
    mine = and_(agreed_reference.c.school == code, agreed_reference.c.field != _PARENT)
    columns = (agreed_reference.c.link, agreed_reference.c.field, agreed_reference.c.target)
    for of in connection.scalars(
        select(agreed_reference.c.link).where(mine).distinct().order_by(agreed_reference.c.link)
    ):
        rows = connection.execute(select(*columns).where(mine, agreed_reference.c.link == of))
        yield from sorted((row[0], row[1], row[2]) for row in rows)


def place(connection: Connection, code: str, of: str) -> tuple[str, str | None] | None:
    """What was agreed of one object and its parent's link; None where nothing was."""
    row = connection.execute(_PLACE, {"of_school": code, "of_link": of}).first()
    return None if row is None else (row[0], row[1])


def one_sided(connection: Connection, codes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Side -> kind -> living records of these schools and roots that do not live on the other side, too."""
    found: dict[str, Counter[str]] = {}
    beyond = observation.alias("beyond")
    for code, side in product(codes, Side):
        mine, other = _ANCHORS[side], _ANCHORS[side.other]
        linked = and_(link.c.school == observation.c.school, mine == observation.c.anchor)
        there = and_(beyond.c.school == link.c.school, beyond.c.side == side.other, beyond.c.anchor == other)
        source = observation.outerjoin(link, linked).outerjoin(beyond, and_(there, beyond.c.gone.is_(None)))
        here = and_(observation.c.school == code, observation.c.side == side, observation.c.gone.is_(None))
        query = select(observation.c.kind, func.count()).select_from(source).where(here, beyond.c.anchor.is_(None))
        for kind, number in connection.execute(query.group_by(observation.c.kind)):
            found.setdefault(side, Counter())[kind] += number
    return {side: dict(sorted(kinds.items())) for side, kinds in sorted(found.items())}
