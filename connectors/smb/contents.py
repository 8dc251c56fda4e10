"""The bytes of this side's files, read as they were observed or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from bridge.core.model import Digest
from bridge.ports import QUICKXOR, Busy, ContentChanged, Source, Unreachable
from connectors.folder.index import Entry
from connectors.folder.records import file_version
from connectors.quickxor import QuickXor
from connectors.smb import errors
from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.line import FILE, READ, SHARE_DELETE, SHARE_READ, Handle, Line
from connectors.smb.scan import join
from connectors.smb.sight import Sight
from connectors.smb.wire import Node


class ShareContents:
    """See ``bridge.ports.Contents``."""

    def __init__(self, sight: Sight, guard: asyncio.Lock) -> None:
        self._sight, self._guard = sight, guard

    def source(self, anchor: str, version: str) -> Source:
        return ShareSource(self._sight, self._guard, anchor=anchor, version=version)

    async def digests(self, anchors: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[str, Digest]]:
        for anchor, version in anchors:
            source = ShareSource(self._sight, self._guard, anchor=anchor, version=version)
            try:
                async for _ in source.chunks():
                    pass
            except (ContentChanged, Busy):
                continue
            if source.digest is not None:
                yield anchor, source.digest


class ShareSource:
    """One file in one version, read by the place at which it was seen, over a connection of its own."""

    def __init__(self, sight: Sight, guard: asyncio.Lock, *, anchor: str, version: str) -> None:
        self._sight, self._guard, self._anchor, self._version = sight, guard, anchor, version
        self._digest: Digest | None = None
        found = sight.index.find(anchor)
        self._size = found[1].size if found else 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def digest(self) -> Digest | None:
        return self._digest

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """See ``bridge.ports.Source``."""
        async with self._guard:
            path, entry = await asyncio.to_thread(self._find)
        line = await asyncio.to_thread(self._sight.lines.take)
        self._size = entry.size
        running, position = QuickXor() if start == 0 else None, start
        handle: Handle | None = None
        try:
            handle = await asyncio.to_thread(self._open, line, path, entry)
            while piece := await asyncio.to_thread(self._read, line, handle, position):
                position += len(piece)
                if position > entry.size:
                    raise ContentChanged(f"file {self._anchor} grew while it was read")
                if running is not None:
                    running.update(piece)
                yield piece
            self._compare(await asyncio.to_thread(line.look, handle), entry)
            if position != entry.size:
                raise ContentChanged(f"file {self._anchor} shrank while it was read")
            await asyncio.to_thread(line.close_handle, handle)
        except ServerStatus as status:
            raise self._translated(status) from None
        except (ContentChanged, Busy):
            if handle is not None:
                await asyncio.to_thread(line.close_handle, handle)
            raise
        except BaseException:
            # Left in the middle: what is open goes with the connection.
            line.close()
            raise
        finally:
            self._sight.lines.give_back(line)
        if running is not None:
            self._digest = Digest(QUICKXOR, running.hexdigest(), running.size)

    def _find(self) -> tuple[str, Entry]:
        self._sight.verified()
        found = self._sight.index.find(self._anchor)
        folder = self._sight.index.directory(found[0]) if found else None
        path = self._sight.index.path(found[0]) if found else None
        if found is None or folder is None or path is None or file_version(folder.anchor, found[1]) != self._version:
            raise ContentChanged(f"file {self._anchor} is not any more what was observed")
        return join(path, found[1].name), found[1]

    def _open(self, line: Line, path: str, entry: Entry) -> Handle:
        """Open the file as observed. Raises ContentChanged or ServerStatus: a sharing violation while it is written.

        The first opening lets nobody write, and so finds out whether somebody does; kept, it would hold up a teacher
        who wants to save, for as long as a slow line takes. So the reading goes on with a second one that hinders
        nobody, and the look at the end tells.
        """
        with line.opened(path, access=READ, share=SHARE_READ | SHARE_DELETE, options=FILE) as first:
            self._compare(first.node, entry)
            return line.open(path, access=READ, options=FILE)

    @staticmethod
    def _read(line: Line, handle: Handle, position: int) -> bytes:
        return line.read(handle, position, line.chunk)

    def _compare(self, node: Node, entry: Entry) -> None:
        if (node.ino, node.mtime, node.size) != (entry.ino, entry.mtime, entry.size):
            raise ContentChanged(
                f"file {self._anchor} changed since it was observed: expected {entry.size} bytes, found {node.size}; "
                f"the next observation shows what it is now"
            )

    def _translated(self, status: ServerStatus) -> Exception:
        if status.code in ABSENT:
            return ContentChanged(f"file {self._anchor} is not any more where it was observed")
        if status.code in (errors.SHARING_VIOLATION, errors.FILE_LOCK_CONFLICT):
            return Busy(f"file {self._anchor} is open for writing; it is read when it is closed")
        if status.code == errors.ACCESS_DENIED:
            return Busy(f"file {self._anchor} can't be read (access denied): give the bridge's account access to it")
        return Unreachable(f"file {self._anchor} can't be read ({status}): see the server")
