"""Places and circles: where the configured OUs and groups are now, and who is a member, by objectGUID.

A place is named once in the configuration and held by objectGUID from then on (the token carries it), so that renaming
or moving an OU moves nobody in or out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.ports import ConfigurationError
from connectors.active_directory.mapping import PROTECTED_BUILTIN, PROTECTED_RIDS, Surroundings, members_of
from connectors.active_directory.options import Options
from connectors.active_directory.session import Session
from connectors.active_directory.terms import is_guid
from connectors.active_directory.wire import Entry, equals_filter, guid_base, name_parts

_ANY = "(objectClass=*)"
_HOW_NOT_WHAT = ("servers", "account", "password", "keytab", "ca_file", "authentication", "connect_seconds",
                 "answer_seconds", "page_size", "poll_seconds", "notifications", "missing_days",
                 "computers")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A configured OU, group or account: as it is written in the options, and where it stands now."""

    written: str
    guid: str
    dn: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Its name for comparison, the topmost part first."""
        return name_parts(self.dn)


@dataclass(slots=True)
class Circle:
    """Members of a group, nested ones too, and the groups whose change may change them."""

    members: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


def fingerprint(options: Options, school: str, extra: Mapping[str, Mapping[str, str]]) -> str:
    """Changes when an option does that decides who and what is seen, and how: then the whole is listed again."""
    said = options.model_dump(mode="json", exclude=set(_HOW_NOT_WHAT))
    more = {"school": school, "extra": {kind: dict(fields) for kind, fields in extra.items()}}
    return hashlib.blake2b(json.dumps([said, more], sort_keys=True).encode(), digest_size=8).hexdigest()


def ous_of(options: Options) -> list[str]:
    """All OUs that the options name to say who and what is mirrored, each once."""
    rules = [*options.roles, *options.groups, *([options.consent] if options.consent else [])]
    return _once([*options.scope.ous, *options.scope.exclude_ous, *(rule.ou for rule in rules)])


def groups_of(options: Options) -> list[str]:
    """All groups that the options name to say who and what is mirrored, each once."""
    rules = [*options.roles, *options.groups, *([options.consent] if options.consent else [])]
    return _once([*options.scope.groups, *(rule.group for rule in rules)])


def _named(options: Options) -> Iterator[tuple[str, list[str]]]:
    """Everything that has to be found, with what it is."""
    back = options.writeback
    yield "OU", _once([*ous_of(options), *(back.ous() if back else ())])
    given = [group for rule in back.people for group in rule.groups] if back else []
    yield "group", _once([*groups_of(options), *given])
    yield "account", accounts_of(options)


def accounts_of(options: Options) -> list[str]:
    """All accounts that the options name, each once."""
    return _once([rule.fallback_owner for rule in options.groups])


def _once(places: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(place for place in places if place))


def resolve(session: Session, options: Options, known: Mapping[str, str]) -> dict[str, Place]:
    """Every configured place, found by the objectGUID that is ``known`` of it, else as it is written.

    Raises ConfigurationError when one can't be found: nobody's absence may follow from a place that isn't there.
    """
    found: dict[str, Place] = {}
    for kind, names in _named(options):
        for written in names:
            base = base_of(known.get(written) or written, session.root.base)
            try:
                ((entry,), _) = session.search(base, _ANY, ["objectClass"])
            except LookupError:
                raise ConfigurationError(
                    f"expected the {kind} {written} in the directory of {session.root.host}, found nothing there that "
                    f"the account may read. If it was renamed or moved, write its new name or its objectGUID; if it "
                    f"was deleted, restore it or take it out of the configuration; if it was made anew, write the "
                    f"new one's objectGUID."
                ) from None
            found[written] = Place(written, entry.guid, entry.dn)
    return found


def check_limbo(options: Options, places: Mapping[str, Place], base: str) -> None:
    """The limbo by where it stands, however it is written: what lies in it counts as deleted. ConfigurationError."""
    if options.writeback is None:
        return
    limbo = places[options.writeback.limbo]
    inside = {written: places[written].parts for written in (*options.scope.ous, *options.writeback.ous()[1:])}
    inside["the whole domain"] = name_parts(base)
    for written, parts in inside.items():
        if parts[: len(limbo.parts)] == limbo.parts:
            raise ConfigurationError(
                f"expected `writeback.limbo` ({limbo.written}) to be an OU of its own, found {written} in it, so that "
                f"all its people would count as deleted. Name another OU for the limbo, or move {written} out of it."
            )


def base_of(written: str, domain: str) -> str:
    """Where a search for a configured place begins."""
    return guid_base(written) if is_guid(written) else full_name(written, domain)


def full_name(written: str, base: str) -> str:
    """A configured name with the domain's part added where it was left out."""
    parts, domain = name_parts(written), name_parts(base)
    return written if parts[: len(domain)] == domain else f"{written},{base}"


def moved(places: Iterable[Place], base: str) -> list[str]:
    """A warning for each place that no longer stands where the configuration says."""
    return [
        f"{place.written} is now {place.dn}: its people are kept. Write the new name (or {place.guid}) into the "
        f"configuration."
        for place in places
        if not is_guid(place.written) and name_parts(full_name(place.written, base)) != place.parts
    ]


