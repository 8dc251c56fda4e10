"""The bytes of a source on their way up: hashed once, sent as often as it takes, the last ones held back.

Nothing is committed before the source has said that it is still the same file: the last piece of the last fragment is
given away only when the source has come to its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from bridge.core.model import Digest
from bridge.ports import QUICKXOR, BridgeError, ContentChanged, Source
from connectors.bandwidth import Limiter
from connectors.quickxor import QuickXor

#: Bytes given to the line at a time.
PIECE = 256 * 1024


class Feed:
    """``error``: what went wrong with the source while a request was sent, which the HTTP library hides.

    ``told`` is called with the digest of all bytes before the last of them are given away.
    """

    def __init__(self, source: Source | None, size: int, line: Limiter) -> None:
        self._source = source
        self._line = line
        self.told: Callable[[Digest], None] = lambda _: None
        self._hash = QuickXor()
        self._hashed = 0
        self._stream: AsyncIterator[bytes] | None = None
        self._at = 0
        self._rest = memoryview(b"")
        self._digest: Digest | None = None
        self.size = size
        self.error: BridgeError | None = None

    def digest(self) -> Digest:
        """Of all bytes, once they were read."""
        if self._digest is None:
            self._digest = Digest(QUICKXOR, self._hash.hexdigest(), self.size)
        return self._digest

    async def whole(self) -> Digest:
        """Read what was not read yet, and check the source."""
        if self._hashed < self.size:
            async for _ in self.pieces(self._hashed, self.size):
                pass
        return self.digest()

    async def all(self) -> bytes:
        """All bytes of a small file."""
        content = b"".join([bytes(piece) async for piece in self.pieces(0, self.size)])
        if not self.size:
            await self._finish()
        await self._line.take("up", len(content))
        return content

    async def pieces(self, start: int, stop: int) -> AsyncIterator[memoryview]:
        """The bytes from ``start`` to ``stop``. Raises ContentChanged, Busy or Unreachable of the source."""
        await self._ready(start)
        while self._at < stop:
            piece = await self._take(min(PIECE, stop - self._at))
            if self._at == self.size:
                await self._finish()
                self.told(self.digest())
            yield piece

    async def body(self, start: int, stop: int) -> bytes | Callable[[Callable[..., None]], AsyncIterator[memoryview]]:
        """The same as the body of a request, at the pace of the line; what is small goes as a whole."""
        if stop - start <= PIECE:
            content = b"".join([piece async for piece in self.pieces(start, stop)])
            await self._line.take("up", len(content))
            return content

        async def send(moved: Callable[..., None]) -> AsyncIterator[memoryview]:
            try:
                moved(waiting=True)
                async for piece in self.pieces(start, stop):
                    await self._line.take("up", len(piece))
                    moved()
                    yield piece
                    moved(waiting=True)
                moved()
            except BridgeError as error:
                self.error = error
                raise

        return send

    def leave(self) -> None:
        """Let go of the source for a while: the hash stays, and the bytes go on where they are."""
        self._stream, self._rest = None, memoryview(b"")

    async def _ready(self, start: int) -> None:
        if self._stream is not None and self._at == start:
            return
        begin = min(start, self._hashed)
        self._stream, self._at, self._rest = (
            self._source.chunks(begin) if self._source else None,
            begin,
            memoryview(b""),
        )
        while self._at < start:
            await self._take(start - self._at)

    async def _take(self, most: int) -> memoryview:
        while not self._rest:
            chunk = await self._next()
            if chunk is None:
                raise ContentChanged("The file got shorter while it was read.")
            self._rest = memoryview(chunk)
        piece, self._rest = self._rest[:most], self._rest[most:]
        self._at += len(piece)
        if self._at > self._hashed:
            self._hash.update(piece[len(piece) - (self._at - self._hashed) :])
            self._hashed = self._at
        return piece

    async def _finish(self) -> None:
        if self._rest or await self._next():
            raise ContentChanged("The file got longer while it was read.")
        self._stream = None

    async def _next(self) -> bytes | None:
        if self._stream is None:
            return None
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            return None
