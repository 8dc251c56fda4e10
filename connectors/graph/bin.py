"""Accounts in the tenant's recycle bin that another school parked and deleted: restored instead of made anew.

The bin can't be searched by an extension attribute, but it can be listed with them (learn.microsoft.com/graph/api/
directory-deleteditems-list: ``$select``): a page of 999 a request, and only where somebody is to be created.

Only what *another* school parked is taken out. Our own is brought back by its link; where the link is gone, the person
was erased (Art. 17) and is somebody new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.graph import directory_url
from connectors.graph.answers import Answer
from connectors.graph.batch import Part
from connectors.graph.desk import Desk, Job
from connectors.graph.marks import parked_by

Row = Mapping[str, Any]


class Bin:
    """The tenant's recycle bin of users, for the writer of one school."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def take_out(self, jobs: Sequence[Job], adopt: Callable[[Job, Row], None]) -> list[Job]:
        """Restore and ``adopt`` whom another school deleted; returns the jobs for which there is none."""
        if not jobs:
            return []
        found, unread = await self._parked({job.write.key.casefold() for job in jobs})
        if unread is not None:
            for job in jobs:
                job.judge(unread)  # without having looked, nobody is made a second time
            return []
        absent, restored = [], {}
        for job in jobs:
            rows = found.get(job.write.key.casefold(), [])
            if not rows:
                absent.append(job)
            elif len(rows) > 1:
                ids = ", ".join(str(row["id"]) for row in rows)
                job.fail("disputed", f"user {job.write.key}: several deleted accounts carry this source anchor "
                         f"({ids}). None was restored and none made. Delete all but one of them for good.")  # fmt: skip
            else:
                restored[job.write.id] = (job, rows[0])
        await self._restore(restored, adopt)
        return absent

    async def _parked(self, keys: set[str]) -> tuple[dict[str, list[Row]], Answer | None]:
        """Source anchor -> deleted accounts that another school had parked; or the answer that was no list."""
        names = self._desk.names
        found: dict[str, list[Row]] = {}
        async for answer in self._desk.pages(directory_url.deleted_users(names.user_select)):
            if not answer.ok:
                return {}, answer
            for row in answer.body.get("value", ()):
                key = names.anchor(row).casefold()
                if key in keys and parked_by(names.holder(row)) not in (None, names.school):
                    found.setdefault(key, []).append(row)
        return found, None

    async def _restore(self, wanted: Mapping[str, tuple[Job, Row]], adopt: Callable[[Job, Row], None]) -> None:
        parts = [Part(key, "POST", directory_url.restore(str(row["id"]))) for key, (_, row) in wanted.items()]
        answers = await self._desk.batches.run(parts)
        for key, (job, row) in wanted.items():
            answer = answers[key]
            if answer.status == 404:
                job.fail("stale", f"user {job.write.key}: the deleted account {row['id']} left the recycle bin just "
                         f"now; looked for again.", transient=True)  # fmt: skip
            elif answer.taken:
                job.fail("held_in_bin", f"user {job.write.key}: the deleted account {row['id']} of school "
                         f"{parked_by(self._desk.names.holder(row))} can't be restored, because somebody else has "
                         f"its login by now. None was made. Restore it by hand under another login.")  # fmt: skip
            elif job.judge(answer):
                adopt(job, row)
                job.held = None  # licences went back to the stock when it was deleted
