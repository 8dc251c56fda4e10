"""How far a school is after its state was put back from a backup: what the store asks and notes; see ``restored``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, select, update

from bridge.core.model import Side
from bridge.core.recovery import Recovery
from bridge.state import books
from bridge.state.fleet_tables import restored
from bridge.state.part import Part
from bridge.state.tables import token
from bridge.state.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Standing:
    """A row. ``code``: the school's or a root's; ``still``: nothing at all is written meanwhile."""

    code: str
    at: datetime
    reason: str
    compared: frozenset[Side]
    still: bool

    @property
    def whole(self) -> bool:
        """Whether both sides were read in full since."""
        return self.compared == frozenset(Side)


def read(row: Row[Any]) -> Standing:
    """A row of the table."""
    compared = frozenset(Side(one) for one in row.compared.split())
    return Standing(row.school, row.at, row.reason, compared, row.still)


def recovery(tx: Transaction, root: str | None = None) -> Recovery:
    """How far the school is, or one of its roots: a root waits for the school's people, too."""
    found = [read(one) for one in tx.rows(select(restored).where(restored.c.school.in_([tx.school, root or ""])))]
    if not found:
        return Recovery.OVER
    if any(one.still for one in found):
        return Recovery.STILL
    return Recovery.COMPARED if all(one.whole for one in found) else Recovery.COMPARING


def mark(tx: Transaction, side: Side) -> None:
    """A listing of the side was read to its end."""
    mine = restored.c.school == tx.school
    for row in tx.rows(select(restored.c.compared).where(mine)):
        known = set(row.compared.split())
        if side.value not in known:
            tx.run(update(restored).where(mine).values(compared=" ".join(sorted({*known, side.value}))))


def unread(tx: Transaction) -> frozenset[Side]:
    """Sides that have to be read in full and would not be: a page that was under way brought a token again."""
    rows = tx.rows(select(restored).where(restored.c.school == tx.school))
    if not rows or not (left := frozenset(Side) - read(rows[0]).compared):
        return frozenset()
    good = and_(token.c.school == tx.school, token.c.value.is_not(None), token.c.listing.is_(False))
    return left & {Side(one.side) for one in tx.rows(select(token.c.side).where(good))}


class Recovering(Part):
    """Mixed into the store of a school, which gives the transactions."""

    def doubtful(self) -> frozenset[Side]:
        """Sides whose token should be dropped: see ``books.doubtful``, and those that a restored state has to read."""
        with self._read() as tx:
            return books.doubtful(tx) | unread(tx)

    def unread(self) -> frozenset[Side]:
        """Of these those that a restored state has to read."""
        with self._read() as tx:
            return unread(tx)

    def recovery(self, root: str) -> Recovery:
        """How far the school is after its state was put back, or one of its roots (a code)."""
        with self._read() as tx:
            return recovery(tx, root)
