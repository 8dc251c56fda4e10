"""The cloud's own source of authority: ``onPremisesSyncBehavior`` of what Microsoft Entra Connect made.

learn.microsoft.com/graph/api/onpremisessyncbehavior-update: ``isCloudManaged`` true keeps the school's directory from
changing the object in the cloud, false lets it take over again with its next run. What was made in the cloud has no
such flag, and is never asked for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import structlog

from bridge.ports import Mastered, Unreachable
from connectors.graph import directory_url
from connectors.graph.answers import Answer, complain
from connectors.graph.batch import Part
from connectors.graph.client import PERMIT
from connectors.graph.desk import Desk
from connectors.graph.permissions import AUTHORITY

_SYNCED = "onPremisesSyncEnabled eq true"
_SELECT = ("id", "onPremisesSecurityIdentifier")
_COLLECTIONS: Mapping[str, directory_url.Collection] = {"user": "users", "group": "groups"}

log = structlog.get_logger(__name__)


class Authority:
    """See ``bridge.ports.CloudAuthority``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def mastered(self) -> Sequence[Mastered]:
        """A page of 999 a request: two requests for a tenant that has none."""
        found = []
        for kind, collection in _COLLECTIONS.items():
            path = f"{directory_url.filtered(collection, _SYNCED, _SELECT)}&$top=999"
            async for answer in self._desk.pages(path, headers=directory_url.EVENTUAL):
                if not answer.ok:
                    raise complain(answer, f"Reading which {collection} are mastered on premises")
                found += [
                    Mastered(str(row["id"]), kind, str(row.get("onPremisesSecurityIdentifier") or ""))
                    for row in answer.body.get("value", ())
                ]
        return found

    async def members(self, groups: Sequence[Mastered]) -> Mapping[str, frozenset[str]]:
        """The first 999 of each group twenty groups a batch; what is longer page by page."""
        parts = [Part(one.anchor, "GET", directory_url.relation(one.anchor, "members")) for one in groups]
        found: dict[str, frozenset[str]] = {}
        for anchor, first in (await self._desk.batches.run(parts)).items():
            if first.status == 404:
                continue
            pages = [first]
            if more := str(first.body.get("@odata.nextLink") or ""):
                pages += [answer async for answer in self._desk.pages(more)]
            if bad := next((answer for answer in pages if not answer.ok), None):
                raise complain(bad, "Reading the members of groups that are mastered on premises")
            found[anchor] = frozenset(str(row["id"]) for answer in pages for row in answer.body.get("value", ()))
        return found

    async def lacking(self, kinds: Collection[str]) -> Mapping[str, str]:
        """By the roles of our token; a token that does not show its roles lacks nothing that we know of."""
        roles = await self._desk.client.tokens.roles()
        return {kind: AUTHORITY[kind] for kind in sorted(kinds) if roles and AUTHORITY[kind] not in roles}

    async def switch(self, wanted: Sequence[Mastered], *, cloud: bool) -> Mapping[str, str]:
        """One PATCH each, twenty a batch. It may be repeated, so a lost answer is asked for again."""
        if self._desk.options.read_only:
            return {one.anchor: "the cloud side of this school is set to `read_only`" for one in wanted}
        PERMIT.set(self._desk.context.permit)
        parts = [
            Part(one.anchor, "PATCH", directory_url.sync_behavior(_COLLECTIONS[one.kind], one.anchor),
                 {"isCloudManaged": cloud})
            for one in wanted
        ]  # fmt: skip
        kinds = {one.anchor: one.kind for one in wanted}
        answers = await self._desk.batches.run(parts)
        unknown = [answer for answer in answers.values() if answer.throttled or answer.in_doubt]
        if unknown:
            waits = [answer.retry_after for answer in unknown if answer.retry_after]
            raise Unreachable(
                f"Graph is busy or not reachable: of {len(unknown)} of {len(wanted)} objects nobody knows yet whether "
                f"their source of authority was switched.",
                retry_after=max(waits, default=None),
            )
        log.info("source of authority", cloud=cloud, asked=len(wanted))
        # Gone means that nobody masters it any more.
        bad = {anchor: answer for anchor, answer in answers.items() if not answer.ok and answer.status != 404}
        return {anchor: _why(kinds[anchor], answer) for anchor, answer in bad.items()}


def _why(kind: str, answer: Answer) -> str:
    if answer.status == 403:
        return f"missing permission: grant {AUTHORITY[kind]} (application) and admin consent"
    return f"Graph says: {answer.code}: {answer.message}"
