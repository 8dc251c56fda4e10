"""What became of an upload whose end nobody heard of: the file itself tells, before anything is sent again."""

from __future__ import annotations

from connectors.graph.answers import Answer, Busy
from connectors.graph_drive.client import FilesClient
from connectors.graph_drive.feed import Feed
from connectors.graph_drive.jobs import Job
from connectors.graph_drive.shape import (
    SELECT,
    Entry,
    by_application,
    digest_of,
    may_be_rewritten,
    modified_of,
    version_of,
)


async def look(job: Job, feed: Feed, client: FilesClient) -> bool:
    """Whether nothing is left to send: the file is there as we sent it (``job.entry``), or the job is refused.

    Raises Busy when the drive can't be asked, and what the source raises.
    """
    target = job.spot.child(job.parent, job.name()) if job.creates else job.spot.entry(job.anchor)
    answer = await client.call(f"{target}?$select={SELECT}")
    if answer.status == 404:
        if not job.creates:
            job.refuse(answer)
        return not job.creates
    if not answer.ok:
        raise Busy("the drive is busy", retry_after=answer.retry_after)
    if "file" in answer.body and await _ours(job, feed, answer.body, client.options.client_id):
        job.entry, job.adopted = answer.body, job.creates
        return True
    if job.creates:
        job.refuse(Answer(409))
        return True
    if version_of(answer.body) != job.expected:
        job.refuse(Answer(412))
        return True
    return False


async def _ours(job: Job, feed: Feed, entry: Entry, client_id: str) -> bool:
    """The same bytes; or ours with SharePoint's properties in them: then our time stands, and we were the last."""
    if digest_of(entry) == await feed.whole():
        return True
    return (
        job.spot.library
        and may_be_rewritten(str(entry.get("name", "")))
        and by_application(entry, client_id)
        and modified_of(entry) == job.write.fields.get("modified")
    )
