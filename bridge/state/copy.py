"""Copy one school into another database, all but its journal: a plan may run on the copy and write nothing real."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Table, false, select

from bridge.state.columns import owner_column
from bridge.state.tables import journal, metadata, school
from bridge.state.transaction import BATCH


def _tables() -> list[Table]:
    return [one for one in metadata.sorted_tables if one is not journal and owner_column(one) is not None]


def copy_files(source: Path, target: Path, *, code: str) -> None:
    """Between SQLite files: inside SQLite, some ten times faster than through Python."""
    with closing(sqlite3.connect(source, isolation_level=None, timeout=30)) as connection:
        connection.execute("ATTACH DATABASE ? AS copy", [str(target)])
        connection.execute("BEGIN")
        for table in _tables():
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            owner = owner_column(table)
            mine = "" if owner is None else owner.name
            query = f'INSERT INTO copy."{table.name}" ({columns}) SELECT {columns} FROM main."{table.name}"'  # noqa: S608
            connection.execute(f"{query} WHERE {mine} = ?", [code])
        connection.execute("UPDATE copy.school SET journal_seq = 0, journal_hash = '' WHERE code = ?", [code])
        connection.execute("COMMIT")


def copy_rows(source: Connection, target: Connection, *, code: str) -> None:
    """Between any two databases, in parts."""
    for table in _tables():
        owner = owner_column(table)
        mine = false() if owner is None else owner == code
        rows = source.execution_options(stream_results=True).execute(select(table).where(mine))
        for part in rows.mappings().partitions(BATCH * 4):
            target.execute(table.insert(), [dict(row) for row in part])
    target.execute(school.update().where(school.c.code == code).values(journal_seq=0, journal_hash=""))
