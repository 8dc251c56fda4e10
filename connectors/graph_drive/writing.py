"""Writing: metadata in batches of 20, contents by upload sessions beside each other.

1. folders are made, anything is moved, renamed, deleted and restored by one request with the eTag that is expected;
   20 of them in one ``$batch``
2. what was in doubt (no answer came) is looked at before it is sent again: nothing is made twice
3. files with content go through ``uploading``; a rename or move that belongs to them follows when the bytes are there
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import unquote, urlsplit

from bridge.core.model import Action
from bridge.ports import Failed, Outcome, Unreachable, Write, chunks
from connectors.graph.answers import Answer, Busy
from connectors.graph.batch import MOST, Part
from connectors.graph_drive.jobs import FAIL, Job
from connectors.graph_drive.place import Locator
from connectors.graph_drive.refusals import LONGEST_PATH
from connectors.graph_drive.shape import SELECT, Entry, modified_of, parent_of, version_of
from connectors.graph_drive.shared import Shared
from connectors.graph_drive.uploading import Uploads

MOVES = frozenset({Action.UPDATE, Action.DETACH})


class _Again(Busy):
    """Some writes have to be sent again."""


class Writer:
    """Writes to one drive."""

    def __init__(self, *, shared: Shared, locator: Locator, uploads: Uploads) -> None:
        self._shared = shared
        self._locator = locator
        self._uploads = uploads

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """One outcome each, as soon as it is known. Raises Unreachable when some are not known to be done."""
        needed = any(write.action is Action.CREATE or "parent" in write.fields for write in writes)
        spot = await (self._locator.made() if needed else self._locator.spot())
        jobs = [Job.of(write, spot) for write in writes]
        contents = _contents(jobs)
        lots = [*chunks(_plain(jobs), MOST), *([contents] if contents else [])]
        finished: asyncio.Queue[Job | None] = asyncio.Queue()
        tasks = [asyncio.create_task(self._lot(lot, finished.put_nowait)) for lot in lots]
        for task in tasks:
            task.add_done_callback(lambda _: finished.put_nowait(None))
        try:
            running, open_ = len(tasks), list[Job]()
            while running:
                job = await finished.get()
                if job is None:
                    running -= 1
                elif job.outcome is not None:
                    yield job.outcome
                else:
                    open_.append(job)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [one for one in ended if isinstance(one, Exception)]
        if errors:
            raise errors[0]
        if open_:
            waits = [job.open.retry_after for job in open_ if job.open and job.open.retry_after]
            raise Unreachable(
                f"The drive is busy or not reachable: {len(open_)} of {len(writes)} writes are not known to be done.",
                retry_after=max(waits, default=None),
            )

    async def _lot(self, jobs: Sequence[Job], tell: Callable[[Job], None]) -> None:
        """Writes of one sort, told one by one."""
        if not _with_content(jobs[0]):
            await self._metadata(jobs)
            for job in jobs:
                tell(job)
            return
        restored = {job.write.id: job for job in jobs if job.write.action is Action.RESTORE}
        if restored:
            await self._metadata(list(restored.values()))
        ready = []
        for job in jobs:
            if job.write.id in restored:
                if job.entry is None:
                    tell(job)  # it did not come back
                    continue
                job.expected, job.outcome = version_of(job.entry), None
            ready.append(job)

        async def whole(job: Job) -> None:
            if job.outcome is None and job.open is None and job.rest:
                await self._settle([job], self._patch, self._moved)
            elif job.outcome is None and job.open is None:
                job.done()
            tell(job)

        await self._uploads.run(ready, whole)

    # --- metadata ---------------------------------------------------------------------------------------------------

    async def _metadata(self, jobs: Sequence[Job]) -> None:
        by_action: dict[str, list[Job]] = {}
        for job in jobs:
            action = job.write.action
            by_action.setdefault("move" if action in MOVES else action.value, []).append(job)
        await asyncio.gather(*(self._sort(action, lot) for action, lot in by_action.items()))

    async def _sort(self, action: str, jobs: list[Job]) -> None:
        if action == "create":
            await self._settle(jobs, self._create, self._created)
        elif action == "move":
            await self._find_tops(jobs)
            for job in jobs:
                job.rest = job.place() | job.times()
            await self._settle([job for job in jobs if job.outcome is None], self._patch, self._moved)
        elif action == "delete":
            await self._keep_full(jobs)
            await self._settle([job for job in jobs if job.outcome is None], self._delete, self._deleted)
        else:
            await self._settle(jobs, self._restore, self._restored)
            for job in jobs:
                job.rest = job.times() if job.entry is not None and not _with_content(job) else {}
                job.expected = version_of(job.entry) if job.entry else ""
            await self._settle([job for job in jobs if job.rest], self._patch, self._moved)

    async def _settle(self, jobs: list[Job], part: Callable[[Job], Part], same: Callable[[Job, Answer], bool]) -> None:
        """Send until it is known of each what became of it. ``same``: whether the look at it shows it done."""
        todo = jobs
        if not todo:
            return
        try:
            async for attempt in self._shared.client.retrying(_Again):
                with attempt:
                    answers = await self._shared.batches.run([part(job) for job in todo])
                    doubt = [job for job in todo if not self._judge(job, answers[job.write.id])]
                    looks = await self._shared.batches.run([self._look(job) for job in doubt])
                    todo = [job for job in doubt if not same(job, looks[job.write.id])]
                    if todo:
                        waits = [job.open.retry_after for job in todo if job.open and job.open.retry_after]
                        raise _Again("the drive is busy", retry_after=max(waits, default=None))
        except _Again:
            return
        await self._measure([job for job in jobs if isinstance(job.outcome, Failed)])

    def _judge(self, job: Job, answer: Answer) -> bool:
        """Whether this is an outcome; False when nobody knows."""
        if answer.in_doubt or answer.throttled:
            job.open = answer
            return False
        if answer.ok:
            job.entry = answer.body or job.entry
            self._uploads.overtaken(job.anchor)
            job.done()
        elif answer.status == 404 and job.write.action is Action.DELETE:
            job.done()  # gone already, which is what was wanted
        elif job.write.action is Action.RESTORE and answer.status in (400, 404, 405, 501):
            why = f"{answer.status} {answer.code}"
            job.fail(Failed(job.write.id, "gone", f"{job.subject} can't be brought back from the recycle bin ({why})."))
        else:
            job.refuse(answer)
        return True

    def _look(self, job: Job) -> Part:
        path = job.spot.entry(job.anchor) if job.anchor else job.spot.child(job.parent, job.name())
        return Part(job.write.id, "GET", f"{path}?$select={SELECT}")

    # create a folder

    def _create(self, job: Job) -> Part:
        body = {"name": job.name(), "folder": {}, **FAIL}
        return Part(job.write.id, "POST", f"{job.spot.entry(job.parent)}/children", body, repeat=False)

    def _created(self, job: Job, answer: Answer) -> bool:
        if not answer.ok or "folder" not in answer.body:
            return False
        job.entry, job.adopted = answer.body, True  # ours: its answer was lost
        job.done()
        return True

    # move, rename, set the time

    def _patch(self, job: Job) -> Part:
        body = {**job.rest, **(FAIL if "name" in job.rest or "parentReference" in job.rest else {})}
        return Part(job.write.id, "PATCH", job.spot.entry(job.anchor), body, headers=job.match(), repeat=False)

    def _moved(self, job: Job, answer: Answer) -> bool:
        if answer.status == 404:
            job.refuse(answer)
            return True
        if not answer.ok:
            return False
        if not _as_wanted(job, answer.body):
            return False  # it was not carried out; the precondition tells when it is sent again
        job.entry = answer.body
        job.done()
        return True

    async def _find_tops(self, jobs: list[Job]) -> None:
        """A rename to ``forms`` is refused at a library's root only: see where the thing lies."""
        asked = [
            job
            for job in jobs
            if "parent" not in job.write.fields and str(job.write.fields.get("name", "")).lower() == "forms"
        ]
        answers = await self._shared.batches.run([self._look(job) for job in asked])
        for job in asked:
            job.top = parent_of(answers[job.write.id].body) == job.spot.root

    # delete and restore

    async def _keep_full(self, jobs: list[Job]) -> None:
        """A folder is deleted only when nothing lies in it: what came into it meanwhile has not been seen yet."""
        folders = [job for job in jobs if job.write.kind == "folder"]
        parts = [
            Part(job.write.id, "GET", f"{job.spot.entry(job.anchor)}/children?$top=1&$select=id") for job in folders
        ]
        answers = await self._shared.batches.run(parts)
        for job in folders:
            answer = answers[job.write.id]
            if answer.ok and answer.body.get("value"):
                message = f"{job.subject} is not empty any more; it stays."
                job.fail(Failed(job.write.id, "not_empty", message, transient=True))
            elif answer.status == 404:
                job.done()
            elif not answer.ok:
                job.open = answer
                job.fail(
                    Failed(job.write.id, "unknown_outcome", f"{job.subject} can't be looked into.", transient=True)
                )

    def _delete(self, job: Job) -> Part:
        return Part(job.write.id, "DELETE", job.spot.entry(job.anchor), headers=job.match(), repeat=False)

    def _deleted(self, job: Job, answer: Answer) -> bool:
        if answer.status == 404:
            job.done()
        return answer.status == 404

    def _restore(self, job: Job) -> Part:
        return Part(job.write.id, "POST", f"{job.spot.entry(job.anchor)}/restore", job.place(), repeat=False)

    def _restored(self, job: Job, answer: Answer) -> bool:
        if answer.ok:
            job.entry = answer.body
            job.done()
        return answer.ok

    async def _measure(self, jobs: list[Job]) -> None:
        """Say of a path that is too long how long it is."""
        long = [job for job in jobs if isinstance(job.outcome, Failed) and job.outcome.cause == "path_too_long"]
        parts = [Part(job.write.id, "GET", f"{job.spot.entry(job.parent)}?$select=id,webUrl") for job in long]
        answers = await self._shared.batches.run(parts)
        for job in long:
            job.fail(too_long(job, answers[job.write.id].body))


def too_long(job: Job, folder: Entry) -> Failed:
    """The failure with the numbers; ``folder`` is where it was to go."""
    above = len(unquote(urlsplit(str(folder.get("webUrl", ""))).path)) - 1
    name = len(job.name()) if "name" in job.write.fields else 0
    message = (
        f"{job.subject}: its path in SharePoint would have {above + 1 + name} characters ({above} of the folder, "
        f"{name} of the name), {LONGEST_PATH} are allowed. Shorten a name on the way, or move it up."
    )
    return Failed(job.write.id, "path_too_long", message)


def _as_wanted(job: Job, entry: Entry) -> bool:
    wanted = job.rest
    return (
        wanted.get("name", entry.get("name")) == entry.get("name")
        and wanted.get("parentReference", {}).get("id", parent_of(entry)) == parent_of(entry)
        and ("fileSystemInfo" not in wanted or wanted["fileSystemInfo"]["lastModifiedDateTime"] == modified_of(entry))
    )


def _with_content(job: Job) -> bool:
    """Whether bytes go with it. A new file without any is an empty one."""
    return job.write.content is not None or (job.creates and job.write.kind == "file")


def _plain(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if not _with_content(job)]


def _contents(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if _with_content(job)]
