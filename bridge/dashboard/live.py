"""The stream that tells an open page that something changed: which school and what sort of thing, never more.

One line of work for each open page, at most ``MOST`` of them; whoever finds none left asks every half a minute instead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bridge.api.models import LiveEvent
from bridge.api.source import Source
from bridge.dashboard.sessions import Session
from bridge.ports import BridgeError

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
        events = self.source.live(_number(request.headers.get("Last-Event-ID", "")))
        coming = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)  # it listens before the browser is told so: nothing is missed in between
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        response.headers["X-Accel-Buffering"] = "no"
        try:
            await response.prepare(request)
            await response.write(b"retry: 3000\n\n")
            while True:
                await asyncio.wait({coming}, timeout=self.beat)
                if not await still():  # it may have ended while nothing happened
                    break
                if not coming.done():
                    await response.write(b": alive\n\n")
                    continue
                event = coming.result()
                coming = asyncio.ensure_future(anext(events))
                if not event.school or session.held.who.may("read", event.school):
                    await response.write(_line(event))
        except (BridgeError, SQLAlchemyError, OSError, StopAsyncIteration):
            pass  # the browser went, or the state can't be read: it comes again, and nothing may follow what was sent
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        return response


def _line(event: LiveEvent) -> bytes:
    told = json.dumps({"school": event.school, "kind": event.kind})
    return f"id: {event.id}\nevent: change\ndata: {told}\n\n".encode()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
