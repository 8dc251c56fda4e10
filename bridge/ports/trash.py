"""The trash of a side that keeps one of its own: what lies there, and a way back for a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """One version in the trash. ``path`` is where it lay below the root; ``moment`` ISO 8601, UTC; ``size`` in bytes.

    ``deleted`` False: it was overwritten, and a newer version took its place. ``anchor`` is that of the record it was.
    """

    id: str
    kind: str
    path: str
    moment: str
    deleted: bool
    size: int
    anchor: str = ""


class Trash(Protocol):
    """What a connector with a trash offers besides; safe to use while another process mirrors the same root."""

    def kept(self) -> AsyncIterator[Kept]:
        """What lies there, the latest day first. Raises Unreachable or Refused."""
        ...

    async def bring_back(self, id: str) -> str:  # noqa: A002
        """Put a version back and return its path: the old one, or a free name beside it where that is taken.

        Nothing is ever replaced. Raises KeyError when there is no such version (any more), Unreachable, Refused.
        """
        ...

    async def empty(self) -> int:
        """Remove everything that lies there for good; returns how many versions. Raises Unreachable or Refused."""
        ...
