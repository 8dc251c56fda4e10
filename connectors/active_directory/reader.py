"""Turns what a search brings into observations: people, groups, deleted objects; and keeps what groups need of people.

Nothing is said of a privileged object but, in a full listing, that it is there. One that was mirrored before it became
privileged so stays as it was last seen: it is neither changed nor taken for one that left, was deleted or is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.model import Evidence
from bridge.ports import Observation, Page, Removal
from connectors.active_directory.mapping import FieldMapping, Skipped, untouchable, version_of
from connectors.active_directory.scope import Scope
from connectors.active_directory.wire import Entry
from connectors.expression import ExpressionError

USER, GROUP = "user", "group"
PEOPLE = "(sAMAccountType=805306368)"  # people's accounts; computers and trusts have other types (MS-ADTS 2.2.17)
GROUPS = "(objectClass=group)"


@dataclass(slots=True)
class Reader:
    """Judges and maps objects one by one against ``scope``. ``owners`` outlives a cycle."""

    mapping: FieldMapping
    scope: Scope
    owners: dict[str, str] = field(default_factory=dict)
    """objectGUID → role of the people who may own groups."""
    privileged: frozenset[str] = frozenset()
    """objectGUIDs known as privileged the last time."""
    following: bool = False
    """Whether this is no full listing: then each privileged object that changed is worth a warning."""
    skipped: Counter[Skipped] = field(default_factory=Counter)
    owner_changes: dict[str, str] = field(default_factory=dict)
    """objectGUID → name of people who got or lost such a role."""
    warnings: list[str] = field(default_factory=list)
    untold: set[str] = field(default_factory=set)
    """objectGUIDs of objects that are there and of which nothing is said."""

    def person(self, entry: Entry) -> Observation | Removal | None:
        """What to say of a person; None where nothing may be said."""
        if untouchable(entry, self.scope.surroundings):
            self._is_privileged(USER, entry)
            self._owns(entry, "")
            return None
        if self.scope.in_limbo(entry.dn):
            self._owns(entry, "")
            return Removal(entry.guid, Evidence.DELETED, USER)
        if not self.scope.has_person(entry):
            self._owns(entry, "")
            return _outside(USER, entry.guid)
        try:
            fields = self.mapping.user(entry, self.scope.surroundings)
        except ExpressionError as error:
            self._broken(USER, entry, error)
            return None
        if isinstance(fields, Skipped):
            self.skipped[fields] += 1
            self._owns(entry, "")
            return None if fields is Skipped.PRIVILEGED else _outside(USER, entry.guid)
        self._owns(entry, str(fields["role"]))
        return Observation(USER, entry.guid, version_of(fields), fields)

    def group(self, entry: Entry) -> Observation | Removal | None:
        """What to say of a group; None where nothing may be said."""
        if untouchable(entry, self.scope.surroundings):
            self._is_privileged(GROUP, entry)
            return None
        if self.scope.in_limbo(entry.dn):
            return Removal(entry.guid, Evidence.DELETED, GROUP)
        if not self.scope.stands_inside(entry.dn):
            return _outside(GROUP, entry.guid)
        try:
            fields = self.mapping.group(entry, self.scope.surroundings, self.owners)
        except ExpressionError as error:
            self._broken(GROUP, entry, error)
            return None
        if isinstance(fields, Skipped):
            return None if fields is Skipped.PRIVILEGED else _outside(GROUP, entry.guid)
        return Observation(GROUP, entry.guid, version_of(fields), fields)

    def deleted(self, entry: Entry) -> Removal | None:
        """What to say of a deleted object: a tombstone, or one in the recycle bin; both can be restored."""
        classes = entry.classes()
        # A tombstone has lost its groups (and without recycle bin adminCount): what was known before counts too.
        if entry.guid in self.privileged or untouchable(entry, self.scope.surroundings):
            return None
        kind = GROUP if "group" in classes else USER if "user" in classes else None
        if kind is None:
            return None
        self._owns(entry, "")
        return Removal(entry.guid, Evidence.DELETED, kind)

    def _is_privileged(self, kind: str, entry: Entry) -> None:
        self.untold.add(entry.guid)
        if self.scope.stands_inside(entry.dn):
            self.skipped[Skipped.PRIVILEGED] += 1
            if self.following:
                self.warnings.append(
                    f"{kind} {entry.guid} is privileged: it is not mirrored, or no longer; kept as it is."
                )

    def _owns(self, entry: Entry, role: str) -> None:
        role = role if role in self.mapping.owner_roles() else ""
        guid = entry.guid
        if self.owners.get(guid, "") == role:
            return
        self.owner_changes[guid] = entry.dn
        if role:
            self.owners[guid] = role
        else:
            del self.owners[guid]

    def _broken(self, kind: str, entry: Entry, error: ExpressionError) -> None:
        self.skipped[Skipped.BROKEN] += 1
        self.untold.add(entry.guid)
        self.warnings.append(f"{kind} {entry.guid} is left as it is: {error}")


Told = tuple[Observation | Removal, ...]


def paged(told: Told, *, listing: bool = False) -> Page:
    """A page of what was said of some objects."""
    return Page(
        observations=tuple(one for one in told if isinstance(one, Observation)),
        removals=tuple(one for one in told if isinstance(one, Removal)),
        listing=listing,
    )


def _outside(kind: str, guid: str) -> Observation:
    return Observation(kind, guid, "", {}, in_scope=False)


def newly(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> set[str]:
    """objectGUIDs that are in one of the two circles of a name but not in the other."""
    changed: set[str] = set()
    for written in before.keys() | after.keys():
        changed |= before.get(written, frozenset()) ^ after.get(written, frozenset())
    return changed
