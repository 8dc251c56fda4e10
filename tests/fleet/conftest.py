"""The state of a site on both engines, with a clock that stands still; a small fleet over real TLS is in ``kit``."""

from tests.state.conftest import clock, database, migrated_file, migrated_url, url

__all__ = ["clock", "database", "migrated_file", "migrated_url", "url"]
