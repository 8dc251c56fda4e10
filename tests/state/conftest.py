"""A store on both engines, a clock that stands still until a test moves it, and short words for observations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.kinds import KINDS
from bridge.state import Database, SchoolStore, open_database


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: Any, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    return str(request.getfixturevalue("postgresql_url"))


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
