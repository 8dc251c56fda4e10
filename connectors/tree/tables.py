"""The tables of the index, its values, and the rows of folders; ``index`` says what it is all for."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.core.model import Evidence

#: The row of the root, which is no record and has no anchor.
ROOT = 1
_FORMAT = "3"
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE directory (id INTEGER PRIMARY KEY AUTOINCREMENT, anchor TEXT UNIQUE, parent INTEGER, name TEXT,
                        digest BLOB, rank INTEGER);
CREATE INDEX below ON directory (parent, name);
CREATE INDEX ranked ON directory (rank);
CREATE TABLE file (directory INTEGER, name TEXT, ino INTEGER, btime INTEGER, mtime INTEGER, ctime INTEGER,
                   size INTEGER, stamp INTEGER, special TEXT, PRIMARY KEY (directory, name)) WITHOUT ROWID;
CREATE INDEX inode ON file (ino);
CREATE INDEX special ON file (special) WHERE special <> '';
CREATE TABLE change (anchor TEXT PRIMARY KEY, number INTEGER, kind TEXT, gone TEXT) WITHOUT ROWID;
CREATE INDEX numbered ON change (number);
CREATE TABLE vanished (anchor TEXT PRIMARY KEY, kind TEXT, directory INTEGER, name TEXT, heir TEXT, ino INTEGER,
                       btime INTEGER, mtime INTEGER, size INTEGER, stamp INTEGER) WITHOUT ROWID;
CREATE INDEX vanished_inode ON vanished (ino);
CREATE INDEX vanished_place ON vanished (directory, name);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it was seen. ``stamp`` is its ctime when its bytes were last believed to have changed.

    A rename changes the ctime but not the stamp, so that it does not look like another content.
    """

    name: str
    ino: int
    btime: int
    mtime: int
    ctime: int
    size: int
    stamp: int
    special: str = ""

    @property
    def anchor(self) -> str:
        return self.special or f"{self.ino}:{self.btime}"

    def vanished(self, row: int, *, heir: str = "") -> Vanished:
        """It, gone from its folder."""
        numbers = (self.ino, self.btime, self.mtime, self.size, self.stamp)
        return Vanished(self.anchor, "file", row, self.name, heir, *numbers)


@dataclass(frozen=True, slots=True)
class Directory:
    """One folder as it was seen; ``parent`` is a row, ``digest`` the fingerprint of its listing (empty: not known)."""

    id: int
    anchor: str
    parent: int
    name: str
    digest: bytes

    def vanished(self) -> Vanished:
        """It, gone from the folder that it was in."""
        ino, btime = (int(number) for number in self.anchor.split(":"))
        return Vanished(self.anchor, "folder", self.parent, self.name, "", ino, btime)


@dataclass(frozen=True, slots=True)
class Change:
    """An anchor that changed; ``gone`` when it is not there any more."""

    number: int
    anchor: str
    kind: str
    gone: Evidence | None


@dataclass(slots=True)
class Vanished:
    """An anchor that its folder does not show any more; ``heir`` is what stands at its name now.

    ``kind`` is ``aside`` for a file that left the scope.
    """

    anchor: str
    kind: str
    directory: int
    name: str
    heir: str = ""
    ino: int = 0
    btime: int = 0
    mtime: int = 0
    size: int = 0
    stamp: int = 0


#: The files of one folder by name.
Files = dict[str, Entry]


