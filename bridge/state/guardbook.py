"""What is held, what a person released, and the numbers that the guard counts with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, func, or_, select, update

from bridge.core.guard import tally_of
from bridge.core.model import Action, Side
from bridge.ports import Done, Tallies, Trouble, chunks
from bridge.state import journal, touch
from bridge.state.tables import agreement, link, observation, release, school, tally, touched, trouble
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, SIDE, Transaction, among

#: What a held operation counts as: one object each.
_COUNTED = {"create": "create", "update": "update", "disable": "disable", "delete": "delete", "retire": "delete"}
_COUNTED |= {"purge": "delete", "restore": "restore", "detach": "rename"}

_unused = and_(release.c.school == MINE, release.c.used.is_(None))
_RELEASED = select(release.c.link).where(
    _unused, or_(release.c.expires.is_(None), release.c.expires > bindparam("now"))
)
_USE = update(release).where(_unused, release.c.link.in_(among("links"))).values(used=bindparam("now"))
_HEAD = select(school.c.journal_seq).where(school.c.code == MINE)
_cell = (tally.c.side, tally.c.kind, tally.c.role, tally.c.tally)
_WRITTEN = (
    select(*_cell, func.sum(tally.c.number))
    .where(tally.c.school == MINE, tally.c.at >= bindparam("since"))
    .group_by(*_cell)
)
_whose = (trouble.c.side, trouble.c.kind, trouble.c.role, trouble.c.action)
_HELD = (
    select(*_whose, func.count())
    .where(trouble.c.school == MINE, trouble.c.retry_at.is_(None), trouble.c.rule.startswith("guard"))
    .group_by(*_whose)
)
_ANY_AGREED = select(agreement.c.link).where(agreement.c.school == MINE).limit(1)
_ANY_ALIVE = (
    select(observation.c.anchor)
    .where(observation.c.school == MINE, observation.c.gone.is_(None), observation.c.side == SIDE)
    .limit(1)
)


def hold(tx: Transaction, troubles: Iterable[Trouble], *, cycle: str = "") -> None:
    """Mark links as held; a new rule, not each repetition, is journaled."""
    wanted = {one.link: one for one in troubles}
    for batch in chunks(wanted.values(), BATCH):
        ids = [one.link for one in batch]
        mine = and_(trouble.c.school == tx.school, trouble.c.link.in_(ids))
        known = {row.link: row.rule for row in tx.rows(select(trouble.c.link, trouble.c.rule).where(mine))}
        tx.put(trouble, (_row(one) for one in batch))
        ranks = tx.rows(select(link.c.id, link.c.rank).where(link.c.school == tx.school, link.c.id.in_(ids)))
        tx.add(touched, ({"link": row.id, "rank": row.rank, "changed": True} for row in ranks))
        fresh: dict[tuple[str, str, str, str], list[str]] = {}
        for one in batch:
            if known.get(one.link) != one.rule:
                fresh.setdefault((one.rule, one.side, one.kind, one.action), []).append(one.link)
        journal.append(tx, (_held(group, ids, cycle) for group, ids in fresh.items()))


def _row(one: Trouble) -> dict[str, Any]:
    return {
        "link": one.link,
        "kind": one.kind,
        "side": one.side,
        "action": one.action,
        "role": one.role,
        "rule": one.rule,
        "message": one.message,
        "since": one.since,
        "attempts": one.attempts,
        "retry_at": one.retry_at,
    }


def _held(group: tuple[str, str, str, str], ids: list[str], cycle: str) -> journal.Entry:
    rule, side, kind, action = group
    only = ids[0] if len(ids) == 1 else ""
    after = {"action": str(action), "links": ids}
    return journal.Entry("hold", cycle=cycle, side=side, kind=kind, link=only, reason=rule, after=after, outcome="held")


def troubles(tx: Transaction) -> list[Trouble]:
    """Everything that is held or in quarantine, the oldest first."""
    rows = tx.rows(select(trouble).where(trouble.c.school == tx.school).order_by(trouble.c.since, trouble.c.link))
    return [trouble_of(row) for row in rows]


def trouble_of(row: Row[Any]) -> Trouble:
    """A row of the table."""
    return Trouble(
        link=row.link,
        kind=row.kind,
        side=Side(row.side),
        action=Action(row.action),
        role=row.role,
        rule=row.rule,
        message=row.message,
        since=row.since,
        attempts=row.attempts,
        retry_at=row.retry_at,
    )


def let_go(tx: Transaction, of: str, *, actor: str, reason: str, expires: datetime | None) -> None:
    """A person frees one link: it is due at once, and the guard lets it pass once."""
    held = tx.rows(select(trouble.c.rule).where(trouble.c.school == tx.school, trouble.c.link == of))
    rule = held[0].rule if held else ""
    row = {"link": of, "actor": actor, "reason": reason, "at": tx.now, "expires": expires, "used": None}
    tx.put(release, [row])
    touch.touch(tx, [of])
    journal.append(tx, [journal.Entry("release", actor=actor, link=of, reason=reason, before={"rule": rule})])


def released(tx: Transaction) -> frozenset[str]:
    """Links that a person released and that were not written since."""
    return frozenset(row.link for row in tx.rows(_RELEASED, now=tx.now))


def use_releases(tx: Transaction, ids: Sequence[str]) -> None:
    """A release is good for one write."""
    for batch in chunks(ids, BATCH):
        tx.run(_USE, links=batch, now=tx.now)


def holds(tx: Transaction, prefix: str, sides: Iterable[Side]) -> bool:
    """Whether such rules hold anything on these sides."""
    return bool(tx.rows(select(trouble.c.link).where(_held_by(tx, prefix, sides)).limit(1)))


def _held_by(tx: Transaction, prefix: str, sides: Iterable[Side]) -> ColumnElement[bool]:
    by_rule = trouble.c.rule.startswith(prefix, autoescape=True)
    return and_(trouble.c.school == tx.school, by_rule, trouble.c.side.in_(list(sides)))


def unhold(tx: Transaction, prefix: str, sides: Iterable[Side] = Side) -> int:
    """What these rules held is due again, because what they judge by changed; returns how many links."""
    mine = _held_by(tx, prefix, sides)
    ids = [row.link for row in tx.rows(select(trouble.c.link).where(mine))]
    touch.touch(tx, ids)
    tx.run(delete(trouble).where(mine))
    return len(ids)


def count_written(tx: Transaction, done: Sequence[Done]) -> None:
    """Sum up what the guard counts of a call; its rows stand under the head of the journal."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for one in done:
        operation = one.operation
        for name, number in tally_of(operation, tx.kinds[operation.kind]).items():
            counts[operation.side, operation.kind, operation.role, name] += number
    head = tx.rows(_HEAD)[0].journal_seq
    tx.add(
        tally,
        (
            {"seq": head, "side": side, "kind": kind, "role": role, "tally": name, "at": tx.now, "number": number}
            for (side, kind, role, name), number in counts.items()
        ),
    )


