"""What the tables are made of: the registry, a type for times, short words for columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Dialect, Index, Integer, MetaData, String, Table, Text, TypeDecorator, text

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})


class UtcTime(TypeDecorator[datetime]):
    """An aware time as ``2026-11-23T19:05:31.000000+00:00``; refuses a naive one."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def table(name: str, *columns: Column[Any] | Index, compact: bool = False) -> Table:
    """A table keyed by school; ``compact`` ones are stored inside their primary key on SQLite."""
    school = Column("school", String, primary_key=True)
    return Table(name, metadata, school, *columns, sqlite_with_rowid=not compact)


def owner_column(table: Table) -> Column[Any] | None:
    """Whose a row is: the column of the school's code. None for tables of a hub, which belong to no school."""
    if table.name.startswith("hub_"):
        return None
    found: Column[Any] | None = table.c.get("code" if table.name == "school" else "school")
    return found


def key_column(name: str) -> Column[Any]:
    """A text that is part of the primary key."""
    return Column(name, String, primary_key=True)


def text_column(name: str, *, default: str = "") -> Column[Any]:
    """Text, never null."""
    return Column(name, Text, nullable=False, default=default)


def time_column(name: str, *, optional: bool = True) -> Column[Any]:
    """An aware time."""
    return Column(name, UtcTime, nullable=optional)


def number_column(name: str) -> Column[Any]:
    """A whole number, 0 by default."""
    return Column(name, Integer, nullable=False, default=0)


def partial_index(name: str, column: str, *, where: str) -> Index:
    """An index over the rows that a condition is true for."""
    return Index(name, "school", column, sqlite_where=text(where), postgresql_where=text(where))
