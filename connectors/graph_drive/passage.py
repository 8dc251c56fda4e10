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
from connectors.graph_drive.resting import Fragment, Rests, Run
from connectors.graph_drive.sessions import expected, over
from connectors.patience import PATIENCE, over_soon

log = structlog.get_logger(__name__)


class Passage:
    """To the sessions of one drive. ``rests``: uploads that made room for others; ``sizes``: those of fragments."""

    def __init__(self, options: Options, *, client: FilesClient, lanes: Lanes, monotonic: Callable[[], float]) -> None:
        self._options = options
        self._client = client
        self._lanes = lanes
        self.sizes = Fragments(options.fragment)
        self.rests = Rests(monotonic)
        #: Uploads that go on alone: each holds a lane of its own.
        self._away: set[asyncio.Task[Fragment]] = set()

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

    async def all(self, url: str, run: Run, job: Job) -> Answer:
        """All fragments; the last answer, or the first that is a refusal.

        Raises Paused where others wait: the middle of a large file then goes on by itself, if there is a lane for it.
        """
        while True:
            if run.going is None and (not self.sizes.resumes(job.size) or self._ends(run)):
                answer, run.at = await self._one(url, run.feed, run.at)
            else:
                going = run.going = run.going or asyncio.create_task(self._middle(url, run))
                while not await over_soon(going, PATIENCE):
                    if job.write.pause() and not run.halts:
                        self._makes_room(url, run, going)
                (answer, run.at), run.going = going.result(), None
                if run.halts and answer.status == 202:
                    run.feed.leave()
                    self.rests.rest(url, run)
                    run.halts = False
                    raise Paused(run.at)
            if answer.status != 202:
                return answer

    def _ends(self, run: Run) -> bool:
        """Whether the next fragment is the last one."""
        return self.sizes.part(run.feed.size - run.at) == run.feed.size - run.at

    async def _middle(self, url: str, run: Run) -> Fragment:
        """The fragments up to the last one, or as far as they may go on; the last answer, and where to go on."""
        while True:
            before = run.at
            answer, run.at = await self._one(url, run.feed, before, last=False)
            if answer.status != 202 or run.at <= before or self._ends(run) or not self.rests.goes_on(run):
                return answer, run.at

    def _makes_room(self, url: str, run: Run, going: asyncio.Task[Fragment]) -> None:
        """Raises Paused: it goes on alone. Without a lane for that it halts after the fragment under way."""
        if going not in self._away:
            if not self._lanes.take():
                run.halts = True
                return
            self._away.add(going)
            going.add_done_callback(lambda done: self._ended(done, run.feed))
        self.rests.rest(url, run)
        raise Paused(run.at)

    def _ended(self, going: asyncio.Task[Fragment], feed: Feed) -> None:
        self._away.discard(going)
        self._lanes.leave()
        feed.leave()  # the source is free for others
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
                stop = at + self.sizes.part(feed.size - at)
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
            large = self.sizes.resumes(feed.size)
            answer = await self._client.content_answer("PUT", self._url(url), headers=headers, body=body, large=large)
            self.sizes.took(stop - at, loop.time() - begun)
            return answer
        except (Busy, Lost):
            if feed.error is not None:
                raise feed.error from None
            self._lanes.slower()
            self.sizes.broke()
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
