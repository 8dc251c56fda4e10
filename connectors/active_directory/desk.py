"""What the writers of one call share: reading what is to be written, judging whether it may be, and the outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.model import Elements, Fields
from bridge.ports import Failed, Outcome, Write, Written, chunks
from connectors.active_directory import notes
from connectors.active_directory.edits import Rejected
from connectors.active_directory.mapping import CONSISTENCY_GUID, FieldMapping, Skipped, untouchable, version_of
from connectors.active_directory.options import Options
from connectors.active_directory.placement import Placement
from connectors.active_directory.reader import GROUP, GROUPS, PEOPLE, USER
from connectors.active_directory.scope import Place, Scope
from connectors.active_directory.session import Session
from connectors.active_directory.ways import Ways
from connectors.active_directory.wire import Entry, guid_base, guid_filter
from connectors.active_directory.writeback import GroupPlace, PersonPlace
from connectors.expression import ExpressionError

GUIDS_A_SEARCH = 100
CONDITIONS = {USER: PEOPLE, GROUP: GROUPS}
_OF_BOTH = ("sAMAccountName", "cn", "memberOf", notes.ATTRIBUTE, CONSISTENCY_GUID)
_OWN = {
    USER: (*_OF_BOTH, "userAccountControl", "accountExpires"),
    GROUP: (*_OF_BOTH, "groupType", "member"),
}
_DEFAULT_RULES = {USER: "`roles`", GROUP: "`groups`"}


@dataclass(slots=True)
class Job:
    """One write on its way. ``anchor`` is empty until the object is there."""

    write: Write
    anchor: str = ""
    adopted: bool = False
    retired: bool = False
    """Whether it lies in the limbo when all is done."""
    entry: Entry | None = None
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, frozenset[str]] = field(default_factory=dict)
    failed: Failed | None = None
    version: str = ""

    def fail(self, rejected: Rejected) -> None:
        """This write did not happen, or not to its end."""
        what = f"{self.write.kind} {self.anchor or self.write.key}"
        transient = rejected.cause == "stale"
        self.failed = Failed(self.write.id, rejected.cause, f"{what}: {rejected}.", transient=transient)

    def outcome(self) -> Outcome:
        """What the engine is told."""
        unknown: Elements = {name: found for name, found in self.unknown.items() if found}
        return self.failed or Written(
            self.write.id, self.anchor, self.version, self.refused, unknown, adopted=self.adopted
        )


@dataclass(slots=True)
class Desk:
    """The connection and all that a write is judged by, as of now and kept up with what is written itself.

    ``owners``: objectGUID → role of those who may own groups. ``session`` changes from lot to lot.
    """

    options: Options
    session: Session
    scope: Scope
    mapping: FieldMapping
    placement: Placement
    ways: Mapping[str, Ways]
    owners: dict[str, str] = field(default_factory=dict)
    units: dict[tuple[str, str], str] = field(default_factory=dict)
    """Name of an OU that was looked up below another (objectGUID, name) → its distinguished name."""

    def place(self, written: str) -> Place:
        """Where a configured OU or group stands."""
        return self.scope.places[written]

    def attributes(self, kind: str) -> list[str]:
        """What has to be read of an object to write it."""
        mapped = self.mapping.user_attributes if kind == USER else self.mapping.group_attributes
        names = {name.lower(): name for name in (*mapped, *self.ways[kind].attributes, *_OWN[kind])}
        return sorted(names.values())

    def read(self, kind: str, guids: Iterable[str], attributes: Sequence[str] | None = None) -> dict[str, Entry]:
        """Living objects by objectGUID; those that are not there, or are of another kind, are left out."""
        found: dict[str, Entry] = {}
        for some in chunks(sorted(set(guids)), GUIDS_A_SEARCH):
            condition = f"(&{CONDITIONS[kind]}{guid_filter(*some)})"
            found |= {entry.guid: entry for entry in self.session.all(condition, attributes or self.attributes(kind))}
        return found

    def fields(self, kind: str, entry: Entry) -> Fields:
        """The fields of an object that may be written. Rejected where it may not be."""
        if untouchable(entry, self.scope.surroundings):
            raise Rejected(
                "privileged",
                "it is privileged or belongs to the system, and is never written. Leave it out of what is mirrored",
            )
        if self.scope.in_limbo(entry.dn):
            raise Rejected("gone", "it is retired and lies in the limbo. Restore it first")
        if not (self.scope.has_person(entry) if kind == USER else self.scope.stands_inside(entry.dn)):
            raise Rejected(
                "out_of_scope", "it stands outside of the configured `scope`. Move it in, or widen the scope"
            )
        return self.mapped(kind, entry)

    def mapped(self, kind: str, entry: Entry) -> Fields:
        """The fields of an object by the rules alone. Rejected where no rule matches."""
        around = self.scope.surroundings
        try:
            mapping = self.mapping
            fields = mapping.user(entry, around) if kind == USER else mapping.group(entry, around, self.owners)
        except ExpressionError as error:
            raise Rejected("invalid", str(error)) from None
        if isinstance(fields, Skipped):
            raise Rejected("out_of_scope", f"none of the rules in {_DEFAULT_RULES[kind]} matches it. Add one")
        return fields

    def would(self, kind: str, entry: Entry) -> Fields:
        """The fields of an object as it would be. Rejected (``invalid``) where the bridge would not see it."""
        try:
            return self.fields(kind, entry)
        except Rejected as reason:
            raise Rejected("invalid", f"as it would be, {reason}") from None

    def rule(self, kind: str, fields: Fields) -> PersonPlace | GroupPlace | None:
        """The first rule of `writeback` that matches. Rejected where a rule fails."""
        try:
            return self.placement.place(kind, fields)
        except ExpressionError as error:
            raise Rejected("invalid", str(error)) from None

    def expect(self, job: Job, fields: Fields) -> None:
        """Rejected as ``stale`` where the object is not as it was when the write was planned."""
        if job.write.expected and version_of(fields) != job.write.expected:
            raise Rejected("stale", "it was changed since it was read; it is read again")

    def read_back(self, jobs: Sequence[Job], kind: str) -> None:
        """What the objects are now: the version, and what does not show as it was wanted."""
        alive = [job for job in jobs if job.failed is None and not job.retired]
        entries = self.read(kind, (job.anchor for job in alive))
        for job in alive:
            try:
                if (entry := entries.get(job.anchor)) is None:
                    raise Rejected("gone", "it vanished while it was written")
                fields = self.fields(kind, entry)
            except Rejected as rejected:
                job.fail(rejected)
                continue
            job.version = version_of(fields)
            # Who is adopted keeps the login.
            kept = {"login"} if job.adopted else set[str]()
            wanted = {name: value for name, value in job.write.fields.items() if name not in kept}
            for name, why in self.ways[kind].refused(wanted, fields).items():
                job.refused.setdefault(name, why)

    def read_new(self, kind: str, dn: str) -> Entry:
        """What was just made there. Rejected."""
        try:
            ((entry,), _) = self.session.search(dn, "(objectClass=*)", self.attributes(kind))
        except (LookupError, ValueError):
            raise Rejected("stale", "it vanished as soon as it was made; it is looked for again") from None
        return entry

    def there(self, guid: str) -> Entry | None:
        """An OU by objectGUID; None where there is none any more."""
        try:
            ((entry,), _) = self.session.search(guid_base(guid), "(objectClass=organizationalUnit)", ["1.1"])
        except (LookupError, ValueError):
            return None
        return entry
