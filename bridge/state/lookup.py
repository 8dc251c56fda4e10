"""Who is meant: what the store finds by a text, and by anchor and membership without reading all it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bridge.core.model import Side
from bridge.state import books, space, touch
from bridge.state.part import Part


class Lookup(Part):
    """The part of the store that finds people and groups."""

    def find(self, text: str, *, limit: int = 50) -> Sequence[books.Sighting]:
        """Records by name, login, UPN, anchor or link; exact matches first. Reads all records of the school."""
        with self._read() as tx:
            return books.find(tx, text, limit=limit)

    def linked(self, side: Side, anchors: Collection[str]) -> Mapping[str, str]:
        """Anchor -> link, for those that have one."""
        with self._read() as tx:
            return space.linked_anchors(tx, side, set(anchors))

    def groups_of(self, side: Side, anchor: str) -> Collection[str]:
        """Links of the groups that contain a record, directly or through other groups."""
        with self._read() as tx:
            return set(space.linked_anchors(tx, side, touch.containers(tx, side, [anchor])).values())
