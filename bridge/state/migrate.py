"""Bring a database's schema up to date by the migrations shipped with this package; imported only when it is not.

A SQLite state is copied before it is changed, ``state.db.before-REVISION``: the way back to the older program.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bridge.ports import ConfigurationError

#: Names tried for a copy, where older ones lie.
_NAMES = 100


def upgrade(connection: Connection, found: str | None, *, path: Path | None = None) -> None:
    """Migrate from the revision ``found``, None for an empty database, to the newest, within the open transaction.

    ``path``: the SQLite file. Raises ConfigurationError where ``found`` is none of ours, or there is no room for the
    copy.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
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
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    for number in range(1, _NAMES):
        place = path.with_name(name if number == 1 else f"{name}-{number}")
        try:
            os.link(draft, place)
        except FileExistsError:
            continue
        draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return place
    raise OSError(f"{_NAMES} copies lie there already")
