"""Databases in memory, all made once: copies of one that was migrated."""

from __future__ import annotations

import functools
import sqlite3

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from bridge.state import open_database
from bridge.state.database import Clock, Database, _speak_sqlite


def raw(database: Database) -> sqlite3.Connection:
    """The connection below a database in memory: it can be serialized, and put back."""
    found = database.engine.raw_connection().driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


@functools.cache
def _empty() -> bytes:
    return raw(open_database("sqlite://")).serialize()


def fresh(clock: Clock) -> Database:
    """An empty state on a clock of its own."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    _speak_sqlite(engine)
    database = Database(engine, path=None, clock=clock)
    raw(database).deserialize(_empty())
    return database
