"""Names are given once and for ever: no login of a person who left is ever given to another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import and_, select, update

from bridge.ports import chunks
from bridge.state.canonical import folded
from bridge.state.tables import name
from bridge.state.transaction import BATCH, Transaction

#: Candidates of each person that are looked up before anybody's others.
_FIRST = 4


def reserve(tx: Transaction, space: str, wanted: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Link -> its name in the space; a link all of whose candidates are taken is left out."""
    held = _held_by(tx, space, [link for link, _ in wanted])
    known = _Known(tx, space)
    # Most people get one of their first names: asking for all 30 of each would read ten times as much.
    known.ask(one for link, names in wanted if link not in held for one in names[:_FIRST])
    fresh: list[dict[str, object]] = []
    for link, names in wanted:
        if link in held:
            continue
        free = next((one for one in names if one and not known.taken(one, further=names)), None)
        if free is not None:
            known.take(free)
            held[link] = free
            fresh.append({"space": space, "folded": folded(free), "name": free, "link": link, "at": tx.now})
    tx.add(name, fresh)
    return held


class _Known:
    """Which names of a space are taken, asked of the database as far as somebody needs to know."""

    def __init__(self, tx: Transaction, space: str) -> None:
        self._tx, self._space = tx, space
        self._asked: set[str] = set()
        self._taken: set[str] = set()

    def ask(self, names: Iterable[str]) -> None:
        unknown = {folded(one) for one in names} - self._asked
        self._taken |= _taken(self._tx, self._space, unknown)
        self._asked |= unknown

    def taken(self, name: str, *, further: Sequence[str]) -> bool:
        """Whether a name is taken; where that is not known yet, ``further`` are asked for with it."""
        if folded(name) not in self._asked:
            self.ask(further)
        return folded(name) in self._taken

    def take(self, name: str) -> None:
        self._taken.add(folded(name))


def _held_by(tx: Transaction, space: str, links: Sequence[str]) -> dict[str, str]:
    held: dict[str, str] = {}
    for batch in chunks(links, BATCH):
        mine = and_(name.c.school == tx.school, name.c.space == space, name.c.link.in_(batch))
        for row in tx.rows(select(name.c.link, name.c.name).where(mine).order_by(name.c.at, name.c.folded)):
            held.setdefault(row.link, row.name)
    return held


def _taken(tx: Transaction, space: str, candidates: set[str]) -> set[str]:
    taken: set[str] = set()
    for batch in chunks(sorted(candidates), BATCH):
        mine = and_(name.c.school == tx.school, name.c.space == space, name.c.folded.in_(batch))
        taken.update(row.folded for row in tx.rows(select(name.c.folded).where(mine)))
    return taken


def spoil(tx: Transaction, link: str) -> None:
    """Block the names of a link for everybody: they belong to somebody outside, the link gets others."""
    tx.run(update(name).where(name.c.school == tx.school, name.c.link == link).values(link=""))
