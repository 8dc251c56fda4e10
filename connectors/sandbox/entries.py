"""What the tenant holds: entries (users, groups, schools), their links, and the change log that delta walks.

The log is the heart of delta: each change is published with the next number of one sequence, at the moment at which the
entry is visible to readers. A delta round walks the log from its token's number and shows each entry once, at its last
published change, so a round costs what changed and never the size of the tenant.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LIVE, DELETED, PURGED = "live", "deleted", "purged"


@dataclass(frozen=True, slots=True)
class Change:
    """One published change: what happened (``properties``, ``link``, ``unlink``, ``create``, ``state``) and to what.

    ``detail`` holds property names, or ``(relation, other id)``, or the new state.
    """

    sequence: int
    what: str
    detail: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Entry:
    """One object of the tenant. ``links`` maps relation to ``{other id: sequence}`` in the order of linking."""

    id: str
    kind: str
    order: int
    created_at: float
    visible_at: float
    properties: dict[str, Any]
    state: str = LIVE
    deleted_at: float | None = None
    links: dict[str, dict[str, int]] = field(default_factory=dict)
    backlinks: dict[str, dict[str, None]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    education: dict[str, Any] | None = None
    password: str | None = None
    privileged: bool = False

    def linked(self, relation: str) -> dict[str, int]:
        """The ids this entry points at by ``relation``; do not change the result."""
        return self.links.get(relation, _NONE)

    def referrers(self, relation: str) -> dict[str, None]:
        """The ids of entries that point here by ``relation``; do not change the result."""
        return self.backlinks.get(relation, _NOBODY)

    @property
    def last_sequence(self) -> int:
        """The number of the last published change, 0 before the first."""
        return self.changes[-1].sequence if self.changes else 0

    def changes_after(self, sequence: int) -> list[Change]:
        """Published changes with a greater number, oldest first."""
        return self.changes[bisect_right(self.changes, sequence, key=lambda change: change.sequence) :]


_NONE: dict[str, int] = {}
_NOBODY: dict[str, None] = {}


@dataclass(slots=True)
class Pending:
    """A change made but not yet visible to readers."""

    due: float
    entry_id: str
    what: str
    detail: tuple[str, ...]


@dataclass(slots=True)
class ChangeLog:
    """Published changes by kind in the order of their numbers, and those waiting to be published."""

    sequence: int = 0
    numbers: dict[str, list[int]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[tuple[float, int, Pending]] = field(default_factory=list)
    _waited: int = 0

    def next_number(self) -> int:
        """The next number of the sequence."""
        self.sequence += 1
        return self.sequence

    def append(self, kind: str, number: int, entry_id: str) -> None:
        """Record a published change of an entry of ``kind``."""
        self.numbers.setdefault(kind, []).append(number)
        self.ids.setdefault(kind, []).append(entry_id)

    def after(self, kind: str, number: int) -> Iterator[tuple[int, str]]:
        """``(number, entry id)`` of published changes with a greater number, oldest first."""
        numbers = self.numbers.get(kind, [])
        ids = self.ids.get(kind, [])
        for position in range(bisect_right(numbers, number), len(numbers)):
            yield numbers[position], ids[position]

    def wait(self, pending: Pending) -> None:
        """Hold a change back until its time."""
        self._waited += 1
        heapq.heappush(self.waiting, (pending.due, self._waited, pending))

    def due(self, now: float) -> Iterator[Pending]:
        """Take out the held changes whose time has come, in the order in which they were made."""
        while self.waiting and self.waiting[0][0] <= now:
            yield heapq.heappop(self.waiting)[2]
