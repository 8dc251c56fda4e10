"""Who approved of an event that nobody may decide alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from bridge.core.cutover import Event, Gate
from bridge.core.gates import FAIL, PASS, Measured
from bridge.state import journal
from bridge.state.cutover_tables import approval
from bridge.state.database import Database
from bridge.state.transaction import Transaction, writing

#: So many different people have to approve.
APPROVERS = 2


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's. ``typed``: the school's code as they typed it."""

    event: Event
    actor: str
    reason: str
    typed: str
    at: datetime
    expires: datetime | None = None


def approve(database: Database, code: str, one: Approval) -> None:
    """Note it, in the journal too; a person who approves again replaces the older one."""
    with writing(database, code) as tx:
        row = {
            "event": one.event.value, "actor": one.actor, "reason": one.reason, "typed": one.typed, "at": one.at,
            "expires": one.expires,
        }  # fmt: skip
        tx.put(approval, [row])
        after = {"event": one.event.value, "expires": one.expires.isoformat() if one.expires else None}
        journal.append(tx, [journal.Entry("approve", actor=one.actor, reason=one.reason, after=after)])


def approvals(database: Database, code: str, event: Event, now: datetime) -> Sequence[Approval]:
    """Those that count, the oldest first."""
    query = select(approval).where(approval.c.school == code, approval.c.event == event.value).order_by(approval.c.at)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [
        Approval(Event(row.event), row.actor, row.reason, row.typed, row.at, row.expires)
        for row in rows
        if row.expires is None or row.expires > now
    ]


def standing(database: Database, code: str, event: Event, now: datetime) -> Mapping[Gate, Measured]:
    """What the approvals mean for the gates of an event."""
    found = approvals(database, code, event, now)
    people = sorted({one.actor for one in found})
    typed = bool(found) and all(one.typed == code for one in found)
    fix = f"schoolbridge cutover approve {code} {event} --code CODE --reason ..., each of two different people"
    told = f"approved by {', '.join(people)}" if people else "nobody approved"
    return {
        Gate.TWO_APPROVERS: Measured(
            Gate.TWO_APPROVERS, PASS if len(people) >= APPROVERS else FAIL, "two different people", told, fix, now
        ),
        Gate.CODE_TYPED: Measured(
            Gate.CODE_TYPED, PASS if typed else FAIL, f"{code}, typed by each who approves",
            "typed" if typed else "not typed", fix, now,
        ),
    }  # fmt: skip


def use_up(tx: Transaction, event: Event) -> None:
    """An approval counts once: what it was for has happened, or the school went another way."""
    tx.run(delete(approval).where(approval.c.school == tx.school, approval.c.event == event.value))
