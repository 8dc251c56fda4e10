"""The bytes of this side's files, read as they were observed or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Sequence

from bridge.core.model import Digest
from bridge.ports import QUICKXOR, Busy, ContentChanged, Source, Unreachable
from connectors.folder.records import file_version
from connectors.folder.sight import Sight
from connectors.folder.system import look
from connectors.folder.tables import Entry
from connectors.quickxor import QuickXor

_CHUNK = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class FolderContents:
    """See ``bridge.ports.Contents``."""

    def __init__(self, sight: Sight, guard: asyncio.Lock) -> None:
        self._sight, self._guard = sight, guard

    def source(self, anchor: str, version: str) -> Source:
        return FolderSource(self._sight, self._guard, anchor=anchor, version=version)

    async def digests(self, anchors: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[str, Digest]]:
        for anchor, version in anchors:
            source = FolderSource(self._sight, self._guard, anchor=anchor, version=version)
            try:
                async for _ in source.chunks():
                    pass
            except (ContentChanged, Busy):
                continue
            if source.digest is not None:
                yield anchor, source.digest


class FolderSource:
    """One file in one version; it is opened beneath the root by the place at which it was seen."""

    def __init__(self, sight: Sight, guard: asyncio.Lock, *, anchor: str, version: str) -> None:
        self._sight, self._guard, self._anchor, self._version = sight, guard, anchor, version
        self._read: QuickXor | None = None
        found = sight.index.find(anchor)
        self._size = found[1].size if found else 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def digest(self) -> Digest | None:
        return Digest(QUICKXOR, self._read.hexdigest(), self._read.size) if self._read is not None else None

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """See ``bridge.ports.Source``."""
        async with self._guard:
            fd, entry = await asyncio.to_thread(self._open)
        self._size = entry.size
        running, position = QuickXor() if start == 0 else None, start
        try:
            while True:
                piece = await asyncio.to_thread(_read, fd, position)
                if not piece:
                    break
                position += len(piece)
                if position > entry.size:
                    raise ContentChanged(f"file {self._anchor} grew while it was read")
                if running is not None:
                    running.update(piece)
                yield piece
            await asyncio.to_thread(self._verify, fd, entry, position)
        finally:
            os.close(fd)
        if running is not None:
            self._read = running

    def _open(self) -> tuple[int, Entry]:
        """Open the file as observed. Raises ContentChanged, Busy or Unreachable."""
        root = self._sight.verified()
        found = self._sight.index.find(self._anchor)
        folder = self._sight.index.directory(found[0]) if found else None
        if found is None or folder is None or file_version(folder.anchor, found[1]) != self._version:
            raise ContentChanged(f"file {self._anchor} is not any more what was observed")
        path, entry = self._sight.index.path(found[0]), found[1]
        try:
            fd = root.open(f"{path}/{entry.name}" if path else entry.name, _FLAGS)
        except FileNotFoundError:
            raise ContentChanged(f"file {self._anchor} is not any more where it was observed") from None
        except OSError as error:
            raise _translated(error, self._anchor) from error
        try:
            self._verify(fd, entry, entry.size)
            refuse_while_written(fd, self._anchor)
        except BaseException:
            os.close(fd)
            raise
        return fd, entry

    def _verify(self, fd: int, entry: Entry, position: int) -> None:
        node = look(fd)
        there = (node.ino, node.btime, node.mtime, node.size)
        if there != (entry.ino, entry.btime, entry.mtime, entry.size) or position != entry.size:
            raise ContentChanged(
                f"file {self._anchor} changed while it was read: expected {entry.size} bytes, found {node.size}; the "
                f"next observation shows what it is now"
            )


def _read(fd: int, position: int) -> bytes:
    try:
        return os.pread(fd, _CHUNK, position)
    except OSError as error:
        raise Unreachable(f"a file can't be read ({os.strerror(error.errno or 0)}): see the disk") from error


def refuse_while_written(fd: int, anchor: str) -> None:
    """Raise Busy when somebody has the file open for writing: a read lease is not given then (fcntl(2), F_SETLEASE).

    Where leases are not allowed (another owner without CAP_LEASE, some file systems) nothing is known, and only size
    and time tell of a change.
    """
    try:
        # A lease that is broken is told by SIGIO, which would end the process; SIGURG does nothing by itself.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        raise Busy(f"file {anchor} is open for writing; it is read when it is closed") from None
    except OSError:
        return
    # Kept, it would hold up whoever wants to write: the look at the end of the reading is enough.
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _translated(error: OSError, anchor: str) -> Exception:
    why = os.strerror(error.errno or 0)
    if isinstance(error, PermissionError):
        return Busy(f"file {anchor} can't be opened ({why}): give the service access to it")
    return Unreachable(f"file {anchor} can't be opened ({why}): see the disk")
