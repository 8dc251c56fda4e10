"""Writing groups, in phases over all writes of a call:

1. the group itself: upsert by its alternate key (which can't make it twice), PATCH, DELETE, restore;
2. members and owners to add, 20 a PATCH, 20 PATCHes a batch;
3. members and owners to remove, one reference each. Owners are added first: a group must keep one.

Upsert: ``PATCH /groups(uniqueName='..')`` with ``Prefer: create-if-missing`` is the documented way to set
``uniqueName`` (learn.microsoft.com/graph/api/group-upsert), and sending it twice does no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from bridge.core.model import Action
from bridge.ports import Outcome, Write
from connectors.graph import directory_url
from connectors.graph.answers import Answer, complain
from connectors.graph.batch import MOST, Part
from connectors.graph.desk import BARS, Desk, Job
from connectors.graph.marks import unique_name
from connectors.graph.members import Members

UPSERT = {"Prefer": "create-if-missing"}

#: (write id, relation) -> references that were bound when the group was made. An owner is no member by that.
Bound = dict[tuple[str, directory_url.Relation], frozenset[str]]


class GroupWriter:
    """Writes groups of one school."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._members = Members(desk)
        self._fallback: str | None = None

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome | Job]:
        """One outcome each; a ``Job`` where the service is too busy to know."""
        jobs = [Job(write, write.anchor or "") for write in writes]
        for job in jobs:
            if job.write.action is not Action.CREATE and not job.anchor:
                job.fail("invalid", "A write to an existing group needs its id.")
            elif cause := self._desk.barred.get(job.anchor):
                job.fail(cause, f"group {job.anchor} is never written: {BARS[cause]}.")
        bound = await self._create([job for job in jobs if job.alive and job.write.action is Action.CREATE])
        await self._first([job for job in jobs if job.alive and job.write.action is not Action.CREATE])
        await self._then([job for job in jobs if job.alive and job.write.action is Action.RESTORE])
        left = [job for job in jobs if job.alive and job.write.action is not Action.DELETE]
        await self._members.add(
            [
                (
                    job,
                    relation,
                    sorted(
                        job.write.added.get(relation, frozenset()) - bound.get((job.write.id, relation), frozenset())
                    ),
                )
                for job in left
                for relation in directory_url.RELATIONS
            ]
        )
        fallback = await self._owner() if any(job.write.removed.get("owners") for job in left) else None
        await self._members.remove([job for job in left if job.alive], fallback_owner=fallback)
        for job in jobs:
            yield job.outcome() or job

    # --- 1: the group itself ----------------------------------------------------------------------------------------

    async def _create(self, jobs: Sequence[Job]) -> Bound:
        """Create; returns the references that are already bound."""
        bound: Bound = {}
        parts = {job.write.id: part for job in jobs if (part := await self._new(job, bound))}
        answers = await self._desk.batches.run(list(parts.values()))
        bare: list[Job] = []
        look: dict[str, tuple[Job, Answer]] = {}
        for job in jobs:
            answer = answers.get(job.write.id)
            if answer is None:
                continue
            if answer.ok and answer.body.get("id"):
                self._made(job, answer)
            elif answer.missing:
                bare.append(job)  # one of the references is unknown: first the group, then the references one by one
                _unbind(bound, job)
            elif answer.ok or answer.status == 400:
                look[job.write.id] = (job, answer)  # it was there: 204, or 400 for members that it has
                _unbind(bound, job)
            else:
                job.judge(answer)
        await self._look(look)
        if bare:
            await self._bare(bare)
        return bound

    async def _new(self, job: Job, bound: Bound, *, bare: bool = False) -> Part | None:
        write = job.write
        try:
            body = self._desk.names.new_group(write.fields)
            path = directory_url.unique_group(unique_name(self._desk.names.school, write.key))
        except ValueError as error:
            job.fail("invalid", f"group {write.key} can't be created: {error}.")
            return None
        job.refused |= body.refused
        owners = [] if bare else sorted(write.added.get("owners", frozenset()))[: MOST - 1]
        if not owners and write.fields.get("unified"):
            # Without an owner the group's site may wait for a person for ever.
            fallback = await self._owner()
            if fallback is None:
                job.fail("no_owner", f"group {write.key} is a Microsoft 365 group without owner; set `fallback_owner`.")
                return None
            owners = [fallback]
        members = [] if bare else sorted(write.added.get("members", frozenset()))[: MOST - len(owners)]
        properties = dict(body.properties)
        root = self._desk.client.root
        chosen: tuple[tuple[directory_url.Relation, list[str]], ...] = (("owners", owners), ("members", members))
        for name, keys in chosen:
            if keys:
                properties[f"{name}@odata.bind"] = [directory_url.bind(root, key) for key in keys]
                bound[write.id, name] = frozenset(keys)
        references = {*owners, *members}
        old = frozenset(key for key in references if key not in self._desk.recent)
        return Part(write.id, "PATCH", path, properties, headers=UPSERT, fresh=old != references, old=old)

    async def _bare(self, jobs: Sequence[Job]) -> None:
        """Once more without the references that Graph may not know."""
        parts = {job.write.id: part for job in jobs if (part := await self._new(job, {}, bare=True))}
        answers = await self._desk.batches.run(list(parts.values()))
        look: dict[str, tuple[Job, Answer]] = {}
        for job in jobs:
            answer = answers.get(job.write.id)
            if answer is None:
                continue
            if answer.ok and answer.body.get("id"):
                self._made(job, answer)
            elif answer.ok or answer.status == 400:
                look[job.write.id] = (job, answer)
            else:
                job.judge(answer)
        await self._look(look)

    def _made(self, job: Job, answer: Answer) -> None:
        job.anchor = str(answer.body["id"])
        self._desk.recent.add(job.anchor)

    async def _look(self, asked: Mapping[str, tuple[Job, Answer]]) -> None:
        """The group with our alternate key: made by a request whose answer was lost, or before."""
        parts = []
        for key, (job, _) in asked.items():
            path = directory_url.unique_group(unique_name(self._desk.names.school, job.write.key))
            parts.append(Part(key, "GET", path + "?$select=id,groupTypes"))
        answers = await self._desk.batches.run(parts)
        for key, (job, first) in asked.items():
            answer = answers[key]
            if answer.status == 404:
                await self._not_ours(job, first)
            elif job.judge(answer):
                self._made(job, answer)
                self._desk.ghosts.seen(job.write.key)
                job.adopted = True
        await self._then([job for job, _ in asked.values() if job.alive])

    async def _not_ours(self, job: Job, first: Answer) -> None:
        """No group has our alternate key. Why then was it not made?"""
        if first.ok:
            job.judge(Answer(503))  # it is there, only not visible yet
        elif not first.taken:
            job.judge(first)
        else:
            nickname = str(job.write.fields.get("mail_nickname"))
            condition = f"mailNickname eq {directory_url.literal(nickname)}"
            path = directory_url.filtered("groups", condition, ("id",))
            look = Part("taken", "GET", path, headers=directory_url.EVENTUAL)
            found = (await self._desk.batches.run([look]))["taken"]
            if found.ok and found.body.get("value"):
                job.judge(first)
            else:
                self._desk.ghosts.fail(job, "name")

    async def _first(self, jobs: Iterable[Job]) -> None:
        asked = {job.write.id: job for job in jobs}
        parts = [part for job in asked.values() if (part := self._part(job))]
        for key, answer in (await self._desk.batches.run(parts)).items():
            job = asked[key]
            if job.write.action is Action.DELETE and answer.status == 404:
                continue
            if job.write.action is Action.RESTORE and answer.status in (400, 404) and not answer.taken:
                path = directory_url.entity("groups", job.anchor) + "?$select=id"
                found = (await self._desk.batches.run([Part("alive", "GET", path)]))["alive"]
                if found.status == 404:
                    job.fail("gone", f"group {job.anchor} is purged; it can't be restored any more.")
                elif not found.ok:
                    job.judge(found)
            else:
                job.judge(answer)
            if job.alive and job.write.action is Action.RESTORE:
                self._desk.recent.add(job.anchor)

    def _part(self, job: Job) -> Part | None:
        write, path = job.write, directory_url.entity("groups", job.anchor)
        if write.action is Action.DELETE:
            return Part(write.id, "DELETE", path)
        if write.action is Action.RESTORE:
            return Part(write.id, "POST", directory_url.restore(job.anchor))
        return self._patch(job)

    def _patch(self, job: Job) -> Part | None:
        body = self._desk.names.group(job.write.fields)
        job.refused |= body.refused
        if not body.properties:
            return None
        path = directory_url.entity("groups", job.anchor)
        return Part(job.write.id, "PATCH", path, body.properties, fresh=job.anchor in self._desk.recent)

    async def _then(self, jobs: Iterable[Job]) -> None:
        """The fields, for a group that was there already."""
        asked = {job.write.id: job for job in jobs}
        parts = [part for job in asked.values() if (part := self._patch(job))]
        for key, answer in (await self._desk.batches.run(parts)).items():
            asked[key].judge(answer)

    async def _owner(self) -> str | None:
        """The id of the fallback owner. Raises Refused when there is no such user."""
        wanted = self._desk.options.fallback_owner
        if wanted is not None and self._fallback is None:
            answer = await self._desk.client.call(directory_url.entity("users", wanted) + "?$select=id")
            if not answer.ok:
                raise complain(answer, f"The `fallback_owner` {wanted}")
            self._fallback = str(answer.body["id"])
        return self._fallback


def _unbind(bound: Bound, job: Job) -> None:
    """The group was not made by this request after all."""
    for relation in directory_url.RELATIONS:
        bound.pop((job.write.id, relation), None)
