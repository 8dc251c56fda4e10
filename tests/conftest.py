"""Fixtures of the whole suite: real servers and the sandbox; each is started only where a test asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection

from bridge.state import migrate

# A busy machine is no failure: no case has a time limit of its own.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_PLUGINS = ("tests.servers", "tests.sandbox.plugin")
pytest_plugins = [
    name for name in _PLUGINS if Path(__file__).parents[1].joinpath(*name.split(".")).with_suffix(".py").exists()
]


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command run inside the test process sets up logging for itself: the next test starts without."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def migrated_once() -> Iterator[None]:
    """The first empty SQLite database of the process is migrated, later ones get the tables that came of it.

    All others, and those of other programs, are migrated as ever.
    """
    real, scripts, made = migrate.upgrade, migrate.SCRIPTS, []

    def upgrade(connection: Connection, found: str | None, *, path: Path | None = None) -> None:
        if found is not None or connection.dialect.name != "sqlite" or scripts != migrate.SCRIPTS:
            real(connection, found, path=path)
        elif made:
            for statement in made:
                connection.exec_driver_sql(statement)
        else:
            real(connection, found, path=path)
            tables = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
            made.extend(sql for (sql,) in tables if "sqlite_sequence" not in sql)
            version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            made.append(f"INSERT INTO alembic_version VALUES ('{version}')")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "upgrade", upgrade)
        yield
