"""What the connector saw last, in an SQLite file of its own: it can be made again, and losing it costs a full listing.

1. ``directory``: one row a folder, with a fingerprint of everything in it. ``content``: its files in two blobs.
2. ``place``: inode → folders, so that an anchor is found without a row of text for each file.
3. ``special``: anchors that are not the inode and birth time of what bears them (safe saves, hard links).
4. ``change``: which anchors changed, numbered. A token is a number in it: what it does not cover is told again.
5. ``vanished``: anchors that their folder does not show any more, until the whole scan has looked for them elsewhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import astuple, replace

from bridge.core.model import Evidence
from connectors.folder.tables import COLUMNS, ROOT, Change, Directory, Entry, Files, Tables, Vanished

__all__ = ["ROOT", "Change", "Directory", "Entry", "Files", "Index", "Vanished"]


def _entry(name: str, numbers: array[int], special: str) -> Entry:
    ino, btime, mtime, ctime, size, stamp = numbers
    return Entry(name, ino, btime, mtime, ctime, size, stamp, special)


class Index(Tables):
    """The whole index: folders from ``Tables``, their files, what changed, what vanished."""

    # --- files ------------------------------------------------------------------------------------------------------

    def files(self, row: int) -> Files:
        """The files of a folder."""
        found = self._db.execute("SELECT names, numbers, special FROM content WHERE directory = ?", (row,)).fetchone()
        if not found or not found[0]:
            return {}
        numbers = array("q", found[1])
        names = found[0].decode().split("\0")
        special = dict(one.split("\0") for one in found[2].split("\1")) if found[2] else {}
        return {
            name: _entry(name, numbers[start : start + COLUMNS], special.get(name, ""))
            for name, start in zip(names, range(0, len(numbers), COLUMNS), strict=True)
        }

    def put_files(self, row: int, files: Files, *, before: Files) -> None:
        """Replace the files of a folder; ``before`` is what ``files`` returned."""
        self.written += 1
        numbers = array("q")
        for one in files.values():
            numbers.extend((one.ino, one.btime, one.mtime, one.ctime, one.size, one.stamp))
        if files:
            special = "\1".join(f"{one.name}\0{one.special}" for one in files.values() if one.special)
            self._db.execute(
                "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?)",
                (row, "\0".join(files).encode(), numbers.tobytes(), special),
            )
        else:
            self._db.execute("DELETE FROM content WHERE directory = ?", (row,))
        old, new = ({one.ino for one in some.values()} for some in (before, files))
        self._db.executemany("DELETE FROM place WHERE ino = ? AND directory = ?", [(ino, row) for ino in old - new])
        self._db.executemany("INSERT OR IGNORE INTO place VALUES (?, ?)", [(ino, row) for ino in new - old])
        old_special, new_special = ({one.special for one in some.values() if one.special} for some in (before, files))
        for anchor in old_special - new_special:
            self._db.execute("DELETE FROM special WHERE anchor = ? AND directory = ?", (anchor, row))
        for anchor in new_special - old_special:
            self._db.execute("INSERT OR REPLACE INTO special VALUES (?, ?)", (anchor, row))

    def rows_of(self, anchor: str) -> list[int]:
        """The folders in which the file with an anchor may be."""
        query = "SELECT directory FROM special WHERE anchor = ? UNION SELECT directory FROM place WHERE ino = ?"
        inode = anchor.partition(":")[0]
        found = self._db.execute(query, (anchor, int(inode) if inode.isdecimal() else -1))
        return [row for (row,) in found]

    def find(self, anchor: str) -> tuple[int, Entry] | None:
        """Where the file with an anchor is: the row of its folder, and the file."""
        for row in self.rows_of(anchor):
            if (one := self._in_folder(row, anchor)) is not None:
                return row, one
        return None

    def _in_folder(self, row: int, anchor: str) -> Entry | None:
        """One file of a folder; where no anchor is special without making an object of every file beside it."""
        found = self._db.execute("SELECT names, numbers, special FROM content WHERE directory = ?", (row,)).fetchone()
        if not found or not found[0]:
            return None
        if found[2]:
            return next((one for one in self.files(row).values() if one.anchor == anchor), None)
        inode, _, birth = anchor.partition(":")
        numbers = array("q", found[1])
        wanted = int(inode) if inode.isdecimal() else -1
        for place in (at for at, ino in enumerate(numbers[::COLUMNS]) if ino == wanted):
            one = numbers[place * COLUMNS : (place + 1) * COLUMNS]
            if str(one[1]) == birth:
                return _entry(found[0].decode().split("\0")[place], one, "")
        return None

    def holders(self, ino: int, btime: int) -> list[tuple[int, Entry]]:
        """All places that have this file, whatever its anchor."""
        rows = self._db.execute("SELECT directory FROM place WHERE ino = ?", (ino,)).fetchall()
        return [
            (row, one) for (row,) in rows for one in self.files(row).values() if (one.ino, one.btime) == (ino, btime)
        ]

    def inherit(self, row: int, entry: Entry, *, anchor: str) -> None:
        """Give the file at a place the anchor of the one that stood there before; the listing is still the same."""
        before = self.files(row)
        after = dict(before)
        after[entry.name] = replace(entry, special=anchor if anchor != f"{entry.ino}:{entry.btime}" else "")
        self.put_files(row, after, before=before)

    def replace_file(self, row: int, name: str, entry: Entry | None) -> None:
        """Put one file at a name, or take what is there away; the folder's fingerprint is not known any more."""
        before = self.files(row)
        entries = dict(before)
        entries.pop(name, None)
        if entry is not None:
            entries[entry.name] = entry
        self.put_files(row, entries, before=before)
        self.fingerprint(row, b"")

    def drop_directory(self, row: int) -> None:
        """Forget a folder and its files, not what is in its folders."""
        self.put_files(row, {}, before=self.files(row))
        self._drop_directory(row)

    # --- changes ----------------------------------------------------------------------------------------------------

    @property
    def number(self) -> int:
        """The number of the last change."""
        return int(self.meta("number") or 0)

    @property
    def floor(self) -> int:
        """Changes up to this number are forgotten."""
        return int(self.meta("floor") or 0)

    def log(self, changes: Iterable[tuple[str, str, Evidence | None]]) -> None:
        """Number changes (anchor, kind, gone); the last one of an anchor counts."""
        number = self.number
        rows = [(one[0], number + place, one[1], one[2]) for place, one in enumerate(changes, 1)]
        if rows:
            self._db.executemany("INSERT OR REPLACE INTO change VALUES (?, ?, ?, ?)", rows)
            self.put_meta("number", str(number + len(rows)))

    def changes(self, since: int, until: int, limit: int) -> list[Change]:
        """The next changes after a number."""
        query = "SELECT number, anchor, kind, gone FROM change WHERE number > ? AND number <= ? ORDER BY number LIMIT ?"
        rows = self._db.execute(query, (since, until, limit))
        return [Change(row[0], row[1], row[2], Evidence(row[3]) if row[3] else None) for row in rows]

    def withdraw(self, anchor: str) -> None:
        """Take back a change that nobody was told of yet."""
        self._db.execute("DELETE FROM change WHERE anchor = ?", (anchor,))

    def forget(self, until: int) -> None:
        """Drop changes that the state has folded: it came back with a later token."""
        if until > self.floor:
            self._db.execute("DELETE FROM change WHERE number <= ?", (until,))
            self.put_meta("floor", str(until))

    # --- what vanished ----------------------------------------------------------------------------------------------

    def vanish(self, some: Iterable[Vanished]) -> None:
        rows = [astuple(one) for one in some]
        self._db.executemany("INSERT OR REPLACE INTO vanished VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def vanished(self) -> list[Vanished]:
        return [Vanished(*row) for row in self._db.execute("SELECT * FROM vanished ORDER BY anchor")]

    def vanished_file(self, ino: int, btime: int) -> Vanished | None:
        query = "SELECT * FROM vanished WHERE kind = 'file' AND ino = ? AND btime = ?"
        row = self._db.execute(query, (ino, btime)).fetchone()
        return Vanished(*row) if row else None

    def disown(self) -> None:
        """What could not be decided on by now is not inherited later: its heir is told of as a file of its own."""
        self._db.execute("UPDATE vanished SET heir = '' WHERE heir <> ''")

    def appear(self, anchor: str) -> None:
        self._db.execute("DELETE FROM vanished WHERE anchor = ?", (anchor,))
