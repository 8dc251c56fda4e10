"""Fixtures of the whole suite: real servers and the sandbox; each is started only where a test asks for it."""

from pathlib import Path

_PLUGINS = ("tests.servers", "tests.sandbox.plugin")
pytest_plugins = [
    name for name in _PLUGINS if Path(__file__).parents[1].joinpath(*name.split(".")).with_suffix(".py").exists()
]
