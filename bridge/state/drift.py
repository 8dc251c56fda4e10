"""Values that were changed on the side that does not own them: what was found, what became of it, what a person chose.

One row a field of a link and side, the newest counts. ``held`` waits for a person; ``reverted`` was put right and may
still be taken; ``take`` and ``revert`` are decided and not agreed yet; ``taken`` is done; ``hand-over`` holds until
it is reverted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, select, update

from bridge.core.model import Choice, Decided, Drift, Side, Value
from bridge.ports import Done, chunks
from bridge.state import journal, touch
from bridge.state.canonical import decode, encode
from bridge.state.tables import drift
from bridge.state.transaction import BATCH, Transaction

#: How long a value that was put right can still be taken.
KEPT = timedelta(days=90)
HELD, REVERTED, TAKEN = "held", "reverted", "taken"
_DECIDED = (Choice.TAKE.value, Choice.REVERT.value, Choice.HAND_OVER.value)
#: State after a choice has been agreed on.
_AFTER = {Choice.TAKE.value: TAKEN, Choice.REVERT.value: REVERTED}


@dataclass(frozen=True, slots=True)
class Drifted:
    """A row as a person sees it. ``side`` is where ``found`` was; ``state`` as above."""

    link: str
    kind: str
    field: str
    side: Side
    found: Value
    wanted: Value
    state: str
    at: datetime


def note(tx: Transaction, drifts: Sequence[Drift]) -> None:
    """Remember drifts; a value that is held already keeps its time, and a choice its row."""
    known = {(one.link, one.field, one.side): one for one in _rows(tx, {one.link for one in drifts})}
    rows = []
    for one in drifts:
        before = known.get((one.link, one.field, one.side))
        if before is not None and before.state in _DECIDED and before.found == one.found:
            continue
        state = HELD if one.held else REVERTED
        same = before is not None and (before.found, before.state) == (one.found, state)
        at = before.at if same and before is not None else tx.now
        found, wanted = encode({"value": one.found}), encode({"value": one.wanted})
        rows.append({"link": one.link, "field": one.field, "kind": one.kind, "side": one.side.value, "found": found,
                     "wanted": wanted, "state": state, "at": at})  # fmt: skip
    tx.put(drift, rows)
    old = and_(drift.c.school == tx.school, drift.c.at < tx.now - KEPT, drift.c.state.in_((REVERTED, TAKEN)))
    tx.run(delete(drift).where(old))


def settle(tx: Transaction, done: Sequence[Done]) -> None:
    """Choices that are agreed on now are done."""
    agreed = {one.operation.link: one.agree for one in done if tx.kinds[one.operation.kind].parent is None}
    for one in _rows(tx, agreed):
        after = _AFTER.get(one.state)
        reached = one.state == Choice.REVERT.value or agreed[one.link].get(one.field) == one.found
        if after is not None and reached and one.field in agreed[one.link]:
            _mark(tx, one, state=after)


def decided(tx: Transaction, links: Sequence[str]) -> tuple[dict[str, dict[str, Decided]], dict[str, dict[str, Side]]]:
    """Link -> field -> what a person chose and is not done yet; link -> field -> the side it was handed over to."""
    chosen: dict[str, dict[str, Decided]] = {}
    owners: dict[str, dict[str, Side]] = {}
    for one in _rows(tx, links, states=_DECIDED):
        if one.state == Choice.HAND_OVER.value:
            owners.setdefault(one.link, {})[one.field] = one.side
        else:
            chosen.setdefault(one.link, {})[one.field] = Decided(Choice(one.state), one.side, one.found)
    return chosen, owners


def drifts(tx: Transaction) -> list[Drifted]:
    """All rows, the newest first."""
    query = select(drift).where(drift.c.school == tx.school).order_by(drift.c.at.desc(), drift.c.link, drift.c.field)
    return [_drifted(dict(row._mapping)) for row in tx.rows(query)]


def choose(tx: Transaction, link: str, field: str, side: Side, choice: Choice, *, actor: str, reason: str) -> None:
    """Decide one drift, journaled; its link is looked at next. KeyError where there is none."""
    rows = {row.side: row for row in _rows(tx, [link]) if row.field == field}
    one = rows[side]
    _mark(tx, one, state=choice.value)
    # What is decided last about a field counts.
    other = rows.get(side.other)
    if other is not None and (other.state in _AFTER or choice is Choice.HAND_OVER) and other.state in _DECIDED:
        _mark(tx, other, state=REVERTED)
    entry = journal.Entry(action=f"drift {choice}", actor=actor, side=one.side, kind=one.kind, link=link, reason=reason,
                          after={"field": field}, outcome="decided")  # fmt: skip
    journal.append(tx, [entry])
    touch.touch(tx, [link])


def _mark(tx: Transaction, one: Drifted, *, state: str) -> None:
    same = and_(drift.c.link == one.link, drift.c.field == one.field, drift.c.side == one.side.value)
    tx.run(update(drift).where(drift.c.school == tx.school, same).values(state=state, at=tx.now))


def _rows(tx: Transaction, links: Iterable[str], *, states: Sequence[str] = ()) -> list[Drifted]:
    found: list[Drifted] = []
    for batch in chunks(sorted(links), BATCH):
        query = select(drift).where(drift.c.school == tx.school, drift.c.link.in_(batch))
        if states:
            query = query.where(drift.c.state.in_(states))
        found += [_drifted(dict(row._mapping)) for row in tx.rows(query)]
    return found


def _drifted(row: Mapping[str, object]) -> Drifted:
    at = row["at"]
    assert isinstance(at, datetime)  # noqa: S101
    return Drifted(
        link=str(row["link"]),
        kind=str(row["kind"]),
        field=str(row["field"]),
        side=Side(str(row["side"])),
        found=decode(str(row["found"])).get("value"),
        wanted=decode(str(row["wanted"])).get("value"),
        state=str(row["state"]),
        at=at,
    )
