"""Databases in memory: each a copy of one that was migrated, because migrating takes longer than a day of the fleet."""

from __future__ import annotations

import functools
import sqlite3
from unittest import mock

from bridge.state import database as opening
from bridge.state.database import Clock, Database, open_database


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
    empty = _empty()
    with mock.patch.object(opening, "_migrate", lambda database, path: raw(database).deserialize(empty)):
        return open_database("sqlite://", clock=clock)
