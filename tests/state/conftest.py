"""A store on both engines, a clock that stands still until a test moves it, and short words for observations."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from bridge.core.kinds import KINDS
from bridge.lab.postgres import PostgresServer
from bridge.state import Database, SchoolStore, open_database
from bridge.state.tables import metadata


class Clock:
    """Stands still; ``pass_`` moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("state") / "empty.db"
    opened = open_database(f"sqlite:///{path}")
    with opened.write() as connection:
        connection.exec_driver_sql("SELECT 1")
    opened.close()
    return path


@pytest.fixture(scope="session")
def migrated_url(postgresql_server: PostgresServer) -> str:
    """A PostgreSQL database for all tests of the store, emptied after each."""
    url = postgresql_server.create_database(f"state_tests_{uuid.uuid4().hex[:8]}")  # once a package that uses it
    open_database(url).close()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "state.db")
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    migrated: str = request.getfixturevalue("migrated_url")
    yield migrated
    engine = create_engine(migrated)
    emptied = "; ".join(f'DELETE FROM "{name}"' for name in metadata.tables)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN {emptied}; END $$")
    engine.dispose()


@pytest.fixture
def database(url: str, clock: Clock) -> Iterator[Database]:
    opened = open_database(url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> SchoolStore:
    return database.school("west", KINDS)


@pytest.fixture
def sqlite_store(tmp_path: Path, clock: Clock) -> Iterator[SchoolStore]:
    opened = open_database(f"sqlite:///{tmp_path / 'only.db'}", clock=clock)
    yield opened.school("west", KINDS)
    opened.close()
