"""Somebody new to the tenant who is enrolled at two schools at once gets one account: it is claimed, then confirmed.

Graph keeps no extension attribute unique, so two bridges that looked before they created would both create. Therefore
a new account is made disabled and only *claimed*. Then everybody with this source anchor is looked at once more:

| what is seen | decision |
|---|---|
| only our own claim | confirmed: it becomes ours, and is enabled |
| not even our own claim | the index lags: nobody else's would show either; looked at again, later tried again |
| another's claim, and ours has the smaller id | we wait: the other one withdraws, or confirms |
| the same, and all of them are older than an hour | confirmed: the other one is abandoned |
| another's claim with the smaller id, or a finished account | ours is set aside, and the other one waited for |

A claim is written before its owner looks, so of two that look at least one sees the other; who sees another confirms
nothing. Whose bridge comes back to an abandoned claim looks first as well, and gives way to what it sees. What is set
aside stays disabled, without anchor and licence: nobody's bridge deletes an account by this rule. Only with
``take_over``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.graph import directory_url
from connectors.graph.batch import Part
from connectors.graph.desk import LOOK_AGAIN, Desk, Job
from connectors.graph.marks import CLAIMED, school_of


class Claims:
    """Accounts that were claimed for one school."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def confirm(self, jobs: Sequence[Job]) -> None:
        """Decide every claim; a job that is alive afterwards may be enabled."""
        monotonic, pause = self._desk.context.monotonic, LOOK_AGAIN
        until = monotonic() + self._desk.options.timeouts.visible
        aside: list[Job] = []
        rest = list(jobs)
        while rest := await self._look(rest, aside):
            if monotonic() > until:
                for job in rest:
                    job.fail("unknown_outcome", f"user {job.write.key}: its new account {job.anchor} can't be found by "
                             f"its source anchor yet; it is looked for again.", transient=True)  # fmt: skip
                break
            await self._desk.context.sleep(pause)
            pause = min(pause * 2, 8.0)
        await self._set_aside(aside)

    async def _look(self, jobs: Sequence[Job], aside: list[Job]) -> list[Job]:
        """One look at all of them; returns those whose own account does not show yet."""
        names, answers = self._desk.names, await self._desk.with_anchor(jobs)
        unseen = []
        for job in jobs:
            if not job.judge(answers[job.write.id]):
                continue
            rows = [row for row in answers[job.write.id].body.get("value", ()) if names.holder(row)]
            if all(row["id"] != job.anchor for row in rows):
                unseen.append(job)
            else:
                self._decide(job, rows, aside)
        return unseen

    def _decide(self, job: Job, rows: Sequence[Mapping[str, Any]], aside: list[Job]) -> None:
        names, who = self._desk.names, f"user {job.write.key}: school"
        others = [row for row in rows if row["id"] != job.anchor]
        first = all(job.anchor <= str(row["id"]) for row in rows)
        made = [row for row in others if not names.holder(row).startswith(CLAIMED)]
        if not others or (first and all(self._desk.abandoned(row) for row in rows)):
            self._desk.bar(job.anchor, None)
        elif not made and first:
            job.fail("held_elsewhere", f"{who} {_schools(self._desk, others)} is making an account for this source "
                     f"anchor at the same time. It gives way; tried again by itself.", transient=True)  # fmt: skip
        else:
            aside.append(job)
            other = (made or others)[0]
            job.fail("held_elsewhere", f"{who} {_schools(self._desk, [other])} made the account {other['id']} for this "
                     f"source anchor at the same time. Ours ({job.anchor}) was never enabled and is set aside; delete "
                     f"it in the tenant. The other one is taken over as soon as that school lets the person go.",
                     transient=True)  # fmt: skip

    async def _set_aside(self, jobs: Sequence[Job]) -> None:
        """What fails is decided again by the next try: the claim is still there."""
        parts = [
            Part(job.write.id, "PATCH", directory_url.entity("users", job.anchor), self._desk.names.aside(), fresh=True)
            for job in jobs
        ]
        await self._desk.batches.run(parts)


def _schools(desk: Desk, rows: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(sorted({school_of(desk.names.holder(row)) for row in rows}))
