"""The bytes of this side's files, read as they were observed or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from bridge.core.model import Digest
from bridge.ports import QUICKXOR, Busy, ContentChanged, Source
from connectors.quickxor import QuickXor
from connectors.tree.records import file_version
from connectors.tree.rules import join
from connectors.tree.sight import Sight
from connectors.tree.storage import Reading, Storage
from connectors.tree.tables import Entry
from connectors.tree.turns import Turns

#: Small files read in one turn of a thread.
_TOGETHER = 32


class TreeContents:
    """See ``bridge.ports.Contents``."""

    def __init__(self, sight: Sight, turns: Turns) -> None:
        self._sight, self._turns = sight, turns
        self._together = _Together(turns)

    def source(self, anchor: str, version: str) -> Source:
        return TreeSource(self._sight, self._turns, self._together, anchor=anchor, version=version)

    async def digests(self, anchors: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[str, Digest]]:
        for anchor, version in anchors:
            running = QuickXor()
            try:
                async for piece in self.source(anchor, version).chunks():
                    running.update(piece)
            except (ContentChanged, Busy):
                continue
            yield anchor, Digest(QUICKXOR, running.hexdigest(), running.size)


class TreeSource:
    """One file in one version, read from the place at which it was seen."""

    def __init__(self, sight: Sight, turns: Turns, together: _Together, *, anchor: str, version: str) -> None:
        self._sight, self._turns, self._together = sight, turns, together
        self._anchor, self._version = anchor, version
        found = sight.index.find(anchor)
        self._size = found[1].size if found else 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def digest(self) -> Digest | None:
        return None  # nothing is known before it was read

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """See ``bridge.ports.Source``."""
        if start == 0 and self._size <= self._sight.storage.soon:
            # Nearly all files are small, and a change of thread costs more than reading them.
            if content := await self._together.read(self._whole):
                yield content
            return
        path, entry = await self._turns.take(self._find)
        self._size = entry.size
        course = _Course(self._sight.storage, path, entry, anchor=self._anchor, start=start)
        try:
            while not course.done:
                if piece := await asyncio.to_thread(course.next):
                    yield piece
        finally:
            if not course.done:
                await asyncio.to_thread(course.leave)

    def _whole(self) -> bytes:
        path, entry = self._find()
        self._size = entry.size
        course = _Course(self._sight.storage, path, entry, anchor=self._anchor, start=0)
        pieces = []
        while not course.done:
            pieces.append(course.next())
        return b"".join(pieces)

    def _find(self) -> tuple[str, Entry]:
        """Where the file is. Raises ContentChanged when it is not any more what was observed."""
        self._sight.storage.identity()
        index = self._sight.index
        found = index.find(self._anchor)
        folder = index.directory(found[0]) if found else None
        path = index.path(found[0]) if found else None
        if found is None or folder is None or path is None or file_version(folder.anchor, found[1]) != self._version:
            raise ContentChanged(f"file {self._anchor} is not any more what was observed")
        return join(path, found[1].name), found[1]


class _Together:
    """Reads in one turn of a thread what is asked for while another turn goes on. Each is one of ``turns``."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._asked: deque[tuple[Callable[[], bytes], asyncio.Future[bytes]]] = deque()
        self._taken: list[tuple[Callable[[], bytes], asyncio.Future[bytes]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def read(self, whole: Callable[[], bytes]) -> bytes:
        """What ``whole`` gives, called in a thread; raises what it raises."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked.append((whole, answer))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await answer

    async def _read_all(self) -> None:
        try:
            while self._asked:
                for answer, content in await self._turns.take(self._tried):
                    if answer.done():
                        continue  # nobody waits for it any more
                    if isinstance(content, bytes):
                        answer.set_result(content)
                    else:
                        answer.set_exception(content)
        finally:
            self._reading = None
            for _, answer in (*self._taken, *self._asked):  # the loop ends: nobody must wait for ever
                answer.cancel()
            self._asked.clear()

    def _tried(self) -> list[tuple[asyncio.Future[bytes], bytes | Exception]]:
        """Read some of what is asked for by now. In a thread; what the loop clears meanwhile is not read."""
        self._taken = []
        while len(self._taken) < _TOGETHER:
            try:
                self._taken.append(self._asked.popleft())
            except IndexError:
                break
        return [(answer, _read(whole)) for whole, answer in self._taken]


def _read(whole: Callable[[], bytes]) -> bytes | Exception:
    try:
        return whole()
    except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
        return error


class _Course:
    """One reading of a file, step by step; opening, the last bytes and the last look are no steps of their own.

    Blocking; raises ContentChanged, Busy, Unreachable. ``done``: nothing is open any more.
    """

    def __init__(self, storage: Storage, path: str, entry: Entry, *, anchor: str, start: int) -> None:
        self._storage, self._anchor, self._path, self._entry = storage, anchor, path, entry
        self._position = start
        self._reading: Reading | None = None
        # A reader that is cancelled leaves while a step may still go on.
        self._lock = threading.Lock()
        self.done = False

    def next(self) -> bytes:
        """The next bytes. With the last ones the file is proved to be still the one that was observed."""
        with self._lock:
            try:
                return b"" if self.done else self._step()
            except BaseException as error:
                self._close()
                if isinstance(error, self._storage.failure):
                    raise self._storage.unread(error, self._anchor) from error
                raise

    def _step(self) -> bytes:
        if self._reading is None:
            self._reading = self._storage.open(self._path, self._entry)
            self._compare(self._reading)
        piece = self._reading.read(self._position) if self._position < self._entry.size else b""
        self._position += len(piece)
        if self._position >= self._entry.size or not piece:
            self._compare(self._reading, last=True)
            self._close()
        return piece

    def _compare(self, reading: Reading, *, last: bool = False) -> None:
        node, entry = reading.look(), self._entry
        if not node.holds(entry) or (last and self._position != entry.size):
            raise ContentChanged(
                f"file {self._anchor} changed since it was observed: expected {entry.size} bytes, found {node.size}; "
                f"the next observation shows what it is now"
            )

    def leave(self) -> None:
        """Close what is open: the reading ends before the file does."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        reading, self._reading, self.done = self._reading, None, True
        if reading is not None:
            reading.close()
