"""Run by alembic: migrates inside the transaction that ``open_database`` hands over, or not at all."""

from __future__ import annotations

from alembic import context

from bridge.state.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=False)
context.run_migrations()
