"""What the connector saw last, in an SQLite file of its own: it can be made again, and losing it costs a full listing.

1. ``directory``: one row a folder, with a fingerprint of everything in it. ``file``: one row a file.
2. ``file.special``: anchors that are not the inode and birth time of what bears them (safe saves, hard links).
3. ``change``: which anchors changed, numbered. A token is a number in it: what it does not cover is told again.
4. ``vanished``: anchors that their folder does not show any more, until the whole scan has looked for them elsewhere.

What is done to one file visits the rows of that file only, however many are beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, replace

from bridge.core.model import Evidence
from connectors.tree.tables import ROOT, Change, Directory, Entry, Files, Tables, Vanished

__all__ = ["ROOT", "Change", "Directory", "Entry", "Files", "Index", "Vanished"]

#: Of what vanished, so many are looked at together.
_PAGE = 500
_ENTRY = "name, ino, btime, mtime, ctime, size, stamp, special"


class Index(Tables):
    """The whole index: folders from ``Tables``, their files, what changed, what vanished.

    ``drifts``: see ``Storage.drifts``.
    """

    drifts = False

    # --- files ------------------------------------------------------------------------------------------------------

    def files(self, row: int) -> Files:
        """The files of a folder."""
        found = self._db.execute(f"SELECT {_ENTRY} FROM file WHERE directory = ?", (row,))  # noqa: S608 - our own text
        return {one[0]: Entry(*one) for one in found}

    def file(self, row: int, name: str) -> Entry | None:
        """The file at a name of a folder."""
        return next((one for _, one in self._where("directory = ? AND name = ?", row, name)), None)

    def _where(self, condition: str, *values: object) -> list[tuple[int, Entry]]:
        query = f"SELECT directory, {_ENTRY} FROM file WHERE {condition}"  # noqa: S608 - our own text
        return [(row[0], Entry(*row[1:])) for row in self._db.execute(query, values)]

    def with_id(self, ino: int) -> list[tuple[int, Entry]]:
        """The files with this id, and the folders that they are in."""
        return self._where("ino = ?", ino)

    def count_files(self, row: int) -> int:
        """How many files are in a folder."""
        return int(self._db.execute("SELECT count(*) FROM file WHERE directory = ?", (row,)).fetchone()[0])

    def put_files(self, row: int, files: Files, *, before: Files) -> None:
        """Replace the files of a folder; ``before`` is what ``files`` returned. Only what differs is written."""
        self._take_out(row, [name for name in before if name not in files])
        self._put(row, [one for name, one in files.items() if (old := before.get(name)) is not one and old != one])

    def _take_out(self, row: int, names: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM file WHERE directory = ? AND name = ?", [(row, name) for name in names])

    def _put(self, row: int, entries: Iterable[Entry]) -> None:
        rows = [
            (row, one.name, one.ino, one.btime, one.mtime, one.ctime, one.size, one.stamp, one.special)
            for one in entries
        ]
        self._db.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def rows_of(self, anchor: str) -> list[int]:
        """The folders in which the file with an anchor may be."""
        query = (
            "SELECT directory FROM file WHERE special = ? AND special <> '' "
            "UNION SELECT directory FROM file WHERE ino = ?"
        )
        return [row for (row,) in self._db.execute(query, (anchor, _inode(anchor)))]

    def is_special(self, anchor: str) -> bool:
        """Whether a file has, or had before it vanished, this anchor that its inode and birth time do not tell."""
        query = (
            "SELECT 1 FROM file WHERE special = ?1 AND special <> '' UNION ALL SELECT 1 FROM vanished WHERE anchor = ?1"
        )
        return self._db.execute(query, (anchor,)).fetchone() is not None

    def find(self, anchor: str) -> tuple[int, Entry] | None:
        """Where the file with an anchor is: the row of its folder, and the file."""
        if found := self._where("special = ? AND special <> ''", anchor):
            return found[0]
        plain = self._where("ino = ? AND special = ''", _inode(anchor))
        return next((one for one in plain if one[1].anchor == anchor), None)

    def rows_holding(self, ino: int) -> list[int]:
        """The folders that have a file with this inode number."""
        return [row for (row,) in self._db.execute("SELECT DISTINCT directory FROM file WHERE ino = ?", (ino,))]

    def holders(self, ino: int, btime: int) -> list[tuple[int, Entry]]:
        """All places that have this file, whatever its anchor."""
        return self._where("ino = ? AND btime = ?", ino, btime)

    def inherit(self, row: int, entry: Entry, *, anchor: str) -> None:
        """Give the file at a place the anchor of the one that stood there before; the listing is still the same."""
        self._put(row, [replace(entry, special=anchor if anchor != f"{entry.ino}:{entry.btime}" else "")])

    def replace_file(self, row: int, name: str, entry: Entry | None) -> None:
        """Put one file at a name, or take what is there away; the folder's fingerprint is not known any more."""
        self._take_out(row, [name])
        if entry is not None:
            self._put(row, [entry])
        self.fingerprint(row, b"")

    def same(self, told: str, anchor: str) -> bool:
        """Whether a folder of which the storage tells an anchor is the one that bears another one."""
        return told == anchor or (self.drifts and _inode(told) == _inode(anchor))

    def known(self, anchor: str) -> str:
        """The anchor that a folder bears here, of which the storage tells this one."""
        folder = self.folder_with_id(_inode(anchor)) if self.drifts else None
        return folder.anchor if folder is not None else anchor

    def displace(self, row: int, name: str, *, by: str) -> bool:
        """Something (its anchor is ``by``) takes a name: what else was there moved on, and nobody has said where to.

        That it vanished is for the next scan to decide about, as if it had found the name taken itself.
        """
        file = self.file(row, name)
        gone = [file.vanished(row)] if file is not None and file.anchor != by else []
        if gone:
            self._take_out(row, [name])
        gone += [one.vanished() for one in self.folders_at(row, name) if one.anchor != by]
        self.vanish(gone)
        return bool(gone)

    def drop_directory(self, row: int) -> None:
        """Forget a folder and its files, not what is in its folders."""
        self._db.execute("DELETE FROM file WHERE directory = ?", (row,))
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

    def vanished(self, kind: str) -> Iterator[Vanished]:
        """All files, or folders, that vanished; who looks at one may take it out."""
        query = "SELECT * FROM vanished WHERE kind = ? AND anchor > ? ORDER BY anchor LIMIT ?"
        after = ""
        while page := [Vanished(*row) for row in self._db.execute(query, (kind, after, _PAGE))]:
            yield from page
            after = page[-1].anchor

    def count_vanished(self, kind: str) -> int:
        """How many files, or folders, vanished."""
        return int(self._db.execute("SELECT count(*) FROM vanished WHERE kind = ?", (kind,)).fetchone()[0])

    def any_vanished(self) -> bool:
        """Whether any file or folder did."""
        return self._db.execute("SELECT 1 FROM vanished WHERE kind <> 'aside' LIMIT 1").fetchone() is not None

    def is_vanished(self, anchor: str) -> bool:
        """Whether a file or folder did."""
        query = "SELECT 1 FROM vanished WHERE anchor = ? AND kind <> 'aside'"
        return self._db.execute(query, (anchor,)).fetchone() is not None

    def vanished_id(self, ino: int) -> Vanished | None:
        """What vanished and has this id: a file, if one did."""
        query = "SELECT * FROM vanished WHERE kind <> 'aside' AND ino = ? ORDER BY kind LIMIT 1"
        row = self._db.execute(query, (ino,)).fetchone()
        return Vanished(*row) if row else None

    def vanished_file(self, ino: int, btime: int) -> Vanished | None:
        query = "SELECT * FROM vanished WHERE kind IN ('file', 'aside') AND ino = ? AND btime = ?"
        row = self._db.execute(query, (ino, btime)).fetchone()
        return Vanished(*row) if row else None

    def aside(self, row: int, name: str) -> Vanished | None:
        """The file that was at a place until it left the scope: kept so that it is the same one when it comes back."""
        query = "SELECT * FROM vanished WHERE kind = 'aside' AND directory = ? AND name = ?"
        found = self._db.execute(query, (row, name)).fetchone()
        return Vanished(*found) if found else None

    def disown(self) -> None:
        """What could not be decided on by now is not inherited later: its heir is told of as a file of its own."""
        self._db.execute("UPDATE vanished SET heir = '' WHERE heir <> ''")

    def appear(self, anchor: str) -> None:
        self._db.execute("DELETE FROM vanished WHERE anchor = ?", (anchor,))


def _inode(anchor: str) -> int:
    inode = anchor.partition(":")[0]
    return int(inode) if inode.isdecimal() else -1
