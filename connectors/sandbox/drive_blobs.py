"""File content on disk: one file a blob, written as it arrives, hashed on the way, never whole in memory."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from connectors.sandbox.quickxor import QuickXor

_SUFFIX = ".part"


class Spool:
    """Content on its way in: appended to a file of its own; :meth:`Blobs.keep` makes a blob of it."""

    __slots__ = ("_file", "_hash", "_mark", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hash = QuickXor()
        self._mark = self._hash.copy()
        self._file: BinaryIO | None = path.open("w+b", buffering=0)

    @classmethod
    def resumed(cls, path: Path, length: int) -> Spool:
        """The spool of an upload that a restart interrupted, cut to the bytes that had been acknowledged."""
        spool = cls.__new__(cls)
        spool.path, spool._hash = path, QuickXor()
        spool._file = path.open("r+b", buffering=0)
        spool._file.truncate(length)
        while piece := spool._file.read(1 << 20):
            spool._hash.update(piece)
        spool._mark = spool._hash.copy()
        return spool

    @property
    def length(self) -> int:
        """Bytes so far."""
        return self._hash.length

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        if self._file is None:
            self._file = self.path.open("r+b", buffering=0)
            self._file.seek(0, 2)
        self._file.write(piece)
        self._hash.update(piece)

    def mark(self) -> None:
        """Acknowledge all bytes so far; :meth:`rewind` comes back to here."""
        self._mark = self._hash.copy()

    def rewind(self) -> None:
        """Drop what came after the last mark."""
        self._hash = self._mark.copy()
        if self._file is not None:
            self._file.truncate(self._hash.length)
            self._file.seek(self._hash.length)

    def digest(self) -> str:
        """QuickXorHash of all bytes so far."""
        return self._hash.digest()

    def close(self) -> None:
        """Close the file, keep the bytes."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Close and remove; nothing happens to a spool that has become a blob."""
        self.close()
        if self.path.suffix == _SUFFIX:
            self.path.unlink(missing_ok=True)


class Blobs:
    """The directory of all content, made when it is first needed; a temporary one when none is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._ready = False
        self._end: weakref.finalize[..., Blobs] | None = None
        self._made: set[str] = set()

    @property
    def folder(self) -> Path:
        """The directory."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sandbox-content-"))
            self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        if not self._ready:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._ready = True
        return self._folder

    def spool(self) -> Spool:
        """A new empty spool."""
        return Spool(self.path(secrets.token_hex(16)).with_suffix(_SUFFIX))

    def path(self, blob: str) -> Path:
        """Where a blob lies; 256 folders, so that none gets long."""
        part = blob[:2]
        if part not in self._made:
            (self.folder / part).mkdir(exist_ok=True)
            self._made.add(part)
        return self.folder / part / blob

    def keep(self, spool: Spool) -> str:
        """Make a blob of a spool; gives its name."""
        spool.close()
        blob = spool.path.stem
        spool.path = spool.path.rename(self.path(blob))
        return blob

    def digest(self, blob: str) -> str:
        """QuickXorHash of a blob."""
        running = QuickXor()
        with self.path(blob).open("rb") as source:
            while piece := source.read(1 << 20):
                running.update(piece)
        return running.digest()

    def copy(self, blob: str) -> Spool:
        """A spool that begins with a blob's bytes."""
        spool = self.spool()
        with self.path(blob).open("rb") as source:
            while piece := source.read(1 << 20):
                spool.write(piece)
        return spool

    def remove(self, blob: str) -> None:
        """Remove a blob's bytes."""
        self.path(blob).unlink(missing_ok=True)

    def sweep(self, used: Iterable[str]) -> int:
        """Remove what nothing refers to (a crash between content and commit leaves it); gives how many."""
        known, swept = set(used), 0
        for path in self.folder.glob("??/*"):
            if path.name not in known:
                path.unlink(missing_ok=True)
                swept += 1
        return swept

    def close(self) -> None:
        """Remove a temporary directory."""
        if self._end:
            self._end()
