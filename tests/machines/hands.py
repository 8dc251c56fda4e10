"""People at one end of a bridge, past the bridge: what they can do to files there, and what they see.

Paths are below the root, with slashes. The bridge is never its own witness.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from bridge.core.model import Digest, Record, Value
from connectors.memory import MemorySide
from connectors.memory.contents import MARK, new_file, write_body
from connectors.sandbox import Sandbox
from connectors.sandbox.drive_model import BINNED, LIVE, Drive, Item

#: Path -> content, None for a folder.
Tree = dict[str, Value | bytes]
_OURS = ".schoolbridge-"


class Hands(Protocol):
    """What people do at one end. ``shown``: what the tree shows for a file of these bytes."""

    def tree(self) -> Tree: ...
    def trash(self) -> set[Value | bytes]: ...
    def shown(self, body: bytes) -> Value | bytes: ...
    def changes(self) -> object:
        """Equal before and after: nothing was written."""

    def folder(self, path: str) -> None: ...
    def write(self, path: str, body: bytes) -> None: ...
    def move(self, path: str, to: str) -> None: ...
    def delete(self, path: str) -> None: ...
    def restore(self, name: str) -> None: ...


def split(path: str) -> tuple[str, str]:
    """The folder and the name of a path."""
    above, _, name = path.rpartition("/")
    return above, name


class MemoryHands:
    """A side in memory; where its files have no bytes, digests stand for them."""

    def __init__(self, side: MemorySide, *, bytes_: bool) -> None:
        self.side, self._bytes = side, bytes_

    def tree(self) -> Tree:
        return {self.path(one): self._content(one) for kind in ("folder", "file") for one in self.side.records(kind)}

    def path(self, record: Record) -> str:
        """Where a record is."""
        above = self.side.record(str(record.fields.get("parent") or ""))
        return (self.path(above) if above else "") + "/" + str(record.fields["name"])

    def _content(self, record: Record) -> Value | bytes:
        body = self.side.bodies.get(record.anchor)
        return record.fields.get("content") if body is None else body.removesuffix(MARK)

    def trash(self) -> set[Value | bytes]:
        gone = {body for anchor, body in self.side.bodies.items() if self.side.record(anchor) is None}
        return {body.removesuffix(MARK) for body in (*gone, *self.side.kept)}

    def shown(self, body: bytes) -> Value | bytes:
        return body if self._bytes else Digest("sha256", body.hex(), len(body))

    def changes(self) -> object:
        return self.side.number

    def _at(self, path: str) -> str | None:
        if not path:
            return None
        return next(
            one.anchor for kind in ("folder", "file") for one in self.side.records(kind) if self.path(one) == path
        )

    def folder(self, path: str) -> None:
        above, name = split(path)
        self.side.create("folder", {"parent": self._at(above), "name": name})

    def write(self, path: str, body: bytes) -> None:
        above, name = split(path)
        content = self.shown(body)
        anchor = self._at(path) if path in self.tree() else None
        if isinstance(content, bytes) and anchor:
            write_body(self.side, anchor, content)
        elif isinstance(content, bytes):
            new_file(self.side, {"parent": self._at(above), "name": name}, content)
        elif anchor:
            self.side.change(anchor, {"content": content})
        else:
            self.side.create("file", {"parent": self._at(above), "name": name, "content": content})

    def move(self, path: str, to: str) -> None:
        above, name = split(to)
        anchor = self._at(path)
        assert anchor is not None
        self.side.change(anchor, {"parent": self._at(above), "name": name})

    def delete(self, path: str) -> None:
        anchor = self._at(path)
        assert anchor is not None
        self.side.delete(anchor)

    def restore(self, name: str) -> None:
        self.side.restore(next(one.anchor for one in self.side.entries.values() if one.fields.get("name") == name))


class DiskHands:
    """A directory. ``line`` works over the wire where the directory is a server's."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def tree(self) -> Tree:
        return {f"/{one.relative_to(self.root)}": None if one.is_dir() else one.read_bytes() for one in self._all()}

    def _all(self, pattern: str = "*") -> Iterator[Path]:
        for one in sorted(self.root.rglob(pattern)):
            if not one.relative_to(self.root).parts[0].startswith(_OURS) and not one.name.startswith(_OURS):
                yield one

    def trash(self) -> set[Value | bytes]:
        there = self.root.glob(f"{_OURS}trash/**/*")
        return {one.read_bytes() for one in there if one.is_file() and one.name != "origin.json"}

    def shown(self, body: bytes) -> Value | bytes:
        return body

    def changes(self) -> object:
        found = ((str(one), one.lstat()) for one in sorted(self.root.rglob("*")))
        return [(path, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in found]

    def place(self, path: str) -> Path:
        """Where a path is on the disk."""
        return self.root / path.lstrip("/")

    def folder(self, path: str) -> None:
        self.place(path).mkdir()

    def write(self, path: str, body: bytes) -> None:
        self.place(path).write_bytes(body)

    def move(self, path: str, to: str) -> None:
        assert not self.place(to).exists() or to.lower() == path.lower()
        self.place(path).rename(self.place(to))

    def delete(self, path: str) -> None:
        there = self.place(path)
        shutil.rmtree(there) if there.is_dir() else there.unlink()

    def restore(self, name: str) -> None:
        for note in self.root.glob(f"{_OURS}trash/*/*/origin.json"):
            origin = json.loads(note.read_text())
            if origin["name"] == name and origin["deleted"]:
                note.with_name(name).rename(self.root / origin["path"])
                return
        raise AssertionError(f"{name} is not in the trash")


class DriveHands:
    """A drive of the sandbox, changed past Graph."""

    def __init__(self, sandbox: Sandbox, drive: Drive) -> None:
        self.sandbox, self.drive = sandbox, drive
        self._drives = sandbox.service.drives

    def tree(self) -> Tree:
        below = list(self.drive.root.below())[1:]
        return {one.path(): None if one.folder else self._bytes(one.blob) for one in below}

    def _bytes(self, blob: str) -> bytes:
        return self._drives.blobs.path(blob).read_bytes() if blob else b""

    def trash(self) -> set[Value | bytes]:
        there = [one for one in self.drive.items.values() if not one.folder]
        kept = {self._bytes(version.blob) for one in there for version in one.versions}
        return kept | {self._bytes(one.blob) for one in there if one.state == BINNED}

    def shown(self, body: bytes) -> Value | bytes:
        return body

    def changes(self) -> object:
        return self.drive.sequence

    def _at(self, path: str) -> Item:
        if not path:
            return self.drive.root
        return next(one for one in self.drive.root.below() if one.path() == path)

    def _done(self, act: Callable[[], object]) -> None:
        act()
        self.sandbox.commit()

    def folder(self, path: str) -> None:
        above, name = split(path)
        self._done(lambda: self._drives.add(self._at(above), name, by="", folder=True))

    def write(self, path: str, body: bytes) -> None:
        above, name = split(path)
        there = path in self.tree()
        spool = self._drives.blobs.spool()
        spool.write(body)
        item = self._at(path) if there else self._drives.add(self._at(above), name, by="", folder=False)
        self._done(lambda: self._drives.write(item, spool, by=""))

    def move(self, path: str, to: str) -> None:
        above, name = split(to)
        parent, item = self._at(above), self._at(path)
        assert parent.child(name) in (None, item), f"{to} is taken"
        self._done(lambda: self._drives.move(item, parent, name, by=""))

    def delete(self, path: str) -> None:
        self._done(lambda: self._drives.delete(self._at(path)))

    def restore(self, name: str) -> None:
        item = next(one for one in self.drive.items.values() if one.state == BINNED and one.name == name)
        parent = item.parent if item.parent is not None and item.parent.state == LIVE else self.drive.root
        self._done(lambda: self._drives.restore(item, parent, name, by=""))
