"""Everything, and what changed: the order of searches, and what is remembered from one observation to the next.

What is remembered in memory (who may own groups, where the OUs stood, who was in a group) only saves searches. It is
worth as much as the token it belongs to: with another one (after a restart, or when the state could not be written) it
is read anew, and more is looked at than would have to be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from datetime import datetime

from bridge.ports import Observation, Page, Removal, chunks
from connectors.active_directory.changes import Token
from connectors.active_directory.directory import Directory
from connectors.active_directory.mapping import FieldMapping, file_time
from connectors.active_directory.options import Options
from connectors.active_directory.reader import GROUPS, PEOPLE, Reader, Told, newly, paged
from connectors.active_directory.scope import Scope, moved
from connectors.active_directory.session import Root, Session
from connectors.active_directory.wire import SHOW_DELETED, SHOW_RECYCLED, Entry, equals_filter

_UNITS = "(objectClass=organizationalUnit)"
_GROUPS_A_PAGE = 100  # each may carry thousands of members


class Observer:
    """Lists and follows one school's part of the directory. ``known``: configured place → objectGUID."""

    def __init__(self, options: Options, directory: Directory, mapping: FieldMapping) -> None:
        self._options = options
        self._directory = directory
        self._mapping = mapping
        self.known: dict[str, str] = {}
        self._remembered = ""
        self._reader: Reader | None = None
        self._units: dict[str, str] = {}
        self._owners_known = False

    def recall(self, token: str) -> None:
        """Forget what is in memory unless it is as of this token; until a last page says so it is as of none."""
        if token != self._remembered:
            self._reader, self._units, self._owners_known = None, {}, False
        self._remembered = ""

    def remember(self, token: str) -> str:
        """What is in memory is as of this token."""
        self._remembered = token
        return token

    def renew(self, token: str, renewed: str) -> str:
        """The same with another time in it: what was as of the one is as of the other."""
        return self.remember(renewed) if token == self._remembered else renewed

    async def _read_scope(self, now: datetime, before: Scope | None = None, changed: Set[str] = frozenset()) -> Scope:
        def read(session: Session) -> Scope:
            return Scope.read(
                session, self._options, self.known, now=now,
                before=None if before is None or changed & before.watched() else before,
            )  # fmt: skip

        scope = await self._directory.run(read)
        self.known = {written: place.guid for written, place in scope.places.items()}
        return scope

    # --- everything ---------------------------------------------------------------------------------------------

    async def everything(self, fresh: Token, root: Root, now: datetime) -> AsyncIterator[Page]:
        scope = await self._read_scope(now)
        reader = Reader(self._mapping, scope)
        roots = scope.roots(root.base)
        self._units = await self._read_units(roots)
        async for page in self._people(reader, roots, PEOPLE):
            yield paged(page, listing=True)
        self._owners_known = True
        async for page in self._groups(reader, roots, GROUPS):
            yield paged(page, listing=True)
        self._reader = reader
        yield Page(
            listing=True,
            complete=True,
            token=self._marked(fresh, root, now, scope),
            untold=tuple(sorted(reader.untold)),
            warnings=(*self._directory.passed_over(), *moved(scope.places.values(), root.base), *reader.warnings),
        )

    def _marked(self, token: Token, root: Root, now: datetime, scope: Scope) -> str:
        marked = token.moved_on(
            root, now, expiry=now.isoformat(), anchors=dict(self.known), circles=scope.circles_digest(),
            privileged=sorted(scope.protected.members), moved=moved(scope.places.values(), root.base),
        ).encode()  # fmt: skip
        return self.remember(marked)

    async def _people(self, reader: Reader, roots: Sequence[str], condition: str) -> AsyncIterator[Told]:
        attributes = self._mapping.user_attributes
        for base in roots:
            async for page in self._directory.pages(base, condition, attributes):
                yield tuple(seen for entry in page if (seen := reader.person(entry)))

    async def _groups(self, reader: Reader, roots: Sequence[str], condition: str) -> AsyncIterator[Told]:
        attributes = (*self._mapping.group_attributes, "member")
        for base in roots:
            async for page in self._directory.pages(base, condition, attributes, page=_GROUPS_A_PAGE):
                yield tuple(seen for entry in page if (seen := reader.group(entry)))

    async def _read_units(self, roots: Sequence[str]) -> dict[str, str]:
        units: dict[str, str] = {}
        for base in roots:
            async for page in self._directory.pages(base, _UNITS, ["1.1"]):
                units.update({entry.guid: entry.dn for entry in page})
        return units

    # --- what changed -------------------------------------------------------------------------------------------

    async def changed(self, held: Token, root: Root, now: datetime) -> AsyncIterator[Page]:
        since = f"(uSNChanged>={held.start(root) + 1})"
        groups, units = await self._changed_groups_and_units(root, since)
        before = self._reader
        scope = await self._read_scope(now, before.scope if before else None, groups)
        owners = before.owners if before else {}
        reader = Reader(self._mapping, scope, owners, privileged=frozenset(held.privileged), following=True)
        await self._load_owners(reader)
        again, everybody = self._moved_by_circles(held, before.scope if before else None, scope)

        attributes = (*self._mapping.user_attributes, "isDeleted")
        changed = f"(&{since}(|{PEOPLE}(isDeleted=TRUE)))"
        controls = (SHOW_DELETED, SHOW_RECYCLED)
        async for entries in self._directory.pages(root.base, changed, attributes, controls=controls):
            yield paged(tuple(told for entry in entries if (told := _told(reader, entry))))
        again |= await self._expired(held, root, now)
        for some in chunks(sorted(again), 1000):
            entries = await self._directory.read(some, PEOPLE, attributes)
            yield paged(tuple(seen for entry in entries if (seen := reader.person(entry))))
        roots = [dn for guid, dn in units.items() if self._units.get(guid) != dn]
        if everybody:
            roots = [*roots, *scope.roots(root.base)]
        async for people in self._people(reader, roots, PEOPLE):
            yield paged(people)
        groups |= set(held.privileged) ^ scope.protected.members
        async for page in self._follow_groups(reader, groups, roots):
            yield paged(page)
        if roots:
            self._units = await self._read_units(scope.roots(root.base))
        self._reader = reader
        warnings = (*self._directory.passed_over(), *moved(scope.places.values(), root.base), *reader.warnings)
        yield Page(token=self._marked(held, root, now, scope), warnings=warnings)

    async def _changed_groups_and_units(self, root: Root, since: str) -> tuple[set[str], dict[str, str]]:
        groups: set[str] = set()
        units: dict[str, str] = {}
        condition = f"(&{since}(|{GROUPS}{_UNITS}))"
        async for page in self._directory.pages(root.base, condition, ["objectClass"]):
            for entry in page:
                if "group" in entry.classes():
                    groups.add(entry.guid)
                else:
                    units[entry.guid] = entry.dn
        return groups, units

    async def _load_owners(self, reader: Reader) -> None:
        """After a restart: who may own groups. Without a change nobody needs it, so it is read with the first one."""
        wanted = self._mapping.owner_roles()
        if self._owners_known or not wanted:
            return
        rules = [rule for rule in self._options.roles if rule.role in wanted]
        places = [reader.scope.places[rule.ou].dn for rule in rules if rule.ou]
        narrow = len(places) == len(rules) and self._options.default_role not in wanted
        base = await self._directory.base()
        aside = Reader(self._mapping, reader.scope, owners=reader.owners)
        async for _ in self._people(aside, sorted(set(places)) if narrow else reader.scope.roots(base), PEOPLE):
            pass
        self._owners_known = True

    async def owners(self, now: datetime) -> Mapping[str, str]:
        """objectGUID → role of the people who may own groups, as of the last observation or read now."""
        if self._mapping.owner_roles() and not (self._reader and self._owners_known):
            self._reader = self._reader or Reader(self._mapping, await self._read_scope(now))
            await self._load_owners(self._reader)
        return dict(self._reader.owners) if self._reader else {}

    async def _follow_groups(self, reader: Reader, changed: set[str], roots: Sequence[str]) -> AsyncIterator[Told]:
        attributes = (*self._mapping.group_attributes, "member")
        for some in chunks(sorted(reader.owner_changes.values()), _GROUPS_A_PAGE):
            owned = f"(&{GROUPS}(|{''.join(equals_filter('member', dn) for dn in some)}))"
            changed |= {entry.guid for entry in await self._directory.find(owned)}
        for some in chunks(sorted(changed), _GROUPS_A_PAGE):
            entries = await self._directory.read(some, GROUPS, attributes)
            yield tuple(seen for entry in entries if (seen := reader.group(entry)))
        async for page in self._groups(reader, roots, GROUPS):
            yield page

    def _moved_by_circles(self, held: Token, before: Scope | None, scope: Scope) -> tuple[set[str], bool]:
        """Who has to be looked at again because of a membership: by objectGUID, or (True) everybody."""
        again = set(held.privileged) ^ scope.protected.members
        if before is not None:
            return again | newly(before.surroundings.circles, scope.surroundings.circles), False
        return again, held.circles != scope.circles_digest()

    async def _expired(self, held: Token, root: Root, now: datetime) -> set[str]:
        """Accounts that expired since this was last asked: nothing in the directory changes at that moment."""
        since, until = file_time(datetime.fromisoformat(held.expiry)), file_time(now)
        condition = f"(&{PEOPLE}(accountExpires>={since})(accountExpires<={until}))"
        return {entry.guid for entry in await self._directory.find(condition)}


def _told(reader: Reader, entry: Entry) -> Observation | Removal | None:
    return reader.deleted(entry) if entry.text("isDeleted").upper() == "TRUE" else reader.person(entry)
