"""Reading: ``/users/delta`` and ``/groups/delta``, folded into pages of observations.

The token is the JSON of both links. The first round lists everything: users page by page (a stopped listing goes on
where it was), then groups, whose members come in slices over many pages and are shown whole at the end. Later rounds
bring users whole and groups as added and removed members. Any 400 or 410 to a stored link means that the token is lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bridge.core.model import Evidence, Value
from bridge.ports import Observation, Page, Removal, TokenLost, Unreachable, chunks
from connectors.graph import directory_url
from connectors.graph.answers import complain
from connectors.graph.batch import Part
from connectors.graph.desk import Desk
from connectors.graph.mapping import GROUP_SELECT
from connectors.graph.newcomers import Newcomers

GROUPS_A_PAGE = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the observing is. An empty link means: from the beginning. ``users_done``: only groups are left to list."""

    users: str = ""
    groups: str = ""
    listing: bool = True
    users_done: bool = False
    select: str = ""

    def token(self) -> str:
        """As stored."""
        return json.dumps({"v": 1, "users": self.users, "groups": self.groups, "listing": self.listing,
                           "users_done": self.users_done, "select": self.select}, separators=(",", ":"))  # fmt: skip

    @classmethod
    def of(cls, token: str | None, select: str) -> Place:
        """From a stored token. TokenLost when it can't be ours or asked for other properties."""
        if token is None:
            return cls(select=select)
        try:
            found = json.loads(token)
            place = cls(**{name: found[name] for name in ("users", "groups", "listing", "users_done", "select")})
        except (ValueError, KeyError, TypeError):
            raise TokenLost("The stored delta token of the cloud is not readable; everything is read again.") from None
        if place.select != select:
            raise TokenLost("Other attributes are wanted than before; everything is read again from the cloud.")
        return place


