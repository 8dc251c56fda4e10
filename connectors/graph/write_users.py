"""Writing users, in phases over all writes of a call so that every phase fills its batches:

1. the write itself: POST, PATCH, DELETE, restore;
2. what a create left unclear (name taken, answer lost): look first, create again only what is certainly not there;
3. what has to follow: fields after a restore, an adoption or a confirmed claim, sessions after a disable;
4. licences, from a counted stock.

A user is never made twice: the login is unique in the tenant, also while a new user is not visible yet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from bridge.core.model import Action
from bridge.ports import Outcome, Write
from connectors.graph import directory_url
from connectors.graph.answers import Answer
from connectors.graph.batch import Part
from connectors.graph.claims import Claims
from connectors.graph.desk import BARS, LOOK_AGAIN, Desk, Job
from connectors.graph.parking import Parking
from connectors.graph.passwords import unseen

_SYNCED = (
    "which another synchronisation made (Entra Connect). Expected nobody's: most likely it is the same person, so no "
    "second account is made. Leave the person to that synchronisation, or end it for them; a namesake needs another "
    "login"
)


class UserWriter:
    """Writes users of one school."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parking, self._claims = desk, Parking(desk), Claims(desk)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome | Job]:
        """One outcome each; a ``Job`` where the service is too busy to know."""
        jobs = [Job(write, write.anchor or "") for write in writes]
        self._refuse_barred(jobs)
        creates = [job for job in jobs if job.alive and job.write.action is Action.CREATE]
        others = [job for job in jobs if job.alive and job.write.action is not Action.CREATE]
        await self._parking.keep_off(others)
        await self._parking.leave_groups(others)
        await self._first([job for job in others if job.alive])
        await self._create(creates)
        await self._claims.confirm([job for job in creates if job.alive and job.claimed])
        await self._then(job for job in jobs if job.alive)
        await self._license([job for job in jobs if job.alive and "licenses" in job.write.fields])
        for job in jobs:
            yield job.outcome() or job

    def _refuse_barred(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if job.write.action is not Action.CREATE and not job.anchor:
                job.fail("invalid", "A write to an existing user needs its id.")
            elif cause := self._desk.barred.get(job.anchor):
                job.fail(cause, f"user {job.anchor} is never written: {BARS[cause]}.")

    # --- 1: what exists ---------------------------------------------------------------------------------------------

    async def _first(self, jobs: Sequence[Job]) -> None:
        parts = {job.write.id: part for job in jobs if (part := self._part(job))}
        answers = await self._desk.batches.run(list(parts.values()))
        for job in jobs:
            answer = answers.get(job.write.id)
            if answer is None:
                continue
            if job.write.action is Action.DELETE and answer.status == 404:
                continue  # gone already, which is what was wanted
            if job.write.action is Action.RESTORE and answer.status in (400, 404):
                await self._restored_already(job, answer)
            else:
                job.judge(answer)
            if job.alive and job.write.action is Action.RESTORE:
                self._desk.recent.add(job.anchor)

    def _part(self, job: Job) -> Part | None:
        write, anchor = job.write, job.anchor
        path = directory_url.entity("users", anchor)
        if write.action is Action.DELETE:
            return Part(write.id, "DELETE", path)
        if write.action is Action.RESTORE:
            return Part(write.id, "POST", directory_url.restore(anchor))
        properties = self._properties(job)
        if write.action is Action.DISABLE:
            properties["accountEnabled"] = False
        return Part(write.id, "PATCH", path, properties, fresh=anchor in self._desk.recent) if properties else None

    def _properties(self, job: Job) -> dict[str, Any]:
        body = self._desk.names.user(job.write.fields)
        job.refused |= body.refused
        properties = dict(body.properties)
        self._parking.mark(job, properties)
        return properties

    async def _restored_already(self, job: Job, answer: Answer) -> None:
        """Not in the recycle bin: alive (our own restore whose answer was lost), or purged."""
        if answer.taken:
            job.judge(answer)
            return
        path = directory_url.entity("users", job.anchor) + "?$select=id"
        found = (await self._desk.batches.run([Part("alive", "GET", path)]))["alive"]
        if found.status == 404:
            job.fail("gone", f"user {job.anchor} is purged; it can't be restored any more.")
        elif not found.ok or answer.status == 400:
            job.judge(answer if found.ok else found)

    # --- 2: what is new ---------------------------------------------------------------------------------------------

    async def _create(self, jobs: Sequence[Job]) -> None:
        monotonic = self._desk.context.monotonic
        until: float | None = None
        pause = LOOK_AGAIN
        post, look = await self._parking.take_over(jobs), list[Job]()
        taken: set[str] = set()  # Graph itself said that the name is taken: no second POST for these
        while post or look:
            look += await self._post(post, taken)
            if not look:
                return
            until = until or monotonic() + self._desk.options.timeouts.visible
            absent = [job for job in await self._look(look) if job.alive]
            post = [job for job in absent if job.write.id not in taken]
            look = [job for job in absent if job.write.id in taken]
            if monotonic() > until:
                self._give_up(post, look)
                return
            if absent:
                await self._desk.context.sleep(pause)
                pause = min(pause * 2, 8.0)

    async def _post(self, jobs: Sequence[Job], taken: set[str]) -> list[Job]:
        """Create; returns those that have to be looked for."""
        parts = []
        for job in jobs:
            try:
                claim = self._desk.options.take_over
                body = self._desk.names.new_user(job.write.fields, key=job.write.key, password=unseen(), claim=claim)
            except ValueError as error:
                job.fail("invalid", f"user {job.write.key} can't be created: {error}.")
                continue
            job.refused |= body.refused
            parts.append(Part(job.write.id, "POST", "/users", body.properties, repeat=False))
        answers = await self._desk.batches.run(parts)
        unclear = []
        for job in jobs:
            answer = answers.get(job.write.id)
            if answer is None:
                continue
            if answer.ok and answer.body.get("id"):
                job.anchor = str(answer.body["id"])
                job.claimed = self._desk.options.take_over
                self._desk.recent.add(job.anchor)
            elif answer.taken:
                taken.add(job.write.id)
                unclear.append(job)
            elif answer.in_doubt or answer.ok:
                unclear.append(job)
            else:
                job.judge(answer)
        return unclear

    async def _look(self, jobs: Sequence[Job]) -> list[Job]:
        """Find by login, then by anchor. Ours is adopted, another's is a taken name; returns what is not there."""
        select = ",".join(self._desk.names.look_select)
        by_login = [
            Part(job.write.id, "GET",
                 f"{directory_url.entity('users', str(job.write.fields.get('upn')))}?$select={select}")
            for job in jobs
        ]  # fmt: skip
        answers = await self._desk.batches.run(by_login)
        rest = [job for job in jobs if not self._found(job, answers[job.write.id])]
        answers = await self._desk.with_anchor(rest)
        absent = []
        for job in rest:
            answer = answers[job.write.id]
            ours = [row for row in answer.body.get("value", ()) if self._desk.names.user_key(row) == job.write.key]
            if ours:
                self._parking.adopt(job, ours[0])
            elif answer.ok:
                absent.append(job)
            else:
                job.judge(answer)
        return absent

    def _found(self, job: Job, answer: Answer) -> bool:
        """Whether the search is over for this one."""
        if answer.status == 404:
            return False
        if not job.judge(answer):
            return True
        if self._desk.names.user_key(answer.body) == job.write.key:
            self._parking.adopt(job, answer.body)
        elif self._desk.options.take_over and self._same_person(job, answer.body):
            self._parking.decide(job, [answer.body])  # another school made the same person just now
        elif answer.body.get("onPremisesSyncEnabled"):
            # Another name would be another account of, most likely, the same person.
            job.fail("synced", f"user {job.write.key}: its login belongs to {answer.body['id']}, {_SYNCED}")
        else:
            job.fail("name_taken", f"user {job.write.key}: its login belongs to somebody else ({answer.body['id']}).")
        return True

    def _same_person(self, job: Job, row: Mapping[str, Any]) -> bool:
        """Whether another school's account carries the source anchor of this one."""
        return bool(self._desk.names.holder(row)) and self._desk.names.anchor(row) == job.write.key

    def _give_up(self, post: Iterable[Job], look: Iterable[Job]) -> None:
        for job in look:
            self._desk.ghosts.fail(job, "login")
        for job in post:
            job.fail("unknown_outcome", f"user {job.write.key}: the answer never came; it is looked for again.",
                     transient=True)  # fmt: skip

    # --- 3: what follows --------------------------------------------------------------------------------------------

    async def _then(self, jobs: Iterable[Job]) -> None:
        asked: dict[str, Job] = {}
        parts = []
        for job in jobs:
            path = directory_url.entity("users", job.anchor)
            if job.adopted or job.claimed or job.write.action is Action.RESTORE:
                properties = self._properties(job)
                properties.pop("userPrincipalName", None)  # a login that somebody may already use is not changed
                if properties:
                    parts.append(Part(job.write.id, "PATCH", path, properties, fresh=True))
            elif job.write.action is Action.DISABLE:
                parts.append(Part(job.write.id, "POST", directory_url.action("users", job.anchor,
                                                                             "revokeSignInSessions")))  # fmt: skip
            asked[job.write.id] = job
        for key, answer in (await self._desk.batches.run(parts)).items():
            if asked[key].write.action is not Action.DISABLE:
                asked[key].judge(
                    answer
                )  # a disabled account whose sessions could not be ended is disabled all the same

    # --- 4: licences ------------------------------------------------------------------------------------------------

    async def _license(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        await self._read_held(jobs)
        changes, parts = {}, []
        for job in jobs:
            if not job.alive:
                continue
            wanted = job.write.fields["licenses"]
            change = await self._desk.licences.change(
                wanted if isinstance(wanted, frozenset) else frozenset(), job.held or frozenset()
            )
            if change.missing:
                job.refused["licenses"] = change.refused
            if change.add or change.remove:
                changes[job.write.id] = change
                body = {
                    "addLicenses": [{"skuId": sku, "disabledPlans": []} for sku in change.add],
                    "removeLicenses": list(change.remove),
                }
                path = directory_url.action("users", job.anchor, "assignLicense")
                parts.append(Part(job.write.id, "POST", path, body, fresh=job.anchor in self._desk.recent))
        answers = await self._desk.batches.run(parts)
        for job in jobs:
            answer = answers.get(job.write.id)
            if answer is None:
                continue
            self._desk.licences.give_back(changes[job.write.id], taken=answer.ok)
            if not answer.ok:
                # The user is there; only the licence is missing, and is tried again.
                self._desk.licences.recount()
                job.refused["licenses"] = f"Graph does not assign it: {answer.message}"

    async def _read_held(self, jobs: Sequence[Job]) -> None:
        """What an existing user holds, whoever gave it; a user we made just now holds nothing."""
        parts = []
        for job in jobs:
            if job.write.action is Action.CREATE and not job.adopted:
                job.held = frozenset()
            elif job.held is None:
                path = directory_url.entity("users", job.anchor) + "?$select=id,assignedLicenses"
                parts.append(Part(job.write.id, "GET", path, fresh=job.anchor in self._desk.recent))
        answers = await self._desk.batches.run(parts)
        for job in jobs:
            if (answer := answers.get(job.write.id)) is not None and job.judge(answer):
                job.held = frozenset(str(row["skuId"]).lower() for row in answer.body.get("assignedLicenses") or ())
