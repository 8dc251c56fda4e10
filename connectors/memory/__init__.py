"""The reference connector: a side held in memory or in a JSON file, for tests, docs and the lab's embedded directory.

1. ``side`` keeps objects, versions and the log of changes, and enforces what a real side enforces
2. ``observing`` tells listings and deltas as pages
3. ``writing`` takes or refuses one write
4. ``faults`` makes all of it go wrong on demand
"""

from __future__ import annotations

from bridge.ports import Context
from connectors.memory.connector import MemoryConnector
from connectors.memory.faults import Faults
from connectors.memory.options import Options
from connectors.memory.side import MemorySide, Rejected, State

__all__ = ["Faults", "MemoryConnector", "MemorySide", "Options", "Rejected", "State", "connect"]


async def connect(options: Options, context: Context) -> MemoryConnector:
    """Open the side that ``options`` describe; raises ConfigurationError when its file is broken."""
    return MemoryConnector(options, context)
