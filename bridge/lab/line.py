"""The lines between sites and a hub: TCP relays of the lab, which can be cut and mended as a cable can.

One thread serves all of them. A line that is cut drops what runs over it and answers nobody, while its port stays
taken: no other program is reached by mistake meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_CHUNK = 1 << 16


class Line:
    """One relay: whoever connects to ``port`` of this machine reaches the other end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: tuple[str, int]) -> None:
        self.port = 0
        self.whole = True
        self._loop = loop
        self._target = target
        self._running: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Drop what runs over it, and refuse all that comes."""

        def cutting() -> None:
            self.whole = False
            for one in self._running:
                one.cancel()

        self._loop.call_soon_threadsafe(cutting)

    def mend(self) -> None:
        """Let it carry again."""

        def mending() -> None:
            self.whole = True

        self._loop.call_soon_threadsafe(mending)

    async def listen(self) -> asyncio.Server:
        """Take a free port."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if not self.whole or task is None:
            writer.transport.abort()
            return
        self._running.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            there, far = await asyncio.open_connection(*self._target)
            both = (self._pour(reader, far), self._pour(there, writer))
            await asyncio.gather(*both)
        except (OSError, asyncio.CancelledError):
            pass  # one end is gone, or the line was cut: then the other end is told in the same way
        finally:
            self._running.discard(task)
            for one in (writer, far):
                if one is not None:
                    one.transport.abort()

    async def _pour(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(_CHUNK):
            sink.write(piece)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()


class Lines:
    """All lines of a city; ``stop`` ends them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()

    def open(self, host: str, port: int) -> Line:
        """A new line to there."""
        line = Line(self._loop, (host, port))
        self._done(line.listen())
        return line

    def _done(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def stop(self) -> None:
        """Drop all lines."""
        if self._loop.is_running():
            self._done(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10)
            self._loop.close()

    async def _end(self) -> None:
        others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)
