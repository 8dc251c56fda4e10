"""What is held in the roots of a school's shares, which keep their state under codes of their own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from bridge.ports import Trouble
from bridge.state.database import Database
from bridge.state.guardbook import trouble_of, unhold
from bridge.state.tables import school, trouble
from bridge.state.transaction import writing

#: Between a school's code and what tells its roots apart; in no school's code.
BETWEEN = "/"
#: Rules of what waits by itself (a file that is open), so that nobody has to act.
WAITS = "waits:"


def below(code: ColumnElement[str], above: str) -> ColumnElement[bool]:
    """Whether the code of a root begins with that of a school, or of a share of it.

    Exact on both engines, for tables that are no larger than the number of roots: LIKE ignores case on SQLite, and
    which texts lie between two others is for the locale to say on PostgreSQL.
    """
    first = f"{above}{BETWEEN}"
    return func.substr(code, 1, len(first)) == first


def roots_of(connection: Connection, code: str) -> Sequence[str]:
    """The codes of all roots that the state knows of a school."""
    query = select(school.c.code).where(below(school.c.code, code)).order_by(school.c.code)
    return connection.execute(query).scalars().all()


def held_in_roots(database: Database, code: str, *, limit: int = 1000) -> Sequence[tuple[str, Trouble]]:
    """(root's code, trouble) of everything that is held or waits in the school's shares, the oldest first."""
    with database.read() as connection:
        mine = below(trouble.c.school, code)
        rows = connection.execute(select(trouble).where(mine).order_by(trouble.c.since, trouble.c.link).limit(limit))
        return [(row.school, trouble_of(row)) for row in rows]


def unhold_in_roots(database: Database, code: str, rule_prefix: str) -> None:
    """What these rules held in the school's shares is due again, because what they judge by changed."""
    mine = below(trouble.c.school, code) & trouble.c.rule.startswith(rule_prefix, autoescape=True)
    with database.read() as connection:
        codes = connection.execute(select(trouble.c.school).where(mine).distinct()).scalars().all()
    for root in codes:
        with writing(database, root) as tx:
            unhold(tx, rule_prefix)
