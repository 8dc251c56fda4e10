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
from connectors.graph_drive.resting import Fragment, Rests
from connectors.graph_drive.sessions import expected, over

log = structlog.get_logger(__name__)


class Passage:
    """To the sessions of one drive. ``rests``: uploads that made room for others."""

    def __init__(self, options: Options, *, client: FilesClient, lanes: Lanes, monotonic: Callable[[], float]) -> None:
        self._options = options
        self._client = client
        self._lanes = lanes
        self._sizes = Fragments(options.fragment)
        self.rests = Rests(monotonic)

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

    async def all(self, url: str, feed: Feed, at: int, job: Job, ahead: asyncio.Task[Fragment] | None = None) -> Answer:
        """The fragments from ``at`` on; the last answer, or the first that is a refusal. Raises Paused in between.

        ``ahead``: the first of them, which is under way already.
        """
        while True:
            before = at
            answer, at = await (ahead or self._one(url, feed, at))
            ahead = None
            if answer.status != 202:
                return answer
            if at > before and job.size > self._options.fragment and job.write.pause():
                if feed.size - at > self._sizes.size and self._lanes.take():
                    self.rests.rest(url, feed, at, ahead=self._ahead(url, feed, at), over=self._lanes.leave)
                else:
                    feed.leave()
                    self.rests.rest(url, feed, at)
                raise Paused(at)

    async def _ahead(self, url: str, feed: Feed, at: int) -> Fragment:
        """The next one while others have their turn; the source is free for them afterwards."""
        try:
            return await self._one(url, feed, at, last=False)
        finally:
            feed.leave()

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
                stop = min(at + self._sizes.size, feed.size)
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
