"""What a rehearsal found: everything is counted, and of a large plan only the beginning is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridge.core.kinds import Kind
from bridge.core.model import Digest, Hold, Operation, Side


@dataclass(slots=True)
class Rehearsed:
    """``counts``: side, kind, action -> operations that write; what only the stage holds counts, the rest held not.

    ``sizes``: side -> bytes that would be sent to it.
    """

    counts: Counter[tuple[Side, str, str]] = field(default_factory=Counter)
    sizes: Counter[Side] = field(default_factory=Counter)
    _near: set[str] = field(default_factory=set)

    def count(
        self, operations: Iterable[Operation], holds: Iterable[Hold], *, mine: frozenset[str], kinds: Mapping[str, Kind]
    ) -> None:
        """Take in a batch; ``mine`` are its links. A folder that comes with several batches counts once."""
        staged = (hold.operation for hold in holds if hold.rule == "stage")
        for one in (*operations, *staged):
            if not one.action.writes:
                continue
            if one.link not in mine:
                if one.link in self._near:
                    continue
                self._near.add(one.link)
            self.counts[one.side, one.kind, one.action.value] += 1
            content = one.after.get(kinds[one.kind].content or "")
            if isinstance(content, Digest):
                self.sizes[one.side] += content.size
