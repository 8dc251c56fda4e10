"""The journal of a hub: under the code of the school that something is about, under ``hub`` where it is about none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, text

from bridge.state import journal
from bridge.state.tables import school
from bridge.state.transaction import Transaction

#: No school may be called so at a hub.
HUB = "hub"
#: What one transaction at a time changes, by its number at PostgreSQL (7305127 is the migration's).
SITES, WAVES, BUDGETS = 7305129, 7305131, 7305133


def note(connection: Connection, now: datetime, entries: Mapping[str, Sequence[journal.Entry]]) -> None:
    """Append to the journals of schools, within a transaction; a school that is new here begins its own.

    Their rows are locked in the order of their codes, after those of sites and of commands: nobody waits in a circle.
    """
    codes = sorted(code for code, many in entries.items() if many)
    if not codes:
        return
    tx = Transaction(connection, "", {}, now)
    tx.run(tx.insert(school).on_conflict_do_nothing(), ({"code": code} for code in codes))
    tx.rows(select(school.c.code).where(school.c.code.in_(codes)).order_by(school.c.code).with_for_update())
    for code in codes:
        journal.append(Transaction(connection, code, {}, now), entries[code])


def under(codes: Iterable[str], entry: journal.Entry) -> dict[str, list[journal.Entry]]:
    """The same entry for each of these schools; for the hub where there is none."""
    return {code: [entry] for code in codes} or {HUB: [entry]}


def alone(connection: Connection, what: int = SITES) -> None:
    """What changes sites, waves or promises happens one after the other; PostgreSQL would let two go on at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({what})"))
