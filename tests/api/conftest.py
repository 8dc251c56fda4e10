"""One application for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.kit import Served, served


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place: Path = tmp_path_factory.mktemp("api")
    with served(place, more="api: {per_minute: 1000000}\n") as it:
        yield it