@dataclass(slots=True)
class Slices:
    """The members of one group, as far as they were seen."""

    fields: dict[str, Value] = field(default_factory=dict)
    in_scope: bool = True
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def take(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Fold in one slice; the later entry about the same member counts."""
        for entry in entries:
            member = str(entry["id"])
            here, there = (self.removed, self.added) if "@removed" in entry else (self.added, self.removed)
            here.add(member)
            there.discard(member)


class Observer:
    """Observes one tenant for one school."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        rules = desk.options.newcomers.model_dump_json()
        select = ",".join((*desk.names.user_select, *GROUP_SELECT, desk.names.school, rules))
        self._select = hashlib.sha256(select.encode()).hexdigest()[:12]
        self._newcomers = Newcomers(desk)
        self._skus: Mapping[str, str] = {}

    async def observe(self, token: str | None) -> AsyncIterator[Page]:
        """See ``Connector.observe``."""
        place = Place.of(token, self._select)
        self._skus = await self._desk.licences.parts()
        if place.listing and not place.users:
            self._newcomers.failed.clear()  # everybody is looked at again
        pages = self._listing(place) if place.listing else self._changes(place)
        async for page in pages:
            yield page

    async def _listing(self, place: Place) -> AsyncIterator[Page]:
        resumed = bool(place.users)
        if not place.users_done:
            link = place.users or self._start("users")
            while link:
                body = await self._read(link, stored=resumed)
                resumed = False
                link = str(body.get("@odata.nextLink") or "")
                place = replace(place, users=link or _delta(body), users_done=not link)
                observations, removals = self._users(body)
                yield Page(observations, removals, place.token(), listing=True)
        groups: dict[str, Slices] = {}
        gone: list[Removal] = []
        link = self._start("groups")
        known: dict[str, str] = {}  # one string object an id, however many groups it is in
        while link:
            body = await self._read(link)
            gone += self._groups(body, groups, known)
            link = str(body.get("@odata.nextLink") or "")
        owners, warnings = await self._owners(groups)
        bin_, more = await self._bin()
        for lot in chunks(groups.items(), GROUPS_A_PAGE):
            yield Page(tuple(_whole(key, found, owners) for key, found in lot), (), place.token(), listing=True)
        done = replace(place, groups=_delta(body), listing=False, users_done=False)
        yield Page((), (*gone, *bin_), done.token(), listing=True, complete=True,
                   warnings=(*warnings, *more, *self._newcomers.failed.values()))  # fmt: skip

    async def _changes(self, place: Place) -> AsyncIterator[Page]:
        # Both first pages before anything is said: a lost token must show before the first page.
        bodies = {"users": await self._read(place.users, stored=True)}
        bodies["groups"] = await self._read(place.groups, stored=True)
        for collection, body in bodies.items():
            while True:
                link = str(body.get("@odata.nextLink") or "")
                place = replace(place, **{collection: link or _delta(body)})  # type: ignore[arg-type]
                last = collection == "groups" and not link
                page = self._page(collection, body, place.token())
                if page.observations or page.removals or last:
                    # A person reads warnings once, with the last page.
                    yield replace(page, warnings=tuple(self._newcomers.failed.values())) if last else page
                if not link:
                    break
                body = await self._read(link)

    def _page(self, collection: str, body: Mapping[str, Any], token: str) -> Page:
        if collection == "users":
            return Page(*self._users(body), token)
        groups: dict[str, Slices] = {}
        removals = self._groups(body, groups, {})
        observations = tuple(
            Observation("group", key, "", found.fields, whole=False, in_scope=True,
                        added={"members": frozenset(found.added)} if found.added else {},
                        removed={"members": frozenset(found.removed)} if found.removed else {})
            if found.in_scope
            else Observation("group", key, "", {}, in_scope=False)
            for key, found in groups.items()
        )  # fmt: skip
        return Page(observations, tuple(removals), token)

    # --- one page ---------------------------------------------------------------------------------------------------

    def _users(self, body: Mapping[str, Any]) -> tuple[tuple[Observation, ...], tuple[Removal, ...]]:
        observations: dict[str, Observation] = {}
        removals: dict[str, Removal] = {}
        for entity in body.get("value", ()):
            key = str(entity["id"])
            if "@removed" in entity:
                removals[key] = _removal(key, entity, "user")
                observations.pop(key, None)
                continue
            removals.pop(key, None)
            # Default delta answers bring all tracked properties, changed or not; what was never set is absent.
            whole = "userPrincipalName" in entity
            bar = self._desk.names.user_bar(entity) if whole else self._desk.barred.get(key)
            self._desk.bar(key, bar)
            fields = {} if bar else self._user(entity, whole=whole)
            observations[key] = Observation("user", key, "", fields, whole=whole or bar is not None, in_scope=not bar)
        return tuple(observations.values()), tuple(removals.values())

    def _user(self, entity: Mapping[str, Any], *, whole: bool) -> dict[str, Value]:
        fields = self._desk.names.user_fields(entity, self._skus)
        if whole:
            fields["belongs"] = self._newcomers.belongs("user", fields, marked=self._desk.names.marked(entity))
        return fields

    def _group(self, key: str, entity: Mapping[str, Any]) -> dict[str, Value]:
        fields = self._desk.names.group_fields(entity)
        if "displayName" in entity:
            marked = "source_anchor" in fields
            # A group can't be marked once it is there (uniqueName is immutable): its own id stands for the anchor.
            fields = {"source_anchor": key, **fields}
            fields["belongs"] = self._newcomers.belongs("group", fields, marked=marked)
        return fields

    def _groups(self, body: Mapping[str, Any], groups: dict[str, Slices], known: dict[str, str]) -> list[Removal]:
        """Fold one page into ``groups``; returns what was removed."""
        removals = []
        for entity in body.get("value", ()):
            key = str(entity["id"])
            if "@removed" in entity:
                removals.append(_removal(key, entity, "group"))
                groups.pop(key, None)
                continue
            bar = self._desk.names.group_bar(entity) if "displayName" in entity else self._desk.barred.get(key)
            self._desk.bar(key, bar)
            found = groups.setdefault(key, Slices())
            found.in_scope = not bar
            if bar:
                continue
            found.fields |= self._group(key, entity)
            entries = entity.get("members@delta") or ()
            found.take([{**entry, "id": known.setdefault(entry["id"], entry["id"])} for entry in entries])
        return removals

    # --- requests ---------------------------------------------------------------------------------------------------

    def _start(self, collection: str) -> str:
        select = self._desk.names.user_select if collection == "users" else GROUP_SELECT
        return f"/{collection}/delta?$select={','.join(select)}"

    async def _read(self, link: str, *, stored: bool = False) -> Mapping[str, Any]:
        """One page. ``stored``: the link comes from a stored token, which may have become too old."""
        answer = await self._desk.client.call(link)
        if answer.status in (400, 410) and "token" in link:
            if stored:
                raise TokenLost(f"Graph no longer knows the delta token ({answer.status} {answer.code}).")
            raise Unreachable(f"Graph broke off its listing ({answer.status} {answer.code}); it begins again.")
        if not answer.ok:
            raise complain(answer, "Reading changes")
        return answer.body

    async def _owners(self, groups: Mapping[str, Slices]) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
        """Owners are not in the delta: read those of our own groups, 20 a request, when everything is listed."""
        ours = [key for key, found in groups.items() if found.in_scope]
        parts = [Part(key, "GET", directory_url.relation(key, "owners")) for key in ours]
        answers = await self._desk.batches.run(parts)
        owners = {
            key: frozenset(str(row["id"]) for row in answer.body.get("value", ()))
            for key, answer in answers.items()
            if answer.ok
        }
        missing = len(ours) - len(owners)
        return owners, (f"The owners of {missing} groups could not be read.",) if missing else ()

    async def _bin(self) -> tuple[list[Removal], tuple[str, ...]]:
        """What lies in the recycle bin: evidence that it was deleted, which a listing alone does not give."""
        removals: list[Removal] = []
        for kind in ("user", "group"):
            path = f"/directory/deletedItems/microsoft.graph.{kind}?$select=id&$top=999"
            async for answer in self._desk.pages(path):
                if not answer.ok:
                    return removals, (f"The recycle bin of {kind}s can't be read: {answer.code}.",)
                rows = answer.body.get("value", ())
                removals += [Removal(str(row["id"]), Evidence.DELETED, kind) for row in rows]
        return removals, ()


def _whole(key: str, found: Slices, owners: Mapping[str, frozenset[str]]) -> Observation:
    if not found.in_scope:
        return Observation("group", key, "", {}, in_scope=False)
    fields = {name: value for name, value in found.fields.items() if value is not None}
    if found.added:
        fields["members"] = frozenset(found.added)
    if owners.get(key):
        fields["owners"] = owners[key]
    # Owners that could not be read stay as they were known, but then nothing is whole.
    return Observation("group", key, "", fields, whole=key in owners)


def _removal(key: str, entity: Mapping[str, Any], kind: str) -> Removal:
    """``changed``: soft-deleted, can be restored. ``deleted``: gone for good. (delta query overview)"""
    reason = (entity.get("@removed") or {}).get("reason")
    return Removal(key, Evidence.PURGED if reason == "deleted" else Evidence.DELETED, kind)


def _delta(body: Mapping[str, Any]) -> str:
    link = str(body.get("@odata.deltaLink") or "")
    if not link:
        raise Unreachable("Graph ended a listing without a delta link; it begins again.")
    return link
