"""Change of school inside one tenant: the school that loses somebody parks the account, the next one takes it over.

| mark of the account | whose | may be taken over |
|---|---|---|
| ``0123`` | school 0123 | no: the other school waits |
| ``parked:0123`` | school 0123, which disabled it: the person left | yes, by the school with that source anchor |
| ``claimed:0123`` | school 0123, which is making it: see ``claims`` | after an hour, else the other school waits |

See docs/decisions/017. Only with ``take_over``: the source anchors of all schools of the tenant have to be of one kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.core.model import Action
from connectors.graph import directory_url
from connectors.graph.batch import Part
from connectors.graph.bin import Bin
from connectors.graph.desk import BARS, Desk, Job
from connectors.graph.marks import CLAIMED, anchor_of, parked_by, school_of


class Parking:
    """Accounts that change schools, for the writer of one school."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._bin = desk, Bin(desk)

    def mark(self, job: Job, properties: dict[str, Any]) -> None:
        """Park whom a retirement disables; take the mark back for whom the school enables again."""
        if not self._desk.options.take_over:
            return
        if job.write.action is Action.DISABLE:
            self._desk.names.park(properties)
        elif job.write.fields.get("enabled") is True:
            self._desk.names.own(properties)

    async def keep_off(self, jobs: Sequence[Job]) -> None:
        """Fail what would disable or delete an account that another school has taken over meanwhile."""
        risky = [job for job in jobs if job.alive and job.write.action in {Action.DISABLE, Action.DELETE}]
        if not self._desk.options.take_over or not risky:
            return
        select = ",".join(self._desk.names.user_select)
        parts = [
            Part(job.write.id, "GET", f"{directory_url.entity('users', job.anchor)}?$select={select}") for job in risky
        ]
        answers = await self._desk.batches.run(parts)
        for job in risky:
            answer = answers[job.write.id]
            if answer.status == 404:
                continue  # what is gone already is told by the write itself
            if job.judge(answer) and (cause := self._desk.names.user_bar(answer.body)):
                self._desk.bar(job.anchor, cause)
                job.fail(cause, f"user {job.anchor} is not written: {BARS[cause]}, but that of its new school.")

    async def leave_groups(self, jobs: Iterable[Job]) -> None:
        """Take whom we are about to park out of this school's groups: once taken over, nobody here would do it.

        Before the park: a bridge that dies in between finds the person still to be disabled. What can't be left for
        good (a group that is not ours to write any more) stays, and the account is parked all the same.
        """
        leaving = [job for job in jobs if job.alive and job.write.action is Action.DISABLE]
        if not self._desk.options.take_over or not leaving:
            return
        looks = [Part(job.write.id, "GET", directory_url.groups_of(job.anchor)) for job in leaving]
        answers = await self._desk.batches.run(looks)
        school = self._desk.names.school
        memberships = {
            f"{row['id']} {job.anchor}": (str(row["id"]), job)
            for job in leaving
            for row in answers[job.write.id].body.get("value", ())
            if anchor_of(school, row.get("uniqueName"))
        }
        left = await self._desk.batches.run(
            [
                Part(key, "DELETE", directory_url.reference(group, "members", job.anchor))
                for key, (group, job) in memberships.items()
            ]
        )
        told = [(job, answers[job.write.id]) for job in leaving]
        for job, answer in [*told, *((memberships[key][1], answer) for key, answer in left.items())]:
            if answer.throttled or answer.in_doubt:
                job.judge(answer)

    async def take_over(self, jobs: Sequence[Job]) -> list[Job]:
        """Look in the whole tenant for accounts of these people; returns the jobs for which there is none.

        A parked one is adopted (``job.adopted``), also out of the recycle bin; one that another school still has is
        waited for.
        """
        if not self._desk.options.take_over or not jobs:
            return list(jobs)
        names, answers = self._desk.names, await self._desk.with_anchor(jobs)
        absent = []
        for job in jobs:
            if not job.judge(answers[job.write.id]):
                continue
            rows = [row for row in answers[job.write.id].body.get("value", ()) if names.holder(row)]
            if not rows:
                absent.append(job)
            else:
                self.decide(job, rows)
        return await self._bin.take_out(absent, self.adopt)

    def decide(self, job: Job, rows: Sequence[Mapping[str, Any]]) -> None:
        """What follows from the accounts with the person's source anchor, of which there is at least one."""
        names, key = self._desk.names, job.write.key
        ours = [row for row in rows if names.user_key(row) == key]
        made = [row for row in rows if not names.holder(row).startswith(CLAIMED)]
        free = [row for row in made if parked_by(names.holder(row)) is not None]
        if all(self._desk.abandoned(row) for row in rows):
            # Nobody will let go of it: the bridge died, or its school lost the person before it knew of the account.
            free = sorted(rows, key=lambda row: str(row["id"]))
        if ours:
            self.adopt(job, min(ours, key=names.claimed))
        elif len(made) > 1:
            ids = ", ".join(str(row["id"]) for row in rows)
            job.fail("disputed", f"user {key}: several accounts of the tenant carry this source anchor ({ids}). None "
                     f"was taken over and none made. Take the anchor away from all but one.")  # fmt: skip
        elif not free:
            other = (made or rows)[0]
            job.fail("held_elsewhere", f"user {key}: the account {other['id']} with this source anchor belongs to "
                     f"school {school_of(names.holder(other))}. No second one is made. It is taken over as soon as "
                     f"that school lets the person go; tried again by itself.", transient=True)  # fmt: skip
        elif free[0].get("onPremisesSyncEnabled"):
            job.fail("synced", f"user {free[0]['id']} can't be taken over: {BARS['synced']}.")
        else:
            self.adopt(job, free[0])

    def adopt(self, job: Job, row: Mapping[str, Any]) -> None:
        """The account is there; what is only claimed has to be confirmed before it is enabled."""
        job.anchor = str(row["id"])
        job.claimed = self._desk.names.claimed(row)
        job.adopted = not job.claimed
        job.held = frozenset(str(one["skuId"]).lower() for one in row.get("assignedLicenses") or ())
        self._desk.bar(job.anchor, None)
        self._desk.ghosts.seen(job.write.key)
        self._desk.recent.add(job.anchor)
