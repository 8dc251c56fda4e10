"""The door through which a side of files tells which of them are open: whoever has one open loses work in a freeze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AllOpened:
    """What a whole server has open: path -> whether for writing. ``how`` and ``blind`` as for ``Opened``."""

    files: Mapping[str, bool]
    how: str
    blind: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """How many files below the root are open for writing, and for reading only. ``how`` it was found out.

    ``blind``: why there may be more than were seen; empty where all are seen.
    """

    writing: int
    reading: int
    how: str
    blind: str = ""


class OpenFiles(Protocol):
    """What a connector of files offers besides, where it can tell."""

    async def look(self) -> AllOpened:
        """Look at the server now, once for all folders there. Raises Unreachable or Refused."""
        ...

    async def opened(self, whole: AllOpened) -> Opened:
        """What of it lies below this root. Raises Unreachable or Refused."""
        ...
