"""Fixtures of the whole suite: real servers and the sandbox; each is started only where a test asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

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
