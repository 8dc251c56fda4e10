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

    ``path`` and ``copy`` are as they were then; ``resolved`` is None as long as nobody decided, ``how`` what it was.
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
        """Files of which both versions were kept, the oldest first; with ``resolved`` also those decided since."""
        ...

    def decide(self, id: str, how: str, *, actor: str, reason: str) -> None:  # noqa: A002
        """Mark a conflict as resolved; KeyError when it is not known."""
        ...
