"""One transaction on one school: what every function of this package works with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Connection, Executable, Row, Select, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from bridge.core.kinds import Kind
from bridge.state.reserved import Key
from bridge.state.tables import school

if TYPE_CHECKING:
    from bridge.state.database import Database

#: How long a replica may lag behind a write of ours.
LAG = timedelta(minutes=15)

#: Values in one IN list.
BATCH = 500

#: In statements that are made once: what ``Transaction`` gives them, the code of the school. Making a statement anew
#: takes more than twice as long as carrying it out.
MINE: BindParameter[str] = bindparam("of_school")
#: The same for the side.
SIDE: BindParameter[str] = bindparam("of_side")


def among(name: str) -> BindParameter[Any]:
    """The values of an IN list of such a query."""
    return bindparam(name, expanding=True)


@dataclass(frozen=True, slots=True)
class Transaction:
    """``connection`` is inside a transaction that the store commits or rolls back; ``now`` is the clock's time.

    ``key`` tells names of people who were erased.
    """

    connection: Connection
    school: str
    kinds: Mapping[str, Kind]
    now: datetime
    key: Key = field(default_factory=lambda: Key(None))

    def rows(self, query: Select[*tuple[Any, ...]], **given: Any) -> Sequence[Row[*tuple[Any, ...]]]:
        """All rows of a query; one with ``MINE`` in it is ``given`` the values of its other parameters."""
        return self.connection.execute(query, {"of_school": self.school, **given}).all()

    def run(self, statement: Executable, rows: Iterable[Mapping[str, Any]] | None = None, **given: Any) -> None:
        """Execute a statement, once or (with ``rows``) once for each of them; no rows, no statement.

        One with ``MINE`` in it is ``given`` the values of its other parameters.
        """
        if rows is None:
            self.connection.execute(statement, {"of_school": self.school, **given} if given else None)
        elif many := list(rows):
            self.connection.execute(statement, many)

    def each(self, statement: Executable, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute a statement with ``MINE`` in it once for each of the rows of parameters."""
        self.run(statement, ({"of_school": self.school, **row} for row in rows))

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that knows ON CONFLICT, in the dialect of the database."""
        return insert(self.connection.dialect.name, table)

    def add(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows of this school; those that are there already stay as they are."""
        self.run(
            _added(self.connection.dialect.name, table),
            ({"school": self.school, **row} for row in rows),
        )

    def put(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows of this school or replace what is there under the same primary key."""
        many = [{"school": self.school, **row} for row in rows]
        if not many:
            return
        self.run(_put(self.connection.dialect.name, table, tuple(many[0])), many)


def insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the dialect of the database."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _added(dialect: str, table: Table) -> Executable:
    return insert(dialect, table).on_conflict_do_nothing()


@cache
def _put(dialect: str, table: Table, names: tuple[str, ...]) -> Executable:
    statement = insert(dialect, table)
    primary = [column.name for column in table.primary_key.columns]
    changes = {name: statement.excluded[name] for name in names if name not in primary}
    return statement.on_conflict_do_update(index_elements=primary, set_=changes)


_ALONE = select(school.c.code).where(school.c.code == MINE).with_for_update()


@contextmanager
def writing(
    database: Database, code: str, kinds: Mapping[str, Kind] | None = None, *, now: datetime | None = None
) -> Iterator[Transaction]:
    """A transaction that writes, alone on its school: PostgreSQL would let two of them append to one journal."""
    with database.write() as connection:
        tx = Transaction(connection, code, kinds or {}, now or database.clock(), database.key)
        tx.rows(_ALONE)
        yield tx
