"""Fragments on their way to upload sessions: one after the other, again where the line breaks, room for others between.

learn.microsoft.com/graph/api/driveitem-createuploadsession
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from yarl import URL

from connectors.graph.answers import Answer, Busy, Lost
from connectors.graph_drive.client import FilesClient
from connectors.graph_drive.feed import Feed
from connectors.graph_drive.fragments import Fragments, Paused
from connectors.graph_drive.jobs import Job
from connectors.graph_drive.lanes import Lanes
from connectors.graph_drive.options import Options
from connectors.graph_drive.resting import Fragment, Going, Rests
from connectors.graph_drive.sessions import expected, over

#: Seconds that others wait for a large file, if it is not at its end.
PATIENCE = 5.0

log = structlog.get_logger(__name__)


class Passage:
    """To the sessions of one drive. ``rests``: uploads that made room for others."""

    def __init__(self, options: Options, *, client: FilesClient, lanes: Lanes, monotonic: Callable[[], float]) -> None:
        self._options = options
        self._client = client
        self._lanes = lanes
        self._sizes = Fragments(options.fragment)
        self.rests = Rests(monotonic)
        #: Fragments that hold a lane of their own.
        self._away: set[Going] = set()

    async def where(self, url: str) -> int:
        """The first byte that a session waits for; negative where it waits for none, or is not there any more."""
        status = await self._status(url)
        return expected(status, 0) if status.ok and not over(status) else -1

    async def cancel(self, url: str) -> None:
        """Nothing follows any more."""
        try:
            await self._client.content_answer("DELETE", self._url(url), headers={})
        except (Busy, Lost):
            log.debug("an upload session was left to expire")

    async def all(self, url: str, feed: Feed, at: int, job: Job, ahead: Going | None = None) -> Answer:
        """The fragments from ``at`` on; the last answer, or the first that is a refusal.

        ``ahead``: the first of them, which is under way already. Raises Paused where others wait: after a fragment, or
        in the middle of one, which then goes on by itself.
        """
        while True:
            last = job.size <= self._options.fragment or self._sizes.part(feed.size - at) == feed.size - at
            before = at
            if ahead is None and last:
                answer, at = await self._one(url, feed, at)
            else:
                going = ahead or asyncio.create_task(self._one(url, feed, at, last=False))
                while not await _over_soon(going):
                    if job.write.pause() and self._leaves(going, feed):
                        self.rests.rest(url, feed, at, ahead=going)
                        raise Paused(at)
                (answer, at), ahead = going.result(), None
            if answer.status != 202:
                return answer
            if at > before and job.size > self._options.fragment and job.write.pause():
                self.rests.rest(url, feed, at, ahead=self._next(url, feed, at))
                raise Paused(at)

    def _next(self, url: str, feed: Feed, at: int) -> Going | None:
        """Begin the next fragment, unless it is the last one; None also where there is no lane for it."""
        if self._sizes.part(feed.size - at) == feed.size - at or not self._lanes.take():
            feed.leave()
            return None
        return self._hold(asyncio.create_task(self._one(url, feed, at, last=False)), feed)

    def _leaves(self, going: Going, feed: Feed) -> bool:
        """Let a fragment go on without its upload, if there is a lane for it."""
        if going not in self._away:
            if not self._lanes.take():
                return False
            self._hold(going, feed)
        return True

    def _hold(self, going: Going, feed: Feed) -> Going:
        """It has the lane that was taken; in the end that and the source are free again."""
        self._away.add(going)
        going.add_done_callback(lambda done: self._ended(done, feed))
        return going

    def _ended(self, going: Going, feed: Feed) -> None:
        self._away.discard(going)
        self._lanes.leave()
        feed.leave()
        if not going.cancelled():
            going.exception()  # whoever goes on is told; where nobody does, nobody misses it

    async def _one(self, url: str, feed: Feed, at: int, *, last: bool = True) -> Fragment:
        """Send what is expected next, again and again while the line breaks. The answer, and where to go on.

        Where it may not be the ``last`` one, nothing is sent that would end the upload.
        """
        again = False
        async for attempt in self._client.retrying(Busy, Lost):
            with attempt:
                if again:
                    status = await self._status(url)
                    if not status.ok or over(status):
                        return (Answer(404) if status.ok else status), at
                    at = expected(status, at)
                again = True
                await self._client.budget.rest()
                stop = at + self._sizes.part(feed.size - at)
                if stop == feed.size and not last:
                    return Answer(202), at
                answer = await self._piece(url, feed, at, stop)
                if answer.throttled or (answer.status >= 500 and answer.status != 507):
                    raise Busy("the drive is busy", retry_after=answer.retry_after)
                if answer.status == 416:
                    raise Lost("the drive expects another part of the file")
                self._lanes.well()
                return answer, expected(answer, at) if answer.status == 202 else at
        raise AssertionError("tenacity ended without an outcome")

    async def _piece(self, url: str, feed: Feed, at: int, stop: int) -> Answer:
        headers = {"Content-Length": str(stop - at), "Content-Range": f"bytes {at}-{stop - 1}/{feed.size}"}
        feed.error, loop = None, asyncio.get_running_loop()
        try:
            body, begun = await feed.body(at, stop), loop.time()
            answer = await self._client.content_answer("PUT", self._url(url), headers=headers, body=body)
            self._sizes.took(stop - at, loop.time() - begun)
            return answer
        except (Busy, Lost):
            if feed.error is not None:
                raise feed.error from None
            self._lanes.slower()
            self._sizes.broke()
            raise

    async def _status(self, url: str) -> Answer:
        async for attempt in self._client.retrying(Busy, Lost):
            with attempt:
                answer = await self._client.content_answer("GET", self._url(url), headers={})
                if answer.throttled or answer.status >= 500:
                    raise Busy("the drive is busy", retry_after=answer.retry_after)
                return answer
        raise AssertionError("tenacity ended without an outcome")

    def _url(self, url: str) -> URL:
        return self._client.content_url(url, self._options.content_hosts)


async def _over_soon(going: Going) -> bool:
    """Wait for a fragment, but not for long; whoever is cancelled meanwhile takes it along."""
    try:
        done, _ = await asyncio.wait({going}, timeout=PATIENCE)
    except asyncio.CancelledError:
        going.cancel()
        raise
    return bool(done)
