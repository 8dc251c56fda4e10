"""What a storage says of one name."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.tree.tables import Entry


@dataclass(frozen=True, slots=True)
class Traits:
    """``ino`` is the storage's id of it, ``btime`` when it was made (0 where that is not kept); times in ns.

    A storage adds what it knows besides, and says what it is.
    """

    ino: int
    btime: int
    mtime: int
    ctime: int
    size: int

    @property
    def anchor(self) -> str:
        """Id and birth time: an id alone is given away again."""
        return f"{self.ino}:{self.btime}"

    @property
    def is_file(self) -> bool:
        raise NotImplementedError

    @property
    def is_folder(self) -> bool:
        raise NotImplementedError

    @property
    def names(self) -> int:
        """By how many names the same file is known here, as far as the storage tells (hard links)."""
        return 1

    def is_still(self, entry: Entry) -> bool:
        """Whether it is the file of the index, and nothing of it changed."""
        return self.holds(entry) and self.ctime == entry.ctime

    def holds(self, entry: Entry) -> bool:
        """Whether it is the file of the index with the same bytes; a rename or a link changes the ctime only."""
        return (self.ino, self.btime, self.mtime, self.size) == (entry.ino, entry.btime, entry.mtime, entry.size)
