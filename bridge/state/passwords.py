"""What became of the passwords that the bridge set: which side has the new one, since when. Never a password.

Written before and after each side, in one transaction with the journal: whatever dies in between, a side that may or
may not have the new one stands here as ``unknown``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, delete, select, update

from bridge.core.model import Side
from bridge.ports import chunks
from bridge.state import journal
from bridge.state.database import Database
from bridge.state.tables import password_state
from bridge.state.transaction import BATCH, writing


class Holds(StrEnum):
    """Which password holds on a side."""

    NEW = "new"  # the one that was set
    OLD = "old"  # the one before it
    UNKNOWN = "unknown"  # one of the two: the answer was lost
    ABSENT = "absent"  # there is no account on this side, or none whose password the bridge can set


@dataclass(frozen=True, slots=True)
class Kept:
    """One person: what holds on each side, and since when."""

    link: str
    sides: Mapping[Side, tuple[Holds, datetime]]

    def told(self) -> str:
        """``school: old, cloud: new``."""
        return ", ".join(f"{side}: {holds}" for side, (holds, _) in self.sides.items())

    @property
    def differs(self) -> bool:
        """Whether the two sides have, or may have, different passwords."""
        return differ(holds for holds, _ in self.sides.values())

    @property
    def since(self) -> datetime:
        """When the last of them was set or refused; raises ValueError when nothing is known."""
        return max(at for _, at in self.sides.values())


def differ(sides: Iterable[Holds]) -> bool:
    """Whether these may be different passwords. Equal is only: all new, or all as before."""
    found = {one for one in sides if one is not Holds.ABSENT}
    return len(found) > 1 or Holds.UNKNOWN in found


def note(
    database: Database, code: str, entries: Sequence[journal.Entry], *, link: str, sides: Mapping[Side, Holds]
) -> None:
    """Journal what is about to be done or was done, and remember what holds on each side now."""
    with writing(database, code) as tx:
        journal.append(tx, entries)
        rows = [{"link": link, "side": side, "outcome": holds, "set_at": tx.now} for side, holds in sides.items()]
        tx.put(password_state, [row for row in rows if row["outcome"] is not Holds.ABSENT])


def put_back(database: Database, code: str, entries: Sequence[journal.Entry], *, before: Kept) -> None:
    """Journal that nothing was changed, and know again what was known before: also that the two differed then."""
    with writing(database, code) as tx:
        journal.append(tx, entries)
        new = and_(_mine(code, before.link), password_state.c.side.not_in(list(before.sides)))
        tx.run(delete(password_state).where(new))
        known = before.sides.items()
        tx.put(password_state, [{"link": before.link, "side": s, "outcome": o, "set_at": at} for s, (o, at) in known])


def mark(database: Database, code: str, *, link: str, side: Side, seen: str) -> None:
    """Remember that a change made on the side itself was dealt with; nothing where no password of it is known."""
    with writing(database, code) as tx:
        this = and_(_mine(code, link), password_state.c.side == side)
        tx.run(update(password_state).where(this).values(mark=seen))


def marked(database: Database, code: str, *, link: str, side: Side) -> str:
    """What ``mark`` remembered last."""
    this = and_(_mine(code, link), password_state.c.side == side)
    with database.read() as connection:
        return str(connection.scalar(select(password_state.c.mark).where(this)) or "")


def _mine(code: str, link: str) -> ColumnElement[bool]:
    return and_(password_state.c.school == code, password_state.c.link == link)


def kept(database: Database, code: str, links: Iterable[str] | None = None) -> Sequence[Kept]:
    """What is known of these people, or of everybody, by link."""
    found: dict[str, dict[Side, tuple[Holds, datetime]]] = {}
    mine = password_state.c.school == code
    wanted = [mine] if links is None else [and_(mine, password_state.c.link.in_(batch)) for batch in _batches(links)]
    with database.read() as connection:
        for condition in wanted:
            for row in connection.execute(select(password_state).where(condition).order_by(password_state.c.link)):
                found.setdefault(row.link, {})[Side(row.side)] = (Holds(row.outcome), row.set_at)
    return [Kept(link, sides) for link, sides in sorted(found.items())]


def _batches(links: Iterable[str]) -> Iterable[list[str]]:
    return chunks(sorted(set(links)), BATCH)
