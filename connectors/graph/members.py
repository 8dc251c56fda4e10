"""Members and owners: 20 a PATCH to add (all or nothing), one reference a DELETE to remove.

When Graph refuses a PATCH because one of its references is unknown or already there, it is split into fives and then
into single ones: the unknown ones are reported, the others are there in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.ports import chunks
from connectors.graph import directory_url
from connectors.graph.batch import MOST, Part
from connectors.graph.desk import Desk, Job
from connectors.graph.directory_url import Relation

SPLIT = 5


@dataclass(frozen=True, slots=True)
class Lot:
    """Up to 20 references to add to one group."""

    job: Job
    relation: Relation
    keys: tuple[str, ...]

    def split(self) -> list[Lot]:
        """The same in smaller lots."""
        size = SPLIT if len(self.keys) > SPLIT else 1
        return [Lot(self.job, self.relation, tuple(keys)) for keys in chunks(self.keys, size)]


class Members:
    """Adds and removes references of groups."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def add(self, wanted: Iterable[tuple[Job, Relation, Sequence[str]]]) -> None:
        """Add references; what Graph does not know goes to ``Job.unknown``."""
        queues = [
            [Lot(job, relation, tuple(keys)) for keys in chunks(found, MOST)]
            for job, relation, found in wanted
            if found
        ]
        # The first lot of every group, then the second: a batch rarely writes to one group twice.
        lots = [
            queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)
        ]
        while lots:
            parts = {str(number): self._part(str(number), lot) for number, lot in enumerate(lots)}
            answers = await self._desk.batches.run(list(parts.values()))
            smaller: list[Lot] = []
            for number, lot in enumerate(lots):
                answer = answers[str(number)]
                if not lot.job.alive or answer.ok:
                    continue
                if answer.already and len(lot.keys) == 1:
                    continue
                if answer.missing and len(lot.keys) == 1:
                    lot.job.unknown.setdefault(lot.relation, set()).update(lot.keys)
                elif answer.already or answer.missing:
                    smaller += lot.split()
                else:
                    lot.job.judge(answer)
            lots = smaller

    def _part(self, number: str, lot: Lot) -> Part:
        root = self._desk.client.root
        body = {f"{lot.relation}@odata.bind": [directory_url.bind(root, key) for key in lot.keys]}
        recent = self._desk.recent
        fresh = lot.job.anchor in recent or any(key in recent for key in lot.keys)
        old = frozenset(key for key in lot.keys if key not in recent)
        return Part(number, "PATCH", directory_url.entity("groups", lot.job.anchor), body, fresh=fresh, old=old)

    async def remove(self, jobs: Sequence[Job], *, fallback_owner: str | None) -> None:
        """Remove references; one that is gone already is as good."""
        wanted: list[tuple[Job, Relation, str]] = [
            (job, relation, key)
            for job in jobs
            for relation in directory_url.RELATIONS
            for key in sorted(job.write.removed.get(relation, frozenset()))
        ]
        last = await self._remove(wanted)
        if last and fallback_owner is not None:
            await self.add([(job, "owners", [fallback_owner]) for job in {id(job): job for job, _, _ in last}.values()])
            last = await self._remove([row for row in last if row[0].alive and row[2] != fallback_owner])
        for job, _relation, _key in last:
            job.refused["owners"] = "Graph keeps the last owner of a group. Name another one, or set `fallback_owner`."

    async def _remove(self, wanted: Sequence[tuple[Job, Relation, str]]) -> list[tuple[Job, Relation, str]]:
        """Returns the owners that can't be removed because they are the last ones."""
        parts = [
            Part(str(number), "DELETE", directory_url.reference(job.anchor, relation, key))
            for number, (job, relation, key) in enumerate(wanted)
        ]
        answers = await self._desk.batches.run(parts)
        last = []
        for number, row in enumerate(wanted):
            answer = answers[str(number)]
            if answer.ok or answer.status == 404:
                continue
            if row[1] == "owners" and answer.last_owner:
                last.append(row)
            elif row[0].alive:
                row[0].judge(answer)
        return last
