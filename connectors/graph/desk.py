"""What the readers and writers of one connector share, and what a write has come to so far."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.core.model import Action
from bridge.ports import Context, Failed, Outcome, Write, Written
from connectors.graph import directory_url
from connectors.graph.answers import Answer
from connectors.graph.batch import Batches, Part
from connectors.graph.client import Client
from connectors.graph.licences import Licences
from connectors.graph.mapping import Names
from connectors.graph.marks import CLAIMED
from connectors.graph.options import Options

RECENT = 900.0  # seconds during which an object of ours may still be invisible somewhere
CLAIM_LASTS = 3600.0  # seconds; a bridge that lives confirms within seconds, and tries again within 15 minutes
LOOK_AGAIN = 1.0  # seconds before the first repeated look-up; doubled each time

BARS = {
    "synced": "it is mastered by another synchronisation (onPremisesSyncEnabled); end that first",
    "guest": "it is a guest of the tenant, not a member",
    "foreign": "it carries no mark of this school",
    "dynamic": "its members follow a rule of the tenant",
}


class Recent:
    """Objects that we created or restored a short while ago."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._when: dict[str, float] = {}

    def add(self, anchor: str) -> None:
        """Remember it."""
        self._when[anchor] = self._now()

    def __contains__(self, anchor: object) -> bool:
        when = self._when.get(anchor) if isinstance(anchor, str) else None
        return when is not None and self._now() - when < RECENT

    def prune(self) -> None:
        """Forget the old ones; cheap, as they were added in order."""
        now = self._now()
        old = [anchor for anchor, when in self._when.items() if now - when >= RECENT]
        for anchor in old:
            del self._when[anchor]


class Ghosts:
    """Names that Graph says are taken while nobody with them can be seen: most likely our own, made before a crash.

    Only after the time in which a new object may be invisible is such a name somebody else's. Before, giving the
    person another name could make a second account.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._since: dict[str, float] = {}

    def fail(self, job: Job, name: str) -> None:
        """Say what it is for now."""
        first = self._since.setdefault(job.write.key, self._now())
        what = f"{job.write.kind} {job.write.key}: its {name} is taken in the tenant, but nobody with it can be seen"
        if self._now() - first > RECENT:
            del self._since[job.write.key]
            job.fail("name_taken", f"{what}, for {RECENT / 60:.0f} minutes now; it is somebody else's.")
        else:
            job.fail(
                "unknown_outcome", f"{what}. It may be our own, not visible yet; tried again later.", transient=True
            )

    def seen(self, key: str) -> None:
        """The object is there after all."""
        self._since.pop(key, None)


@dataclass(slots=True)
class Desk:
    """Everything of one connector that reads and writes. ``barred``: anchor -> why it is never written."""

    options: Options
    context: Context
    client: Client
    batches: Batches
    names: Names
    licences: Licences
    recent: Recent
    ghosts: Ghosts
    barred: dict[str, str] = field(default_factory=dict)

    def bar(self, anchor: str, cause: str | None) -> None:
        """Remember, or take back, that an object may not be written."""
        if cause is None:
            self.barred.pop(anchor, None)
        else:
            self.barred[anchor] = cause

    async def pages(self, path: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[Answer]:
        """A list, page by page, each asked for when it is wanted; the first that is refused is the last."""
        while path:
            answer = await self.client.call(path, headers=headers)
            path = str(answer.body.get("@odata.nextLink") or "") if answer.ok else ""
            yield answer

    async def with_anchor(self, jobs: Sequence[Job]) -> dict[str, Answer]:
        """Everybody in the whole tenant who carries the source anchor of a job: its write's id -> Graph's answer."""
        parts = []
        for job in jobs:
            path = directory_url.filtered("users", self.names.anchor_filter(job.write.key), self.names.look_select)
            parts.append(Part(job.write.id, "GET", path, headers=directory_url.EVENTUAL))
        return await self.batches.run(parts)

    def abandoned(self, row: Mapping[str, Any]) -> bool:
        """Whether a claim is so old that its bridge has died, or its school lost the person before it was confirmed.

        Both times are the service's own: a clock of ours that is wrong makes no claim old.
        """
        skew, made = self.client.skew, str(row.get("createdDateTime") or "")
        if not self.names.holder(row).startswith(CLAIMED) or not made or skew is None:
            return False  # who can't know waits
        now = self.context.clock().timestamp() + skew
        return now - datetime.fromisoformat(made).timestamp() >= CLAIM_LASTS


@dataclass(slots=True)
class Job:
    """A write on its way. ``open``: the service is too busy or unreachable to say what became of it."""

    write: Write
    anchor: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, set[str]] = field(default_factory=dict)
    failed: Failed | None = None
    adopted: bool = False
    claimed: bool = False
    """The account is there, but not enabled: somebody else may be making one, too (see ``claims``)."""
    open: Answer | None = None
    held: frozenset[str] | None = None
    """SKU ids that the user holds, where that was read."""

    @property
    def alive(self) -> bool:
        """Whether there is more to do."""
        return self.failed is None and self.open is None

    def fail(self, cause: str, message: str, *, transient: bool = False) -> None:
        """This write, and only this, did not happen."""
        self.failed = Failed(self.write.id, cause, message, transient)

    def judge(self, answer: Answer) -> bool:
        """Whether the answer is a yes; else remember what it is instead."""
        if answer.ok:
            return True
        if answer.throttled or answer.in_doubt:
            self.open = answer
            return False
        what = f"{self.write.kind} {self.anchor or self.write.key}"
        if answer.status == 403:
            self.fail(
                "privileged",
                f"The tenant lets nobody like us {self.write.action.value} {what}: a privileged account, or a missing "
                f"permission (`check --online` tells). Graph says: {answer.message}",
            )
        elif answer.synced:
            self.fail("synced", f"{what} can't be written: {BARS['synced']}.")
        elif answer.taken:
            self.fail("name_taken", f"{what}: another object has a name that must be unique. {answer.message}")
        elif answer.status == 404:
            fresh = self.write.action is Action.CREATE
            self.fail("gone", f"{what} is not there. Graph says: {answer.message}", transient=fresh)
        elif answer.status in (409, 412, 423):
            self.fail("stale", f"{what} is being changed by somebody else: {answer.message}", transient=True)
        else:
            self.fail("invalid", f"Graph does not take {what}: {answer.code}: {answer.message}")
        return False

    def outcome(self) -> Outcome | None:
        """What to tell the engine; None when nobody knows."""
        if self.failed is not None:
            return self.failed
        if self.open is not None:
            return None
        unknown = {name: frozenset(found) for name, found in self.unknown.items() if found}
        return Written(self.write.id, self.anchor, "", self.refused, unknown, self.adopted)
