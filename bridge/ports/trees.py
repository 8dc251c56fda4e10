"""What the bridge remembers of trees and of the bytes in them, beyond what it remembers of every record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bridge.core.model import Digest, Side


@dataclass(frozen=True, slots=True)
class Meaning:
    """The bytes that the record ``anchor`` shows as ``seen`` are ``agreed``, its ``quickxor`` digest."""

    anchor: str
    seen: Digest
    agreed: Digest


@dataclass(frozen=True, slots=True)
class KeptBoth:
    """Both versions of a file were kept. ``link`` kept its ``path``, the record ``anchor`` on ``side`` became ``copy``.

    ``path`` and ``copy`` are as they were then. ``how`` is what a person decided (``keep-this``, ``keep-other``,
    ``keep-both``), empty before; ``resolved`` is when that was done, None before. ``version`` is that of the copy as
    it is known now, None where it is gone.
    """

    id: str
    link: str
    side: Side
    anchor: str
    path: str
    copy: str
    at: datetime
    resolved: datetime | None = None
    how: str = ""
    version: str | None = None


class Trees(Protocol):
    """The part of the store that only kinds with a parent or with content need."""

    def rivals(self, at: Iterable[tuple[str, str]]) -> frozenset[str]:
        """Links with a living record at one of these places (parent's link, empty for the root; name) on either side.

        Names are compared without case and Unicode form.
        """
        ...

    def occupied(self, ids: Iterable[str], side: Side) -> frozenset[str]:
        """Those of these folders in which something lives on a side, linked or not."""
        ...

    def originals(self, ids: Iterable[str], side: Side) -> Mapping[str, tuple[str, str]]:
        """Link -> (anchor, version) of its living record on a side, as it is known now."""
        ...

    def mean(self, side: Side, meanings: Sequence[Meaning]) -> None:
        """Remember what digests mean: what shows them again is equal, and so is what was observed already."""
        ...

    def conflicts(self, *, resolved: bool = False) -> Sequence[KeptBoth]:
        """Files of which both versions were kept, the oldest first; with ``resolved`` also those done with."""
        ...

    def decide(self, id: str, how: str, *, actor: str, reason: str) -> None:  # noqa: A002
        """A person decides a conflict; the next cycle carries it out. KeyError when it is not known or done already."""
        ...

    def resolve(self, id: str) -> None:  # noqa: A002
        """What was decided is done."""
        ...