def circle(session: Session, start: str) -> Circle:
    """Everybody in a group, nested groups followed in memory, one search for each level of each group."""
    around = Circle()
    waiting = [start]
    while waiting:
        guid = waiting.pop()
        if guid in around.groups:
            continue
        around.groups.add(guid)
        try:
            ((group,), _) = session.search(guid_base(guid), _ANY, ["member"])
        except LookupError:
            continue
        around.members.update(members_of(session.completed(group)))
        inside = session.all(f"(&(objectClass=group){equals_filter('memberOf', group.dn)})", ["1.1"])
        waiting += [entry.guid for entry in inside]
    around.members -= {start}
    return around


def protected_circle(session: Session, domain_sid: str) -> Circle:
    """The privileged groups themselves and everybody in them (MS-ADTS 3.1.1.6.1.1.2)."""
    whole = Circle()
    for sid in (*(f"{domain_sid}-{rid}" for rid in PROTECTED_RIDS), *PROTECTED_BUILTIN):
        try:
            ((group,), _) = session.search(f"<SID={sid}>", _ANY, ["1.1"])
        except LookupError:
            continue  # only the forest's root domain has them all
        if group.guid in whole.groups:
            continue
        part = circle(session, group.guid)
        whole.members |= part.members | part.groups
        whole.groups |= part.groups
    return whole


@dataclass(frozen=True, slots=True)
class Scope:
    """Who and what is mirrored, as things stand now."""

    options: Options
    places: Mapping[str, Place]
    circles: Mapping[str, Circle]
    protected: Circle
    surroundings: Surroundings

    @classmethod
    def read(
        cls, session: Session, options: Options, known: Mapping[str, str],
        *, now: datetime, before: Scope | None = None,
    ) -> Scope:  # fmt: skip
        """Find all places, and read all circles or take them from ``before``. Raises ConfigurationError."""
        places = resolve(session, options, known)
        check_limbo(options, places, session.root.base)
        if before:
            circles, protected = before.circles, before.protected
        else:
            circles = {written: circle(session, places[written].guid) for written in groups_of(options)}
            protected = protected_circle(session, session.root.domain_sid)
        around = Surroundings(
            now=now,
            account_sid=session.root.account_sid,
            places={place.written: place.parts for place in places.values()},
            circles={written: frozenset(one.members) for written, one in circles.items()},
            protected=frozenset(protected.members),
            guids={place.written: place.guid for place in places.values()},
        )
        return cls(options, places, circles, protected, around)

    def stands_inside(self, dn: str) -> bool:
        """Whether an object of this name is below a configured OU and below none that is left out, nor retired."""
        parts = name_parts(dn)
        outside = [*self.options.scope.exclude_ous, *self._limbo()]
        return self._below(parts, self.options.scope.ous, empty=True) and not self._below(parts, outside, empty=False)

    def _limbo(self) -> list[str]:
        return [self.options.writeback.limbo] if self.options.writeback else []

    @property
    def limbo(self) -> str:
        """The limbo as it is written in the options; there is one wherever something is written."""
        return self._limbo()[0]

    def in_limbo(self, dn: str) -> bool:
        """Whether an object of this name lies in the limbo."""
        return self._below(name_parts(dn), self._limbo(), empty=False)

    def has_person(self, entry: Entry) -> bool:
        """Whether a person is in scope."""
        groups = self.options.scope.groups
        member = not groups or any(entry.guid in self.circles[group].members for group in groups)
        return member and self.stands_inside(entry.dn)

    def _below(self, parts: tuple[str, ...], places: Sequence[str], *, empty: bool) -> bool:
        if not places:
            return empty
        return any(parts[: len(place.parts)] == place.parts for place in (self.places[written] for written in places))

    def roots(self, base: str) -> list[str]:
        """Where to search for what is in scope or in the limbo: the outermost of the OUs, or the domain."""
        if not self.options.scope.ous:
            return [base]
        ous = [*self.options.scope.ous, *self._limbo()]
        places = {self.places[written].parts: self.places[written].dn for written in ous}
        inner = {parts for parts in places for other in places if parts != other and parts[: len(other)] == other}
        return [dn for parts, dn in places.items() if parts not in inner]

    def with_member(self, guid: str, groups: frozenset[str]) -> Scope:
        """The same as if somebody were in some groups, by objectGUID."""
        if not groups:
            return self
        circles = {
            written: Circle(one.members | {guid}, one.groups) if one.groups & groups else one
            for written, one in self.circles.items()
        }
        members = {written: frozenset(one.members) for written, one in circles.items()}
        return replace(self, circles=circles, surroundings=replace(self.surroundings, circles=members))

    def watched(self) -> frozenset[str]:
        """objectGUIDs of the groups whose change may move people in or out, give roles or make privileged."""
        return frozenset(self.protected.groups.union(*(one.groups for one in self.circles.values())))

    def circles_digest(self) -> str:
        """Changes when the membership of a configured group does; to notice that after a restart."""
        digest = hashlib.blake2b(digest_size=8)
        for written, one in sorted(self.circles.items()):
            digest.update("\0".join([written, *sorted(one.members)]).encode())
        return digest.hexdigest()
