"""One transaction on one school: what every function of this package works with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, Row, Select, Table, select
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

    def rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        """All rows of a query."""
        return self.connection.execute(query).all()

    def run(self, statement: Executable, rows: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Execute a statement, once or (with ``rows``) once for each of them; no rows, no statement."""
        if rows is None:
            self.connection.execute(statement)
        elif many := list(rows):
            self.connection.execute(statement, many)

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that knows ON CONFLICT, in the dialect of the database."""
        return sqlite.insert(table) if self.connection.dialect.name == "sqlite" else postgresql.insert(table)

    def add(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows of this school; those that are there already stay as they are."""
        self.run(
            self.insert(table).on_conflict_do_nothing(),
            ({"school": self.school, **row} for row in rows),
        )

    def put(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows of this school or replace what is there under the same primary key."""
        many = [{"school": self.school, **row} for row in rows]
        if not many:
            return
        statement = self.insert(table)
        primary = [column.name for column in table.primary_key.columns]
        changes = {name: statement.excluded[name] for name in many[0] if name not in primary}
        self.run(statement.on_conflict_do_update(index_elements=primary, set_=changes), many)


@contextmanager
def writing(
    database: Database, code: str, kinds: Mapping[str, Kind] | None = None, *, now: datetime | None = None
) -> Iterator[Transaction]:
    """A transaction that writes, alone on its school: PostgreSQL would let two of them append to one journal."""
    with database.write() as connection:
        tx = Transaction(connection, code, kinds or {}, now or database.clock(), database.key)
        tx.rows(select(school.c.code).where(school.c.code == code).with_for_update())
        yield tx