class Tables:
    """The file, opened. Not thread-safe: its owner holds a lock around a call of a method and around ``changing``."""

    def __init__(self, path: Path | None, scope: str) -> None:
        self._file = path
        self._open()
        there = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        if not there or self.meta("format") != _FORMAT or self.meta("scope") != scope:
            self._begin_anew(scope)
        self.id = self.meta("id")

    def _open(self) -> None:
        self._db = sqlite3.connect(self._file or ":memory:", check_same_thread=False, isolation_level=None)
        try:
            # What a power cut takes back is scanned again: no need to wait for the disk.
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16000", "temp_store=MEMORY"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # The disk is full, or can't be read just now: what the index knows of deletions is needed later.
            self._db.close()
            raise
        except sqlite3.DatabaseError:
            # A broken index is worth nothing and costs nothing.
            self._db.close()
            if self._file is None:
                raise
            self._remove()
            self._db = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)

    def _remove(self) -> None:
        if self._file:
            for ending in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + ending).unlink(missing_ok=True)

    def _begin_anew(self, scope: str) -> None:
        if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._db.close()
            self._remove()
            self._open()
        self._db.executescript(_SCHEMA)
        for name, value in (("format", _FORMAT), ("scope", scope), ("id", secrets.token_hex(4)), ("floor", "0")):
            self.put_meta(name, value)
        self._db.execute("INSERT INTO directory VALUES (?, '', 0, '', x'', 0)", (ROOT,))

    def close(self) -> None:
        self._db.close()

    # --- transactions and small values ------------------------------------------------------------------------------

    def begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that is kept where something fails, but for this file: half of it would never be told of."""
        self.begin()
        try:
            try:
                yield
            except sqlite3.Error:
                raise
            except BaseException:
                self.commit()
                raise
            self.commit()
        except sqlite3.Error:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def meta(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def put_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def hold_to(self, patterns: str) -> None:
        """Compare everything in detail at the next scan if the patterns are others than last time."""
        if self.meta("patterns") != patterns:
            self._db.execute("UPDATE directory SET digest = x''")
            self.put_meta("patterns", patterns)

    # --- folders ----------------------------------------------------------------------------------------------------

    def directory(self, row: int) -> Directory | None:
        return self._one("id = ?", row)

    def by_anchor(self, anchor: str) -> Directory | None:
        return self._one("anchor = ?", anchor)

    def folder_with_id(self, ino: int) -> Directory | None:
        """The folder with this inode number, or file id."""
        # The character after the colon. What was made last is what is there.
        return self._one("anchor >= ? AND anchor < ? ORDER BY id DESC LIMIT 1", f"{ino}:", f"{ino};")

    def _one(self, where: str, *values: object) -> Directory | None:
        query = f"SELECT id, anchor, parent, name, digest FROM directory WHERE {where}"  # noqa: S608 - our own text
        row = self._db.execute(query, values).fetchone()
        return Directory(*row) if row else None

    def below(self, parent: int) -> dict[str, Directory]:
        query = "SELECT id, anchor, parent, name, digest FROM directory WHERE parent = ?"
        return {row[3]: Directory(*row) for row in self._db.execute(query, (parent,))}

    def folders_at(self, parent: int, name: str) -> list[Directory]:
        """The folders that were seen at a name; more than one while it is not known where the others went."""
        query = "SELECT id, anchor, parent, name, digest FROM directory WHERE parent = ? AND name = ?"
        return [Directory(*row) for row in self._db.execute(query, (parent, name))]

    def all_directories(self) -> list[int]:
        """The rows of all folders."""
        return [row for (row,) in self._db.execute("SELECT id FROM directory")]

    def add_directory(self, anchor: str, parent: int, name: str) -> Directory:
        made = self._db.execute(
            "INSERT INTO directory (anchor, parent, name, digest) VALUES (?, ?, ?, x'')", (anchor, parent, name)
        )
        return Directory(made.lastrowid or 0, anchor, parent, name, b"")

    def place_directory(self, row: int, parent: int, name: str) -> None:
        self._db.execute("UPDATE directory SET parent = ?, name = ? WHERE id = ?", (parent, name, row))

    def fingerprint(self, row: int, digest: bytes) -> None:
        self._db.execute("UPDATE directory SET digest = ? WHERE id = ?", (digest, row))

    def _drop_directory(self, row: int) -> None:
        self._db.execute("DELETE FROM directory WHERE id = ?", (row,))

    def path(self, row: int) -> str | None:
        """The path below the root, None when a folder on it is not known any more; the root is the empty path."""
        steps: list[str] = []
        while row != ROOT:
            here = self.directory(row)
            if here is None or len(steps) > 4096:
                return None
            steps.append(here.name)
            row = here.parent
        return "/".join(reversed(steps))

    def by_path(self, path: str) -> Directory | None:
        """The folder that was last seen at a path."""
        here = self.directory(ROOT)
        for step in path.split("/") if path else ():
            query = "SELECT id, anchor, parent, name, digest FROM directory WHERE parent = ? AND name = ?"
            row = self._db.execute(query, (here.id if here else 0, step)).fetchone()
            here = Directory(*row) if row else None
            if here is None:
                return None
        return here

    @property
    def ranking(self) -> int:
        """Which numbering of the folders holds."""
        return int(self.meta("ranking") or 0)

    def rank_all(self) -> int:
        """Number all folders so that parents come before what is in them: the order of a full listing."""
        self._db.execute("UPDATE directory SET rank = NULL")
        level, number = [ROOT], 1
        while level:
            ranks = [(number + place, row) for place, row in enumerate(level)]
            number += len(level)
            self._db.executemany("UPDATE directory SET rank = ? WHERE id = ?", ranks)
            deeper: list[int] = []
            for row in level:
                deeper += [found[0] for found in self._db.execute("SELECT id FROM directory WHERE parent = ?", (row,))]
            level = deeper
        self.put_meta("ranking", str(self.ranking + 1))
        return self.ranking

    def ranked(self, after: int) -> tuple[int, Directory] | None:
        """The next folder of a full listing."""
        query = "SELECT rank, id, anchor, parent, name, digest FROM directory WHERE rank > ? ORDER BY rank LIMIT 1"
        row = self._db.execute(query, (after,)).fetchone()
        return (row[0], Directory(*row[1:])) if row else None
