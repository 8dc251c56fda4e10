"""Names are given once and for ever: no login of a person who left is ever given to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from sqlalchemy import Connection, and_, func, select, update

from bridge.ports import chunks
from bridge.state.canonical import folded
from bridge.state.reserved import MARK
from bridge.state.tables import name
from bridge.state.transaction import BATCH, Transaction

#: How many candidates of each person are looked up at first, and how many times as many when these are all taken.
_FIRST, _MORE = 2, 4


def reserve(tx: Transaction, space: str, wanted: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Link -> its name in the space; a link all of whose candidates are taken is left out."""
    held = _held_by(tx, space, [link for link, _ in wanted])
    given = _given(tx, space, [(link, names) for link, names in wanted if link not in held])
    tx.add(
        name,
        (
            {"space": space, "folded": folded(one), "name": one, "link": link, "at": tx.now}
            for link, one in given.items()
        ),
    )
    return held | given


def _given(tx: Transaction, space: str, wanted: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Link -> its first candidate that nobody has, in the order of ``wanted``.

    Most people get one of their first names: all 30 of each would be ten times as much to ask for, and each person's by
    itself a query a person. So all whose names do not suffice ask together for some more, and it is given out anew.
    """
    depth = dict.fromkeys((link for link, _ in wanted), _FIRST)
    asked: set[str] = set()
    taken: set[str] = set()
    while True:
        fresh = {folded(one) for link, names in wanted for one in names[: depth[link]]} - asked
        taken |= _taken(tx, space, fresh)
        asked |= fresh
        given, short = _hand_out(wanted, depth, taken)
        if not short:
            return given
        depth |= {link: depth[link] * _MORE for link in short}


def _hand_out(
    wanted: Sequence[tuple[str, Sequence[str]]], depth: Mapping[str, int], taken: Set[str]
) -> tuple[dict[str, str], list[str]]:
    """What everybody gets of the candidates looked up so far, and who may get one only of the further ones."""
    given: dict[str, str] = {}
    mine: set[str] = set()
    short: list[str] = []
    for link, names in wanted:
        if link in given:
            continue
        for one in names[: depth[link]]:
            if one and (key := folded(one)) not in taken and key not in mine:
                mine.add(key)
                given[link] = one
                break
        else:
            if depth[link] < len(names):
                short.append(link)
    return given, short


def _held_by(tx: Transaction, space: str, links: Sequence[str]) -> dict[str, str]:
    held: dict[str, str] = {}
    for batch in chunks(links, BATCH):
        mine = and_(name.c.school == tx.school, name.c.space == space, name.c.link.in_(batch))
        for row in tx.rows(select(name.c.link, name.c.name).where(mine).order_by(name.c.at, name.c.folded)):
            held.setdefault(row.link, row.name)
    return held


def _taken(tx: Transaction, space: str, candidates: set[str]) -> set[str]:
    taken = tx.key.known(space, candidates, _hashed(tx, space))
    for batch in chunks(sorted(candidates), BATCH):
        mine = and_(name.c.school == tx.school, name.c.space == space, name.c.folded.in_(batch))
        taken.update(row.folded for row in tx.rows(select(name.c.folded).where(mine)))
    return taken


def keep(tx: Transaction, space: str, one: str, *, link: str) -> None:
    """A name that somebody had who is gone for good: nobody gets it again."""
    mine = and_(name.c.school == tx.school, name.c.space == space, name.c.folded == folded(one))
    if not tx.rows(select(name.c.folded).where(mine)):
        tx.add(name, [{"space": space, "folded": folded(one), "name": one, "link": link, "at": tx.now}])


def _hashed(tx: Transaction, space: str) -> list[str]:
    """What is left of the names of people who were erased."""
    mine = and_(name.c.school == tx.school, name.c.space == space, name.c.folded.startswith(MARK))
    return [row.folded for row in tx.rows(select(name.c.folded).where(mine))]


def marks(connection: Connection) -> list[str]:
    """Which keys the names of erased people were hashed with, in all schools: one, unless somebody mixed files up."""
    mark = func.substr(name.c.folded, len(MARK) + 1, 8)
    return list(connection.scalars(select(mark).where(name.c.folded.startswith(MARK)).distinct()))


def spoil(tx: Transaction, link: str) -> None:
    """Block the names of a link for everybody: they belong to somebody outside, the link gets others."""
    tx.run(update(name).where(name.c.school == tx.school, name.c.link == link).values(link=""))
