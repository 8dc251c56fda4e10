"""Content on its way up.

Why upload sessions for nearly all files: a simple PUT can't carry the file's time, and setting it afterwards costs a
second request (2 + 2 units) and makes a second version that counts against the quota (onedrive-api-docs#778). A session
costs 2 units when it is made, 20 of them in one ``$batch``, sets the time with the content, and can be resumed. Empty
files can't go by a session; files up to ``simple_upload`` bytes needn't.

1. sessions are made (20 in one request), or an upload that was interrupted is taken up where it was acknowledged
2. fragments follow each other; after a broken line the service is asked what it has got
3. a session that is not there any more may have come to its end: the file is looked at before anything is sent again
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bridge.core.model import Digest
from bridge.ports import Busy as Opened
from bridge.ports import ContentChanged, Failed, Fenced, Spent, Unreachable
from connectors.bandwidth import Limiter
from connectors.graph.answers import Answer, Busy, Lost
from connectors.graph.batch import Part
from connectors.graph_drive.feed import Feed
from connectors.graph_drive.fragments import Paused
from connectors.graph_drive.jobs import FAIL, Job
from connectors.graph_drive.ledger import Ledger, Sending, Sent, target_of
from connectors.graph_drive.looking import look
from connectors.graph_drive.options import Options
from connectors.graph_drive.passage import Passage
from connectors.graph_drive.resting import Run
from connectors.graph_drive.sessions import Sessions
from connectors.graph_drive.shape import digest_of, may_be_rewritten, modified_of, version_of
from connectors.graph_drive.shared import Shared

#: How often an upload begins anew because its session is gone.
RESTARTS = 4
REPLACE = {"@microsoft.graph.conflictBehavior": "replace"}

log = structlog.get_logger(__name__)


class Uploads:
    """Uploads to one drive."""

    def __init__(
        self, options: Options, *, shared: Shared, ledger: Ledger, line: Limiter, monotonic: Callable[[], float]
    ) -> None:
        self._options = options
        self._shared = shared
        self._client = shared.client
        self._ledger = ledger
        self._line = line
        self._passage = Passage(options, client=shared.client, lanes=shared.lanes, monotonic=monotonic)

    async def run(self, jobs: Sequence[Job], then: Callable[[Job], Awaitable[None]]) -> None:
        """Send the content of each job and call ``then`` when that is done, refused, or nobody knows."""
        self._passage.rests.forget()
        sessions = self._sessions([job for job in jobs if not self._simple(job) and not self._kept(job)])

        async def one(job: Job) -> None:
            async with self._shared.lanes.lane(self._options.drive.path):
                await self._upload(job, await sessions.of(job))
            await then(job)

        try:
            ended = await asyncio.gather(*(one(job) for job in jobs), return_exceptions=True)
        finally:
            sessions.close()
        if errors := [error for error in ended if isinstance(error, BaseException)]:
            raise errors[0]

    async def close(self) -> None:
        """Leave what rests where it is."""
        await self._passage.rests.close()

    def _sessions(self, jobs: Sequence[Job]) -> Sessions:
        return Sessions(lambda lot: self._shared.batches.run([self._session(job) for job in lot]), jobs)

    def _simple(self, job: Job) -> bool:
        return job.size <= self._options.simple_upload

    def _kept(self, job: Job) -> str | None:
        return self._ledger.upload(job.resume_key()) if self._passage.sizes.resumes(job.size) else None

    async def _upload(self, job: Job, session: Answer | None) -> None:
        run = self._passage.rests.take(self._kept(job))
        feed = run.feed if run else Feed(job.write.content, job.size, self._line)
        feed.told = lambda digest: self._sending(job, digest)
        try:
            if self._simple(job):
                await self._put(job, feed)
            else:
                await self._send(job, feed, session, run)
        except ContentChanged as error:
            await self._fail(job, "changed", f"it changed while it was sent; tried again later. {error}")
        except Opened as error:
            await self._fail(job, "busy", f"it is being written or open; tried again later. {error}")
        except (Fenced, Spent):
            raise  # nothing is wrong with this file: all wait
        except Paused as paused:
            text = f"{job.subject}: {paused} of {job.size} bytes are there; it goes on by itself."
            job.fail(Failed(job.write.id, "unfinished", text, transient=True))
        except Lost:
            job.open = Answer(0)
        except Busy as error:
            waited = {} if error.retry_after is None else {"retry-after": str(int(error.retry_after))}
            job.open = Answer(503, {}, waited)
        except Unreachable:
            job.open = Answer(0)
        if job.outcome is None and job.open is None:
            self._sent(job, feed)
        if job.open is None:
            self._ledger.keep_sending(job.target(), None)

    def _sending(self, job: Job, digest: Digest) -> None:
        """The last bytes are about to go out: whether their answer comes or not, this is what they were."""
        if job.spot.library and (not job.creates or may_be_rewritten(job.name())):
            modified = str(job.write.fields.get("modified") or "")
            self._ledger.keep_sending(job.target(), Sending(digest, modified, job.expected))

    def overtaken(self, anchor: str) -> None:
        """Something else was written to a file: an upload before that, whose end nobody heard of, explains nothing."""
        self._ledger.keep_sending(target_of(anchor), None)

    async def _fail(self, job: Job, cause: str, text: str) -> None:
        await self._drop(job)
        job.fail(Failed(job.write.id, cause, f"{job.subject}: {text}", transient=True))

    def _sent(self, job: Job, feed: Feed) -> None:
        """The bytes are there: what was sent, what is shown, and what is left to do."""
        entry = job.entry or {}
        job.sent, shown = feed.digest(), digest_of(entry)
        if shown != job.sent and shown.algorithm == job.sent.algorithm:
            job.shown = shown
            if not may_be_rewritten(str(entry.get("name", ""))):
                log.warning("the drive shows another hash than was sent", entry=job.anchor, drive=job.spot.drive)
        job.expected = version_of(entry)
        job.rest = {} if job.creates else job.place()
        wanted = job.times()
        if wanted and wanted["fileSystemInfo"]["lastModifiedDateTime"] != modified_of(entry):
            job.rest |= wanted
        if job.spot.library and may_be_rewritten(str(entry.get("name", ""))):
            modified = str(job.write.fields.get("modified") or modified_of(entry))
            self._ledger.keep_sent(job.anchor, Sent(job.sent, modified))

    # --- by session -------------------------------------------------------------------------------------------------

    def _session(self, job: Job) -> Part:
        # A file that is there is addressed by its id: "replace" then means its content. A name is never replaced.
        target = job.spot.child(job.parent, job.name()) if job.creates else job.spot.entry(job.anchor)
        told = {**(FAIL if job.creates else REPLACE), "fileSize": job.size, **job.times()}
        path = f"{target}/createUploadSession"
        return Part(job.write.id, "POST", path, {"item": told}, headers=job.match())

    async def _send(self, job: Job, feed: Feed, session: Answer | None, run: Run | None) -> None:
        """Until the file is there, or is refused. Raises what the source raises; Lost or Busy when patience ends."""
        url, begins = self._kept(job), 0
        for _ in range(RESTARTS):
            if url is None:
                session = session or (await self._shared.batches.run([self._session(job)]))[job.write.id]
                if not await self._opened(job, feed, session):
                    return
                url, begins = str(session.body["uploadUrl"]), 0
            elif run is not None:
                begins = run.at
            else:
                begins = await self._passage.where(url)
            run, now = None, run or Run(feed, begins)
            session, answer = None, await self._passage.all(url, now, job) if begins >= 0 else Answer(404)
            if answer.ok and "id" in answer.body:
                job.entry = answer.body
                self._ledger_forget(job)
                return
            if answer.status not in (401, 403, 404, 410):
                await self._refused(job, feed, answer, url)
                return
            self._ledger_forget(job)
            url = None
            if await look(job, feed, self._client):
                return
        job.open = Answer(503)

    async def _opened(self, job: Job, feed: Feed, session: Answer) -> bool:
        """Whether there is a session to send to; otherwise the job has its outcome."""
        if session.in_doubt or session.throttled:
            job.open = session
            return False
        if not session.ok:
            await self._refused(job, feed, session, None)
            return False
        self._client.content_url(session.body.get("uploadUrl"), self._options.content_hosts)
        if self._passage.sizes.resumes(job.size):
            self._ledger.keep_upload(job.resume_key(), str(session.body["uploadUrl"]))
        return True

    async def _refused(self, job: Job, feed: Feed, answer: Answer, url: str | None) -> None:
        """The service said no; but a taken name may be our own file, whose answer was lost."""
        if answer.status == 409 and job.creates and "resourceLocked" not in answer.codes:
            if not await look(job, feed, self._client):
                job.refuse(answer)
        else:
            job.refuse(answer)
        await self._drop(job, url)

    def _ledger_forget(self, job: Job) -> None:
        if self._passage.sizes.resumes(job.size):
            self._ledger.keep_upload(job.resume_key(), None)

    async def _drop(self, job: Job, url: str | None = None) -> None:
        """Cancel the session: what was received of it is of no use any more."""
        url = url or self._kept(job)
        self._ledger_forget(job)
        if url is not None:
            await self._passage.cancel(url)

    # --- by one PUT -------------------------------------------------------------------------------------------------

    async def _put(self, job: Job, feed: Feed) -> None:
        raw = await feed.all()
        target = job.spot.child(job.parent, job.name()) if job.creates else job.spot.entry(job.anchor)
        behaviour = "fail" if job.creates else "replace"
        path = f"{target}/content?@microsoft.graph.conflictBehavior={behaviour}"
        again = False
        async for attempt in self._client.retrying(Busy, Lost):
            with attempt:
                if again and await look(job, feed, self._client):
                    return
                answer = await self._client.once("PUT", path, raw=raw, headers=job.match())
                if answer.throttled:
                    raise Busy("the drive is busy", retry_after=answer.retry_after)
                again = True
                if answer.status >= 500 and answer.status != 507:
                    raise Lost("the drive is busy")
                if answer.ok:
                    job.entry = answer.body
                else:
                    await self._refused(job, feed, answer, None)
