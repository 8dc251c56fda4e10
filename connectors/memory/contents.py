"""Files with real bytes: people writing them, and the bridge reading and sending them.

A side shows its bytes as their QuickXorHash, as a cloud does, or ``unread``: only when they were last written, as a
scan of a share does. What the bridge overwrites is kept, as versions and recycle bins keep it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from bridge.core.model import Action, Digest, Fields
from bridge.ports import QUICKXOR, UNREAD, Busy, ContentChanged, Write
from connectors.memory.faults import Faults
from connectors.memory.side import MemorySide

_BITS = 160
#: What a side that rewrites adds to what it was given.
MARK = b"\n<rewritten>"


def quickxor(body: bytes) -> Digest:
    """QuickXorHash (OneDrive: code-snippets/quickxorhash) of bytes in memory, the simple way."""
    register = 0
    for index, byte in enumerate(body):
        register ^= byte << (index * 11 % _BITS)
    register = (register & ((1 << _BITS) - 1)) ^ (register >> _BITS)
    return Digest(QUICKXOR, (register ^ len(body) << 96).to_bytes(20, "little").hex(), len(body))


def shown(side: MemorySide, body: bytes) -> Digest:
    """What the side shows for bytes that are written now."""
    return Digest(UNREAD, f"{side.name}-{side.number + 1}", len(body)) if side.unread else quickxor(body)


def new_file(side: MemorySide, fields: Fields, body: bytes) -> str:
    """Somebody makes a file; returns its anchor. Raises Rejected as ``MemorySide.create``."""
    anchor = side.create("file", {**fields, "content": shown(side, body)})
    side.bodies[anchor] = body
    return anchor


def write_body(side: MemorySide, anchor: str, body: bytes, fields: Fields | None = None) -> int:
    """Somebody writes a file anew (with equal bytes: touches it); returns its version."""
    version = side.change(anchor, {**(fields or {}), "content": shown(side, body)})
    side.bodies[anchor] = body
    return version


@dataclass(slots=True)
class Traffic:
    """Bytes that left the side: ``sent`` to the other one, ``hashed`` to compare; ``overwritten`` while they did."""

    sent: int = 0
    hashed: int = 0
    overwritten: set[bytes] = field(default_factory=set)


class MemorySource:
    """The bytes of one file as they were in a version."""

    def __init__(self, contents: MemoryContents, anchor: str, version: str) -> None:
        self._contents, self._anchor, self._version = contents, anchor, version
        self._digest: Digest | None = None

    @property
    def size(self) -> int:
        return len(self._contents.side.bodies.get(self._anchor, b""))

    @property
    def digest(self) -> Digest | None:
        return self._digest

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        contents = self._contents
        body = contents.read(self._anchor, self._version)
        half = start + (len(body) - start) // 2
        for piece in (body[start:half], body[half:]):
            if piece:
                contents.traffic.sent += len(piece)
                yield piece
            if contents.faults.strikes("changing"):
                contents.traffic.overwritten.add(body)
                write_body(contents.side, self._anchor, body + b" and more")
        contents.read(self._anchor, self._version)
        self._digest = quickxor(body)


class MemoryContents:
    """The port ``Contents`` over a memory side."""

    def __init__(self, side: MemorySide, faults: Faults, traffic: Traffic) -> None:
        self.side, self.faults, self.traffic = side, faults, traffic

    def source(self, anchor: str, version: str) -> MemorySource:
        return MemorySource(self, anchor, version)

    async def digests(self, anchors: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[str, Digest]]:
        for anchor, version in anchors:
            try:
                body = self.read(anchor, version)
            except (Busy, ContentChanged):
                continue
            self.traffic.hashed += len(body)
            yield anchor, quickxor(body)

    def read(self, anchor: str, version: str) -> bytes:
        """The bytes, if they are still those of the version and nobody is writing them; else ContentChanged or Busy."""
        record = self.side.record(anchor)
        if anchor in self.faults.busy:
            raise Busy(f"{self.side.name}: {anchor} is being written; it is copied once that is over")
        if record is None or record.version != version:
            found = f"version {record.version}" if record else "nothing"
            raise ContentChanged(f"{self.side.name}: {anchor} was version {version}, found {found}; it is copied later")
        return self.side.bodies.get(anchor, b"")


async def received(side: MemorySide, write: Write) -> bytes | None:
    """Take in the bytes of a write; None where there are none, or where the recycle bin has the very same."""
    if write.content is None:
        return None
    kept = side.bodies.get(write.anchor or "")
    if write.action is Action.RESTORE and kept is not None and quickxor(kept) == write.fields.get("content"):
        return None
    return b"".join([piece async for piece in write.content.chunks()])


def stored(faults: Faults, name: str, body: bytes) -> bytes:
    """What the side makes of bytes that it is given."""
    return body + MARK if faults.rewrites and name.endswith(faults.rewrites) else body
