"""A database on both engines, with a clock that stands still."""

from tests.state.conftest import clock, database, migrated_file, migrated_url, url

__all__ = ["clock", "database", "migrated_file", "migrated_url", "url"]
