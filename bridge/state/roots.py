"""What is held in the roots of a school's shares, which keep their state under codes of their own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from bridge.ports import Trouble
from bridge.state.database import Database
from bridge.state.guardbook import trouble_of
from bridge.state.tables import trouble

#: Between a school's code and what tells its roots apart; in no school's code.
BETWEEN = "/"
#: Rules of what waits by itself (a file that is open), so that nobody has to act.
WAITS = "waits:"


def held_in_roots(database: Database, code: str, *, limit: int = 1000) -> Sequence[tuple[str, Trouble]]:
    """(root's code, trouble) of everything that is held or waits in the school's shares, the oldest first."""
    first, after = f"{code}{BETWEEN}", f"{code}{chr(ord(BETWEEN) + 1)}"
    mine = (trouble.c.school >= first) & (trouble.c.school < after)
    with database.read() as connection:
        rows = connection.execute(select(trouble).where(mine).order_by(trouble.c.since, trouble.c.link).limit(limit))
        return [(row.school, trouble_of(row)) for row in rows]
