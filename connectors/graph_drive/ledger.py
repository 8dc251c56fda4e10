"""What a drive's connector keeps on disk and could make again: folders seen, uploads in progress, what was sent.

A small SQLite file in the connector's own directory, readable by the bridge's user only: the URL of an upload session
is as good as a password for that one file. ``secure_delete`` overwrites it when the upload is done.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.core.model import Digest

_TABLES = """
create table if not exists folders (id text primary key, parent text not null, package integer not null) without rowid;
create table if not exists uploads (key text primary key, url text not null) without rowid;
create table if not exists sent (
    id text primary key, algorithm text not null, value text not null, size integer not null, modified text not null
) without rowid;
create table if not exists sending (
    target text primary key, algorithm text not null, value text not null, size integer not null,
    modified text not null, expected text not null
) without rowid;
create table if not exists about (name text primary key, value text not null) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """The bytes that a file got by our upload, and the time that it got with them."""

    content: Digest
    modified: str


@dataclass(frozen=True, slots=True)
class Sending:
    """An upload whose last bytes were about to go out; ``expected`` is the version that was there, empty for none."""

    content: Digest
    modified: str
    expected: str


class Ledger:
    """Opened when first needed. Without a directory everything is forgotten with the process."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / "drive.sqlite" if directory else None
        self._connection: sqlite3.Connection | None = None
        self._targets: set[str] | None = None

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
                self._path.chmod(0o600)
            self._connection = sqlite3.connect(self._path or ":memory:", isolation_level=None)
            self._connection.execute("pragma secure_delete = on")
            self._connection.execute("pragma synchronous = normal")
            self._connection.executescript(_TABLES)
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        db.execute("begin immediate")
        try:
            yield db
            db.execute("commit")
        except BaseException:
            if db.in_transaction:  # a full disk fails the commit, and nothing could be written any more
                db.execute("rollback")
            raise

    # folders

    def generation(self) -> str:
        """Which listing the folders come from; empty when none was read to its end."""
        row = self._db().execute("select value from about where name = 'generation'").fetchone()
        return str(row[0]) if row else ""

    def mirrored(self, place: str) -> str:
        """The id of the folder that is mirrored as ``place``; empty when none was found yet."""
        row = self._db().execute("select value from about where name = ?", (f"folder {place}",)).fetchone()
        return str(row[0]) if row else ""

    def keep_mirrored(self, place: str, folder: str) -> None:
        """Remember it: a folder that gets another name is found by its id."""
        if self.mirrored(place) != folder:
            with self._writing() as db:
                db.execute("insert or replace into about values (?, ?)", (f"folder {place}", folder))

    def begin(self, generation: str) -> None:
        """Forget the folders; a new listing begins (or, with an empty generation, has to)."""
        with self._writing() as db:
            db.execute("delete from folders")
            db.execute("insert or replace into about values ('generation', ?)", (generation,))

    def keep_folders(self, rows: Iterable[tuple[str, str, bool]], gone: Iterable[str]) -> None:
        """Folders as they are now: id, id of the parent, whether it is a package."""
        with self._writing() as db:
            db.executemany("delete from folders where id = ?", ((key,) for key in gone))
            db.executemany("insert or replace into folders values (?, ?, ?)", rows)

    def folder(self, key: str) -> tuple[str, bool] | None:
        """Parent and whether it is a package; None for an unknown folder."""
        row = self._db().execute("select parent, package from folders where id = ?", (key,)).fetchone()
        return (str(row[0]), bool(row[1])) if row else None

    # uploads in progress

    def upload(self, key: str) -> str | None:
        """The URL of an upload in progress."""
        row = self._db().execute("select url from uploads where key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def keep_upload(self, key: str, url: str | None) -> None:
        """Remember the URL, or forget it."""
        with self._writing() as db:
            if url is None:
                db.execute("delete from uploads where key = ?", (key,))
            else:
                db.execute("insert or replace into uploads values (?, ?)", (key, url))

    # what was sent

    def sent(self, anchor: str) -> Sent | None:
        """What our last upload gave to the file."""
        row = self._db().execute("select algorithm, value, size, modified from sent where id = ?", (anchor,)).fetchone()
        return Sent(Digest(row[0], row[1], row[2]), row[3]) if row else None

    def keep_sent(self, anchor: str, sent: Sent | None) -> None:
        """Remember it, or forget it."""
        with self._writing() as db:
            if sent is None:
                db.execute("delete from sent where id = ?", (anchor,))
            else:
                one = sent.content
                db.execute(
                    "insert or replace into sent values (?, ?, ?, ?, ?)",
                    (anchor, one.algorithm, one.value, one.size, sent.modified),
                )

    # uploads that nobody heard the end of

    def sending(self, *targets: str) -> tuple[str, Sending] | None:
        """The upload to one of these targets whose end is not known."""
        query = "select algorithm, value, size, modified, expected from sending where target = ?"
        for target in self._open_targets().intersection(targets):
            row = self._db().execute(query, (target,)).fetchone()
            if row is not None:
                return target, Sending(Digest(row[0], row[1], row[2]), row[3], row[4])
        return None

    def keep_sending(self, target: str, sending: Sending | None) -> None:
        """Remember it before the last bytes go out, or forget it when the end is known."""
        targets = self._open_targets()
        if sending is None:
            if target in targets:
                with self._writing() as db:
                    db.execute("delete from sending where target = ?", (target,))
                targets.discard(target)
            return
        one = sending.content
        row = (target, one.algorithm, one.value, one.size, sending.modified, sending.expected)
        with self._writing() as db:
            db.execute("insert or replace into sending values (?, ?, ?, ?, ?, ?)", row)
        targets.add(target)

    def _open_targets(self) -> set[str]:
        """All of them: mostly none, so that a listing of a million files asks the database for none."""
        if self._targets is None:
            self._targets = {str(row[0]) for row in self._db().execute("select target from sending")}
        return self._targets


def target_of(anchor: str, parent: str = "", name: str = "") -> str:
    """What an upload goes to: a file that is there by its id, or a new one by its folder's id and its name there."""
    return f"id {anchor}" if anchor else f"in {parent} {name.casefold()}"
