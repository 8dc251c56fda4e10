"""How long a hub remembers: events and commands for 400 days, heads of journals thinned to one a day."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, String, Table, delete, func, select, tuple_, type_coerce

from bridge.state.database import Database
from bridge.state.fleet_tables import hub_certificate, hub_command, hub_event, hub_head
from bridge.state.hub_orders import OPEN

#: A school year, and time to look back at it.
KEPT = timedelta(days=400)
#: From then on the last head of a school's journal of each day is enough to notice that it was written anew.
WHOLE = timedelta(days=2)
#: What is older was thinned already.
THINNED = timedelta(days=40)


def clean(database: Database) -> dict[str, int]:
    """Remove what is older, a table a transaction; how many rows of each."""
    before = database.clock() - KEPT
    old = {
        "events": (hub_event, hub_event.c.received < before),
        "commands": (hub_command, (hub_command.c.asked < before) & hub_command.c.state.not_in(OPEN)),
        "certificates": (hub_certificate, hub_certificate.c.expires < before),
        "heads": (hub_head, hub_head.c.received < before),
    }
    removed = {name: _remove(database, table, where) for name, (table, where) in old.items()}
    with database.write() as connection:
        removed["heads"] += _thin(connection, database)
    return removed


def _remove(database: Database, table: Table, where: object) -> int:
    with database.write() as connection:
        return connection.execute(delete(table).where(where)).rowcount  # type: ignore[arg-type]


def _thin(connection: Connection, database: Database) -> int:
    """Of each school and day the head with the highest number stays; a day is the first ten letters of its time."""
    day = func.substr(type_coerce(hub_head.c.received, String), 1, 10)
    now = database.clock()
    old = (hub_head.c.received < now - WHOLE) & (hub_head.c.received > now - THINNED)
    kept = select(hub_head.c.school, func.max(hub_head.c.seq)).where(old).group_by(hub_head.c.school, day).subquery()
    pairs = select(kept.c[0], kept.c[1])
    stale = old & tuple_(hub_head.c.school, hub_head.c.seq).not_in(pairs)
    return connection.execute(delete(hub_head).where(stale)).rowcount
