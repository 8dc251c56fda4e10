"""The state of a site on both engines, with a clock that stands still; a small fleet over real TLS is in ``kit``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.state import open_database
from tests.fleet.live_hub import LiveHub, running
from tests.state.conftest import clock, database, migrated_file, migrated_url, url

__all__ = ["clock", "database", "hub", "migrated_file", "migrated_url", "url"]


@pytest.fixture
async def hub(tmp_path: Path, url: str) -> AsyncIterator[LiveHub]:
    """A hub whose clock is the machine's: certificates are checked by it."""
    database = open_database(url)
    async with running(tmp_path, database) as live:
        yield live
    database.close()
