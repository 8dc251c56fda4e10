"""The stream that tells an open page that something changed: which school and what sort of thing, never more.

One line of work for each open page, at most ``MOST`` of them; whoever finds none left asks every half a minute instead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from bridge.api.source import Source
from bridge.dashboard.sessions import Session

MOST = 200
BEAT = 15.0  # seconds between signs of life


class Streams:
    """All open streams of one process."""

    def __init__(self, source: Source, *, beat: float = BEAT) -> None:
        self.source, self.beat = source, beat
        self._open: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """The daemon ends: no stream holds it up."""
        for task in [*self._open]:
            task.cancel()

    async def answer(
        self, request: web.Request, session: Session, still: Callable[[], Awaitable[bool]]
    ) -> web.StreamResponse:
        """Tell events until the browser goes or the session is over."""
        if len(self._open) >= MOST:
            return web.Response(status=503, headers={"Retry-After": "30"})
        if (task := asyncio.current_task()) is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        response.headers["X-Accel-Buffering"] = "no"
        with suppress(ConnectionError):
            await response.prepare(request)
            await self._tell(response, session, still, _number(request.headers.get("Last-Event-ID", "")))
        return response

    async def _tell(
        self, response: web.StreamResponse, session: Session, still: Callable[[], Awaitable[bool]], after: int | None
    ) -> None:
        await response.write(b"retry: 3000\n\n")
        events = self.source.live(after)
        coming = asyncio.ensure_future(anext(events))
        try:
            while await still():
                await asyncio.wait({coming}, timeout=self.beat)
                if not coming.done():
                    await response.write(b": alive\n\n")
                    continue
                event = coming.result()
                coming = asyncio.ensure_future(anext(events))
                if event.school and not session.held.who.may("read", event.school):
                    continue
                told = json.dumps({"school": event.school, "kind": event.kind})
                await response.write(f"id: {event.id}\nevent: change\ndata: {told}\n\n".encode())
        except StopAsyncIteration:
            pass
        finally:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