def tallies(tx: Transaction, since: datetime) -> Tallies:
    """Numbers written since then, plus one for every link that the guard holds."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for row in tx.rows(_WRITTEN, since=since):
        counts[row[0], row[1], row[2], row[3]] += int(row[4])
    for row in tx.rows(_HELD):
        if row[3] in _COUNTED:
            counts[row[0], row[1], row[2], _COUNTED[row[3]]] += int(row[4])
    return dict(counts)


def population(tx: Transaction) -> dict[tuple[str, str, str], int]:
    """(side, kind, role) -> linked living records; a record's role is that of the school's end, alive or not."""
    numbers: Counter[tuple[str, str, str]] = Counter()
    at_school = observation.alias("at_school")
    for side in Side:
        here = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor == ANCHOR[side])
        there = and_(
            at_school.c.school == tx.school,
            at_school.c.side == Side.SCHOOL,
            at_school.c.anchor == link.c.school_anchor,
        )
        source = link.join(observation, here).outerjoin(at_school, there)
        role = func.coalesce(at_school.c.role, "")
        query = select(link.c.kind, role, func.count()).select_from(source)
        mine = and_(link.c.school == tx.school, observation.c.gone.is_(None))
        for row in tx.rows(query.where(mine).group_by(link.c.kind, role)):
            numbers[side.value, row[0], row[1]] += int(row[2])
    return dict(numbers)


def empty(tx: Transaction) -> frozenset[Side]:
    """Sides without one living record although there are agreements."""
    if not tx.rows(_ANY_AGREED):
        return frozenset()
    return frozenset(side for side in Side if not tx.rows(_ANY_ALIVE, of_side=side))
