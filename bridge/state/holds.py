"""Holds on people: while one lasts the clock of a retirement stands still, and its time never counts afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, select, update

from bridge.ports import chunks
from bridge.state import journal, touch
from bridge.state.tables import hold
from bridge.state.transaction import BATCH, Transaction

Spans = tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold. ``until`` is when it was to end, ``lifted`` when a person ended it before; None while it stands."""

    link: str
    since: datetime
    until: datetime
    reason: str
    note: str
    actor: str
    lifted: datetime | None = None

    @property
    def end(self) -> datetime:
        """When it really ends or ended."""
        return min(self.until, self.lifted) if self.lifted else self.until

    def lasts(self, now: datetime) -> bool:
        """Whether it stands at a time."""
        return self.since <= now < self.end


def place(tx: Transaction, link: str, *, until: datetime, reason: str, note: str, actor: str) -> None:
    """Hold a link from now on; a hold that stands already is lifted, so that the new one says until when.

    Journaled; the link is looked at again at once, because its next step has another date now.
    """
    lift(tx, link, actor=actor, note="replaced by another hold", touched=False)
    row = {"link": link, "since": tx.now, "until": until, "reason": reason, "note": note, "actor": actor}
    tx.put(hold, [{**row, "lifted": None}])
    after = {"until": until.isoformat(), "reason": reason}
    journal.append(tx, [journal.Entry("hold person", actor=actor, kind="user", link=link, reason=note, after=after)])
    touch.touch(tx, [link])


def lift(tx: Transaction, link: str, *, actor: str, note: str, touched: bool = True) -> int:
    """End the holds that stand; returns how many did. The time until now stays uncounted."""
    standing = [one for one in of(tx, [link]).get(link, ()) if one.lasts(tx.now)]
    mine = and_(hold.c.school == tx.school, hold.c.link == link, hold.c.since == bindparam("from"))
    tx.run(update(hold).where(mine).values(lifted=tx.now), ({"from": one.since} for one in standing))
    journal.append(
        tx,
        (
            journal.Entry(
                "lift hold", actor=actor, kind="user", link=link, reason=note,
                before={"until": one.until.isoformat(), "reason": one.reason},
            )
            for one in standing
        ),
    )  # fmt: skip
    if standing and touched:
        touch.touch(tx, [link])
    return len(standing)


def of(tx: Transaction, links: Iterable[str]) -> dict[str, tuple[Hold, ...]]:
    """Link -> all its holds, also those that are over, the oldest first."""
    found: dict[str, tuple[Hold, ...]] = {}
    for batch in chunks(sorted(set(links)), BATCH):
        mine = and_(hold.c.school == tx.school, hold.c.link.in_(batch))
        for row in tx.rows(select(hold).where(mine).order_by(hold.c.link, hold.c.since)):
            found[row.link] = (*found.get(row.link, ()), _hold(row))
    return found


def stopped(tx: Transaction, links: Iterable[str]) -> dict[str, Spans]:
    """Link -> the spans in which its clock stood or will stand still."""
    return {
        link: tuple((one.since, one.end) for one in several if one.end > one.since)
        for link, several in of(tx, links).items()
    }


def _hold(row: Row[Any]) -> Hold:
    return Hold(row.link, row.since, row.until, row.reason, row.note, row.actor, row.lifted)
