"""Server-sent events: what happens, with ids to go on from, a beat in between, and an end when the token ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

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
            with suppress(ConnectionError):
                await self._send(response, visitor, self._source.live(after), once=once, still=still)
                await response.write_eof()
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
        try:
            while True:
                coming = coming or asyncio.create_task(_next(events))
                wait = {coming, ending}
                await asyncio.wait(wait, timeout=0.2 if once else BEAT, return_when=asyncio.FIRST_COMPLETED)
                if ending.done() or (once and not coming.done()):
                    return
                if not coming.done():
                    if not await still():
                        return
                    await response.write(b": beat\n\n")
                    continue
                event, coming = coming.result(), None
                if not event.school or visitor.who.may("read", event.school):
                    await response.write(written(event))
        finally:
            for task in (ending, coming):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError, StopAsyncIteration):
                        await task
            closing = getattr(events, "aclose", None)
            if closing is not None:
                await closing()


async def _next(events: AsyncIterator[LiveEvent]) -> LiveEvent:
    return await anext(events)


def written(event: LiveEvent) -> bytes:
    """As the standard writes it; JSON holds no line end."""
    return f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n".encode()
