"""The drives in the tenant's SQLite file, their content in the directory beside it.

A blob is in its place before the row that names it is written, and is removed only when no row names it any more: a
killed sandbox forgets nothing that it had answered. What a kill left over is swept at the next start.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from connectors.sandbox.drive_blobs import Spool
from connectors.sandbox.drive_model import Drive, Grant, Item, Version
from connectors.sandbox.drive_upload import Session
from connectors.sandbox.drives import Drives

_SCHEMA = """
CREATE TABLE IF NOT EXISTS drives (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drive_items (id TEXT PRIMARY KEY, drive TEXT, parent TEXT, position INTEGER,
    sequence INTEGER, changed_at REAL, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload_sessions (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
"""
_DRIVE = ("id", "site", "web", "listing", "kind", "owner_id", "name", "web_path", "created_at", "quota", "ready_at",
          "used", "binned", "sequence", "root_id")  # fmt: skip
_ITEM = ("guid", "name", "created_at", "modified_at", "client_created", "client_modified", "created_by", "modified_by",
         "digest", "blob", "etag", "ctag", "state", "deleted_at", "locked", "description")  # fmt: skip
_SESSION = ("id", "folder_id", "name", "item_id", "tag", "how", "by", "expires", "total", "defer", "times", "done")


class DriveStore:
    """Reads drives from an open file and writes back what changed."""

    def __init__(self, connection: sqlite3.Connection, drives: Drives) -> None:
        self.drives = drives
        self._connection = connection
        connection.executescript(_SCHEMA)
        self._load()

    def _load(self) -> None:
        drives, run = self.drives, self._connection.execute
        for _, body in run("SELECT * FROM drives"):
            drives.adopt(Drive(**json.loads(body)))
        by_id = {drive.id: drive for drive in drives.drives.values()}
        parents: dict[str, str] = {}
        changes: list[tuple[int, float, Item]] = []
        rows = run("SELECT id, drive, parent, sequence, changed_at, body FROM drive_items ORDER BY drive, position")
        for identity, drive_id, parent_id, sequence, changed_at, body in rows:
            item = _item(identity, by_id[drive_id], sequence, json.loads(body))
            by_id[drive_id].items[item.id] = drives.items[item.id] = item
            by_id[drive_id].order.append(item)
            parents[item.id] = parent_id
            changes.append((sequence, changed_at, item))
        for item in drives.items.values():
            self._place(item, parents[item.id])
        for sequence, changed_at, item in sorted(changes, key=lambda one: one[:2]):
            item.drive.numbers.append(sequence)
            item.drive.times.append(changed_at)
            item.drive.changed.append(item)
        binned = [item for item in drives.items.values() if item.deleted_at is not None and item.state == "deleted"]
        drives.bin = {item.id: None for item in sorted(binned, key=lambda one: one.deleted_at or 0)}
        self._load_sessions()
        parts = {session.spool.path.name for session in drives.sessions.values() if not session.done}
        drives.blobs.sweep({*drives.referenced(), *parts})
        drives.forget()

    def _place(self, item: Item, parent_id: str) -> None:
        drives = self.drives
        item.parent = drives.items.get(parent_id)
        for blob in (item.blob, *(version.blob for version in item.versions)):
            if blob:
                drives.users_of_blob[blob] += 1
        # The top of what was deleted together is out of its folder; what lay below stays below it.
        inside = item.state == "live" or (item.state == "deleted" and item.deleted_at is None)
        if item.parent is not None and item.parent.children is not None and inside:
            item.parent.children[item.name.lower()] = item
        above = item.parent if inside else None
        while above is not None and not item.folder:
            above.size += item.size
            inside = above.state == "live" or above.deleted_at is None
            above = above.parent if inside else None

    def _load_sessions(self) -> None:
        blobs = self.drives.blobs
        for identity, body in self._connection.execute("SELECT * FROM upload_sessions"):
            held = json.loads(body)
            part, received = held.pop("part"), held.pop("received")
            path = blobs.path(part).with_suffix(".part")
            if held["folder_id"] not in self.drives.items or not (held["done"] or path.exists()):
                continue
            spool = Spool(blobs.path(part).with_suffix(".part")) if held["done"] else Spool.resumed(path, received)
            spool.close()
            if held["done"]:
                spool.discard()
            self.drives.sessions[identity] = Session(**held, spool=spool)

    def commit(self) -> None:
        """Write what changed since the last call, in one transaction."""
        drives, run = self.drives, self._connection.execute
        if not drives.dirty and not drives.dirty_drives and not drives.dirty_sessions:
            return
        by_id = {drive.id: drive for drive in drives.drives.values()} if drives.dirty_drives else {}
        run("BEGIN")
        for identity in drives.dirty_drives:
            body = json.dumps({name: getattr(by_id[identity], name) for name in _DRIVE})
            run("INSERT OR REPLACE INTO drives VALUES (?, ?)", (identity, body))
        rows = [self._row(drives.items[identity]) for identity in drives.dirty]
        self._connection.executemany("INSERT OR REPLACE INTO drive_items VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        for identity in drives.dirty_sessions:
            session = drives.sessions.get(identity)
            if session is None:
                run("DELETE FROM upload_sessions WHERE id = ?", (identity,))
                continue
            held: dict[str, Any] = {name: getattr(session, name) for name in _SESSION}
            held |= {"part": session.spool.path.stem, "received": session.received}
            run("INSERT OR REPLACE INTO upload_sessions VALUES (?, ?)", (identity, json.dumps(held)))
        run("COMMIT")
        drives.forget()

    def _row(self, item: Item) -> tuple[Any, ...]:
        held: dict[str, Any] = {name: getattr(item, name) for name in _ITEM}
        held["folder"] = item.folder
        held["size"] = 0 if item.folder else item.size
        if item.versions:
            held["versions"] = [
                (one.number, one.blob, one.size, one.modified_at, one.modified_by) for one in item.versions
            ]
        if item.grants:
            held["grants"] = [(one.id, one.roles, one.entry_id, one.kind, one.link) for one in item.grants.values()]
        parent = item.parent.id if item.parent else ""
        return (item.id, item.drive.id, parent, item.position, item.sequence, item.changed_at, json.dumps(held))


def _item(identity: str, drive: Drive, sequence: int, held: dict[str, Any]) -> Item:
    folder = held.pop("folder")
    versions = [Version(*one) for one in held.pop("versions", ())]
    grants = [Grant(one[0], tuple(one[1]), *one[2:]) for one in held.pop("grants", ())]
    return Item(
        **held, id=identity, drive=drive, parent=None, sequence=sequence, children={} if folder else None,
        versions=versions, grants={grant.id: grant for grant in grants}, position=len(drive.order),
    )  # fmt: skip
