"""Bring a database's schema up to date by the migrations shipped with this package; imported only when it is not.

A SQLite state is copied before it is changed, ``state.db.before-REVISION``: the way back to the older program.

PostgreSQL goes on meanwhile. Older programs that run already go on too, because a migration only adds: tables, and
columns that may be null or have a default. What it needs of a table it asks for shortly and again, so that it never
waits behind a long transaction with everybody else behind it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import tenacity
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bridge.ports import ConfigurationError
from bridge.state.private import sync

#: Where the migrations lie.
SCRIPTS = Path(__file__).parent / "migrations"
#: How long a table is waited for at a time, with others waiting behind; seconds for which it is tried again.
_SHORTLY, _PATIENCE = "400ms", 300.0
#: SQLSTATE of PostgreSQL where a lock was not given in time: lock_not_available.
_NOT_GIVEN = "55P03"
#: Names tried for a copy, where older ones lie.
_NAMES = 100


def bring_up(write: Callable[[], AbstractContextManager[Connection]], newest: str, *, path: Path | None) -> None:
    """Migrate to ``newest`` in a transaction of its own, one process at a time; nothing where another one was first.

    Raises ConfigurationError as ``upgrade`` does, and where somebody holds a table all the time.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_in_use),
        wait=tenacity.wait_random_exponential(multiplier=0.3, max=5),
        stop=tenacity.stop_after_delay(_PATIENCE),
    )
    try:
        retrying(_once, write, newest, path)
    except tenacity.RetryError:
        raise ConfigurationError(
            f"the state database can't be brought up to schema {newest}: for {_PATIENCE:.0f} seconds somebody held a "
            f"table that has to change. Nothing was changed. See in pg_stat_activity whose transaction began first "
            f"(xact_start), end it, start again"
        ) from None


def _in_use(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) == _NOT_GIVEN


def _once(write: Callable[[], AbstractContextManager[Connection]], newest: str, path: Path | None) -> None:
    with write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_SHORTLY}'")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305127)")
        if (found := MigrationContext.configure(connection).get_current_revision()) != newest:
            if found is not None and connection.dialect.name == "postgresql":
                # Writers begin with their school's row: as one of them, this waits for none that waits for it.
                connection.exec_driver_sql("LOCK TABLE school IN EXCLUSIVE MODE")
            upgrade(connection, found, path=path)


def upgrade(connection: Connection, found: str | None, *, path: Path | None = None) -> None:
    """Migrate from the revision ``found``, None for an empty database, to the newest, within the open transaction.

    ``path``: the SQLite file that is copied before. Raises ConfigurationError where ``found`` is none of ours, or
    there is no room for the copy.
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    newest = scripts.get_current_head()
    if found is not None and found not in known:
        raise ConfigurationError(
            f"the state database has schema {found}, this program knows up to {newest}: it was written by a newer "
            f"schoolbridge. Install that version again, or put back the copy made before that upgrade"
            + (f" ({path.name}.before-{found} beside it)." if path else ".")
        )
    if found is not None and path is not None:
        copied(path, f"{path.name}.before-{newest}")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def copied(path: Path, name: str) -> Path:
    """A copy of a SQLite file beside it, as of the last commit, on the disk; never in the place of an older one."""
    draft = path.with_name(f".{name}.new")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(path, timeout=30)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        return _placed(draft, path, name)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        size = path.stat().st_size // 1_000_000 + 1
        raise ConfigurationError(
            f"the state {path} has to be brought up to date, and no copy of it can be made before ({error}). Nothing "
            f"was changed. Expected: {size} MB free in {path.parent}, writable for the bridge's account. Make room, "
            f"start again"
        ) from None


def _placed(draft: Path, path: Path, name: str) -> Path:
    """Give the finished copy its name, or that name with a number."""
    sync(draft)
    for number in range(1, _NAMES):
        place = path.with_name(name if number == 1 else f"{name}-{number}")
        try:
            os.link(draft, place)
        except FileExistsError:
            continue
        draft.unlink()
        sync(path.parent)
        return place
    raise OSError(f"{_NAMES} copies lie there already")
