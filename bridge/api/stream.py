"""Server-sent events: what happens, with ids to go on from, a beat in between, and an end when the token ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import structlog
from aiohttp import web

from bridge.api.keyring import Visitor
from bridge.api.models import LiveEvent
from bridge.api.problems import Refused
from bridge.api.source import Source

#: Seconds between two signs of life; the token is looked at anew with each.
BEAT = 15.0
#: Streams at once, of all and of one token.
MOST, MOST_OF_ONE = 200, 20

Still = Callable[[], Awaitable[bool]]


class Streams:
    """All streams that are open."""

    def __init__(self, source: Source) -> None:
        self._source, self._open = source, Counter[str]()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let all of them end: the daemon stops."""
        self._ending.set()

    async def serve(
        self, request: web.Request, visitor: Visitor, *, after: int | None, once: bool, still: Still
    ) -> web.StreamResponse:
        """One stream, until the client goes, the token ends or the daemon stops; ``once``: only what is remembered."""
        if self._open.total() >= MOST or self._open[visitor.id] >= MOST_OF_ONE:
            raise Refused(429, "too many streams are open", headers={"Retry-After": "30"})
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        self._open[visitor.id] += 1
        try:
            await response.prepare(request)
            await response.write(b"retry: 5000\n\n")
            async with aclosing(self._source.live(after)) as events:
                await self._send(response, visitor, events, once=once, still=still)
            await response.write_eof()
        except ConnectionError:
            pass  # the client is gone
        except Exception as error:  # noqa: BLE001 - no problem can be told any more: it breaks off, the client comes back
            structlog.get_logger().warning("status API: a stream broke off", error=type(error).__name__)
            response.force_close()
            if request.transport is not None:
                request.transport.close()
        finally:
            self._open[visitor.id] -= 1
        return response

    async def _send(
        self,
        response: web.StreamResponse,
        visitor: Visitor,
        events: AsyncIterator[LiveEvent],
        *,
        once: bool,
        still: Still,
    ) -> None:
        ending = asyncio.create_task(self._ending.wait())
        coming: asyncio.Task[LiveEvent] | None = None
        beat = time.monotonic() + BEAT
        try:
            while True:
                coming = coming or asyncio.create_task(_next(events))
                left = max(0.0, beat - time.monotonic())
                wait = {coming, ending}
                await asyncio.wait(wait, timeout=0.2 if once else left, return_when=asyncio.FIRST_COMPLETED)
                if ending.done() or (once and not coming.done()):
                    return
                if time.monotonic() >= beat:  # also where one event follows another
                    if not await still():
                        return
                    await response.write(b": beat\n\n")
                    beat = time.monotonic() + BEAT
                if coming.done():
                    event, coming = coming.result(), None
                    if not event.school or visitor.who.may("read", event.school):
                        await response.write(written(event))
        finally:
            for task in (ending, coming):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*filter(None, (ending, coming)), return_exceptions=True)


async def _next(events: AsyncIterator[LiveEvent]) -> LiveEvent:
    return await anext(events)


def written(event: LiveEvent) -> bytes:
    """As the standard writes it; JSON holds no line end."""
    return f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n".encode()
