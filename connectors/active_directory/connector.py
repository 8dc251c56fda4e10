"""Active Directory as one side of a school, read only.

A full listing: USN → places and circles → people page by page → groups page by page, all from one domain controller.
What changed: USN → is the token still good → changed groups and OUs → changed and deleted people → whoever is moved by
a changed OU or group → groups. The USN is read before anything else, so what changes meanwhile comes again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Set
from datetime import datetime, timedelta

from bridge.core.model import Action
from bridge.ports import (
    BridgeError,
    Capabilities,
    ConfigurationError,
    Context,
    Finding,
    Identity,
    Observation,
    Outcome,
    Page,
    Removal,
    Write,
    chunks,
)
from connectors.active_directory.changes import Token, decode, verify
from connectors.active_directory.directory import Directory
from connectors.active_directory.findings import probe
from connectors.active_directory.mapping import FieldMapping, file_time
from connectors.active_directory.options import Options
from connectors.active_directory.reader import GROUPS, PEOPLE, Reader, newly
from connectors.active_directory.scope import Scope, fingerprint, moved
from connectors.active_directory.session import Root, Session
from connectors.active_directory.wire import SHOW_DELETED, SHOW_RECYCLED, Entry, equals_filter

_UNITS = "(objectClass=organizationalUnit)"
_UNSET_TOMBSTONE_LIFETIME = 60  # days, where the attribute has no value (MS-ADTS 6.1.1.2.4.1.1)
_MARGIN = timedelta(days=7)
_EXPIRY_EVERY = timedelta(minutes=10)
_TOKEN_AGES = timedelta(hours=1)
_GROUPS_A_PAGE = 100  # each may carry thousands of members


class ActiveDirectory:
    """The connector (see `bridge.ports.Connector`)."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._directory = Directory(options, self._password, name=f"ad-{context.school}")
        self._listener: Directory | None = None
        self._mapping = FieldMapping(options, context.school, context.attributes)
        self._known: dict[str, str] = {}
        self._domain = ("", "")
        self._reader: Reader | None = None
        self._units: dict[str, str] = {}
        self._owners_known = False

    capabilities = Capabilities(
        kinds=frozenset({"user", "group"}),
        writes={"user": frozenset[Action](), "group": frozenset[Action]()},
        hints=True,
    )

    def _password(self) -> str:
        return self._context.secret(self._options.password or "").decode().rstrip("\r\n")

    async def identify(self) -> Identity:
        """The domain by its objectGUID, which no other domain has and no restore changes."""
        guid, _ = await self._read_domain()
        base = await self._directory.run(lambda session: session.root.base)
        return Identity(guid, f"Active Directory domain {base}")

    async def _read_domain(self) -> tuple[str, str]:
        if not self._domain[0]:
            self._domain = await self._directory.run(_domain_of)
        return self._domain

    async def observe(self, token: str | None) -> AsyncIterator[Page]:
        """See the port. TokenLost for all that `changes.verify` names; ConfigurationError when a place is gone."""
        guid, domain_sid = await self._read_domain()
        root = await self._directory.run(Session.read_root)
        now = self._context.clock()
        if token is None:
            fresh = Token(domain=guid, at=root.invocation, scope=fingerprint(self._options), expiry=now.isoformat())
            async for page in self._list(fresh, root, domain_sid, now):
                yield page
            return
        held = decode(token)
        if held.scope == fingerprint(self._options):
            self._known = {**held.anchors}
        longest = await self._directory.run(self._longest_absence)
        verify(held, root, domain=guid, scope=fingerprint(self._options), now=now, longest=longest)
        if self._nothing_new(held, root, now):
            old = now - datetime.fromisoformat(held.now.time) >= _TOKEN_AGES
            yield Page(token=held.moved_on(root, now).encode() if old else token, warnings=self._passed_over())
            return
        async for page in self._follow(held, root, domain_sid, now):
            yield page

    def _passed_over(self) -> tuple[str, ...]:
        warnings, self._directory.warnings = tuple(self._directory.warnings), []
        return warnings

    def _nothing_new(self, held: Token, root: Root, now: datetime) -> bool:
        looked = now - datetime.fromisoformat(held.expiry) < _EXPIRY_EVERY
        return looked and held.at == root.invocation and held.now.usn == root.usn

    def _longest_absence(self, session: Session) -> timedelta:
        if self._options.missing_days is not None:
            return timedelta(days=self._options.missing_days)
        service = f"CN=Directory Service,CN=Windows NT,CN=Services,{session.root.configuration}"
        try:
            ((found,), _) = session.search(service, "(objectClass=*)", ["tombstoneLifetime"])
            days = found.number("tombstoneLifetime") or _UNSET_TOMBSTONE_LIFETIME
        except LookupError:
            days = _UNSET_TOMBSTONE_LIFETIME
        return max(timedelta(days=days) - _MARGIN, timedelta(days=1))

    async def _read_scope(
        self, domain_sid: str, now: datetime, before: Scope | None = None, changed: Set[str] = frozenset()
    ) -> Scope:
        def read(session: Session) -> Scope:
            return Scope.read(
                session, self._options, self._known, domain_sid=domain_sid, now=now,
                before=None if before is None or changed & before.watched() else before,
            )  # fmt: skip

        scope = await self._directory.run(read)
        self._known = {written: place.guid for written, place in scope.places.items()}
        return scope

    # --- everything ---------------------------------------------------------------------------------------------

    async def _list(self, fresh: Token, root: Root, domain_sid: str, now: datetime) -> AsyncIterator[Page]:
        scope = await self._read_scope(domain_sid, now)
        reader = Reader(self._mapping, scope)
        roots = scope.roots(root.base)
        self._units = await self._read_units(roots)
        async for page in self._people(reader, roots, PEOPLE):
            yield Page(observations=page, listing=True)
        self._owners_known = True
        async for page in self._groups(reader, roots, GROUPS):
            yield Page(observations=page, listing=True)
        self._reader = reader
        yield Page(
            listing=True,
            complete=True,
            token=self._marked(fresh, root, now, scope),
            warnings=(*self._passed_over(), *moved(scope.places.values(), root.base), *reader.warnings),
        )

    def _marked(self, token: Token, root: Root, now: datetime, scope: Scope) -> str:
        return token.moved_on(
            root, now, expiry=now.isoformat(), anchors=dict(self._known), circles=scope.circles_digest(),
            privileged=sorted(scope.protected.members),
        ).encode()  # fmt: skip

    async def _people(
        self, reader: Reader, roots: Sequence[str], condition: str
    ) -> AsyncIterator[tuple[Observation, ...]]:
        attributes = self._mapping.user_attributes
        for base in roots:
            async for page in self._directory.pages(_search(base, condition, attributes)):
                yield tuple(seen for entry in page if (seen := reader.person(entry)))

    async def _groups(
        self, reader: Reader, roots: Sequence[str], condition: str
    ) -> AsyncIterator[tuple[Observation, ...]]:
        attributes = (*self._mapping.group_attributes, "member")
        for base in roots:
            async for page in self._directory.pages(_search(base, condition, attributes, page=_GROUPS_A_PAGE)):
                yield tuple(seen for entry in page if (seen := reader.group(entry)))

    async def _read_units(self, roots: Sequence[str]) -> dict[str, str]:
        units: dict[str, str] = {}
        for base in roots:
            async for page in self._directory.pages(_search(base, _UNITS, ["1.1"])):
                units.update({entry.guid: entry.dn for entry in page})
        return units

    # --- what changed -------------------------------------------------------------------------------------------

    async def _follow(self, held: Token, root: Root, domain_sid: str, now: datetime) -> AsyncIterator[Page]:
        since = f"(uSNChanged>={held.start(root) + 1})"
        groups, units = await self._changed_groups_and_units(root, since)
        before = self._reader
        scope = await self._read_scope(domain_sid, now, before.scope if before else None, groups)
        reader = Reader(self._mapping, scope, owners=before.owners if before else {})
        await self._load_owners(reader)
        again, everybody = self._moved_by_circles(held, before.scope if before else None, scope)

        attributes = (*self._mapping.user_attributes, "isDeleted")
        changed = f"(&{since}(|{PEOPLE}(isDeleted=TRUE)))"
        controls = (SHOW_DELETED, SHOW_RECYCLED)
        async for entries in self._directory.pages(_search(root.base, changed, attributes, controls)):
            yield _page(reader, entries)
        again |= await self._expired(held, root, now)
        for some in chunks(sorted(again), 1000):
            entries = await self._directory.read(some, PEOPLE, attributes)
            yield Page(observations=tuple(seen for entry in entries if (seen := reader.person(entry))))
        roots = [dn for guid, dn in units.items() if self._units.get(guid) != dn]
        if everybody:
            roots = [*roots, *scope.roots(root.base)]
        async for people in self._people(reader, roots, PEOPLE):
            yield Page(observations=people)
        async for page in self._follow_groups(reader, groups, roots):
            yield Page(observations=page)
        if roots:
            self._units = await self._read_units(scope.roots(root.base))
        self._reader = reader
        warnings = (*self._passed_over(), *moved(scope.places.values(), root.base), *reader.warnings)
        yield Page(token=self._marked(held, root, now, scope), warnings=warnings)

    async def _changed_groups_and_units(self, root: Root, since: str) -> tuple[set[str], dict[str, str]]:
        groups: set[str] = set()
        units: dict[str, str] = {}
        condition = f"(&{since}(|{GROUPS}{_UNITS}))"
        async for page in self._directory.pages(_search(root.base, condition, ["objectClass"])):
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
        base = await self._directory.run(lambda session: session.root.base)
        aside = Reader(self._mapping, reader.scope, owners=reader.owners)
        async for _ in self._people(aside, sorted(set(places)) if narrow else reader.scope.roots(base), PEOPLE):
            pass
        self._owners_known = True

    async def _follow_groups(
        self, reader: Reader, changed: set[str], roots: Sequence[str]
    ) -> AsyncIterator[tuple[Observation, ...]]:
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

    # --- the rest of the port -----------------------------------------------------------------------------------

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """Nothing can be written (see ``capabilities``)."""
        if writes:
            raise ConfigurationError("the connector active_directory reads only; writeback is not available")
        return
        yield

    async def hints(self) -> AsyncIterator[None]:
        """Ask the server for its USN each ``poll_seconds`` on a connection of its own; yield when it moved."""
        if self._listener is None:
            self._listener = Directory(self._options, self._password, name=f"ad-hints-{self._context.school}")
        last: tuple[str, int] | None = None
        while True:
            try:
                seen = await self._listener.run(lambda session: (session.root.invocation, session.usn()))
            except BridgeError:
                # The next cycle meets the same trouble and says so; here only the wait gets longer.
                await self._context.sleep(10 * self._options.poll_seconds)
                continue
            if last is not None and seen != last:
                yield None
            last = seen
            await self._context.sleep(self._options.poll_seconds)

    async def check(self) -> Sequence[Finding]:
        """See the port."""
        return await probe(self._directory, self._options, self._mapping, now=self._context.clock())

    async def close(self) -> None:
        """See the port."""
        await self._directory.close()
        if self._listener is not None:
            await self._listener.close()


def _domain_of(session: Session) -> tuple[str, str]:
    ((head,), _) = session.search(session.root.base, "(objectClass=*)", ["objectSid"])
    return head.guid, head.sid


def _search(
    base: str, condition: str, attributes: Sequence[str],
    controls: Sequence[tuple[str, bool, bytes | None]] = (), page: int | None = None,
) -> Callable[[Session], Iterator[list[Entry]]]:  # fmt: skip
    return lambda session: session.pages(base, condition, attributes, controls=controls, page=page)


def _page(reader: Reader, entries: Sequence[Entry]) -> Page:
    observations: list[Observation] = []
    removals: list[Removal] = []
    for entry in entries:
        if entry.text("isDeleted").upper() == "TRUE":
            if gone := reader.deleted(entry):
                removals.append(gone)
        elif seen := reader.person(entry):
            observations.append(seen)
    return Page(observations=tuple(observations), removals=tuple(removals))
