"""What the patterns exclude: whether something that vanished is still there under a name or in a folder that they do.

Then it left the scope and is not gone: it stays on the other side. Recycle bins don't count: what is there was deleted.
"""

from __future__ import annotations

from array import array

from connectors.tree.index import Index
from connectors.tree.rules import join
from connectors.tree.storage import Listed, Lister, Wanted

#: Excluded folders that are looked through for what vanished, before nothing is concluded.
MOST = 2000


class Scope:
    """What listings showed of it; folders by row. Lives as long as the index is open."""

    def __init__(self) -> None:
        self._hidden: dict[int, array[int]] = {}
        self._shut: dict[int, tuple[str, ...]] = {}

    def begin(self) -> None:
        """A scan begins: excluded names count as seen by it only, excluded folders until theirs is listed again."""
        self._hidden.clear()

    def note(self, row: int, listed: Listed) -> None:
        if listed.hidden:
            self._hidden[row] = array("q", listed.hidden)
        if listed.shut:
            self._shut[row] = tuple(listed.shut)
        else:
            self._shut.pop(row, None)

    @property
    def empty(self) -> bool:
        """Whether nothing at all is excluded."""
        return not self._hidden and not self._shut

    def left(self, index: Index, lister: Lister, wanted: Wanted) -> tuple[set[int], bool]:
        """Which of these (by id) are there and excluded, and whether all that is excluded was looked through."""
        found: set[int] = set()
        for row, ids in self._hidden.items():
            if any(wanted.get(one) for one in ids) and (path := index.path(row)) is not None:
                found |= lister.find(path, wanted)[0]
        stack = [
            join(path, name)
            for row, names in self._shut.items()
            if (path := index.path(row)) is not None
            for name in names
        ]
        count = 0
        while stack and len(found) < len(wanted):
            if count >= MOST:
                return found, False
            path, count = stack.pop(), count + 1
            here, folders = lister.find(path, wanted)
            found |= here
            stack += [join(path, name) for name in folders]
        return found, True
