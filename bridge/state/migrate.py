"""Bring a database's schema up to date by the migrations shipped with this package; imported only when it is not."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bridge.ports import ConfigurationError


def upgrade(connection: Connection, found: str | None) -> None:
    """Migrate from the revision ``found``, None for an empty database, to the newest, within the open transaction.

    Raises ConfigurationError where ``found`` is none of ours.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise ConfigurationError(
            f"the state database has schema {found}, this program knows up to {scripts.get_current_head()}: it was "
            f"written by a newer schoolbridge. Install that version again, or restore the backup made before it."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
