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


def alone(connection: Connection) -> None:
    """What people change of sites happens one after the other; PostgreSQL would let two give one school away."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7305129)"))
