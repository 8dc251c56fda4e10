"""Parts of the bridge that may not be built in: gates, the run of a cutover, appointments, waves.

Each is asked for by name when it is needed, so that the API is whole without it and says honestly what is missing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def part(name: str) -> Any | None:
    """The module ``bridge.NAME``; None when this bridge has none."""
    full = f"bridge.{name}"
    try:
        return import_module(full) if find_spec(full) is not None else None
    except ModuleNotFoundError:
        return None
