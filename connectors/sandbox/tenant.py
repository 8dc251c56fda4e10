"""The tenant's state. Every mutation passes one of six methods here, which keep index, links, licences and log in step.

    create · update · link / unlink · delete (soft) / restore / purge

Routes validate first and mutate afterwards, all in one turn of the event loop: a request is atomic.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.entries import DELETED, LIVE, PURGED, Change, ChangeLog, Entry, Pending

#: Properties found by value without a scan, for all kinds.
INDEXED = (
    "userPrincipalName", "mailNickname", "mail", "employeeId", "onPremisesImmutableId", "displayName", "uniqueName",
    "externalId",
)  # fmt: skip
#: Soft-deleted objects are purged after this many seconds (Graph: 30 days).
BIN_LIFE = 30 * 86400.0


@dataclass(slots=True)
class Sku:
    """A licence product: how many units were bought and who holds one."""

    id: str
    part_number: str
    enabled: int
    plans: tuple[tuple[str, str], ...] = ()
    holders: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Tenant:
    """State of one tenant; ``clock`` gives seconds since the epoch, ``rng`` gives ids and hidden choices."""

    id: str
    name: str
    domains: list[str]
    clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.SystemRandom)
    secret: str = ""
    visibility_delay: float = 0.0
    delta_delay: float = 0.0
    entries: dict[str, Entry] = field(default_factory=dict)
    ordered: dict[str, list[str]] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)
    skus: dict[str, Sku] = field(default_factory=dict)
    index: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=dict)
    bin: dict[str, None] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)
    published: list[tuple[str, Change]] = field(default_factory=list)
    relinked: dict[tuple[str, str, str], int | None] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.secret = self.secret or f"{self.rng.getrandbits(256):064x}"

    # -- reading

    def get(self, entry_id: str, kind: str | None = None) -> Entry | None:
        """A live and visible entry by id."""
        entry = self.entries.get(entry_id)
        if entry is None or entry.state != LIVE or (kind and entry.kind != kind) or entry.visible_at > self.clock():
            return None
        return entry

    def taken(self, kind: str, name: str, value: str) -> list[Entry]:
        """Live entries with this value, case ignored, visible or not: uniqueness does not wait for replication."""
        return [self.entries[found] for found in self.index.get((kind, name, value.lower()), ())]

    def scan(self, kind: str, after: int = 0) -> Iterator[Entry]:
        """Live and visible entries of a kind in the order of creation, from a position on."""
        now = self.clock()
        for entry_id in self.ordered.get(kind, [])[after:]:
            entry = self.entries[entry_id]
            if entry.state == LIVE and entry.visible_at <= now:
                yield entry

    def resolve(self, ids: Iterable[str], kinds: tuple[str, ...] = ()) -> Iterator[Entry]:
        """The live and visible entries among ``ids``: a soft-deleted member is out of sight, not out of the group."""
        now = self.clock()
        for entry_id in ids:
            entry = self.entries[entry_id]
            if entry.state == LIVE and entry.visible_at <= now and (not kinds or entry.kind in kinds):
                yield entry

    # -- writing

    def create(self, kind: str, properties: dict[str, Any], *, entry_id: str = "") -> Entry:
        """Add an entry; readers see it when the visibility delay has passed."""
        now = self.clock()
        entry_id = entry_id or str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        order = self.ordered.setdefault(kind, [])
        entry = Entry(
            id=entry_id,
            kind=kind,
            order=len(order),
            created_at=now,
            visible_at=now + self.visibility_delay,
            properties=properties,
        )
        self.entries[entry_id] = entry
        order.append(entry_id)
        self._count(entry, +1)
        self._reindex(entry, {}, properties)
        self._record(entry, "create", tuple(properties))
        return entry

    def update(self, entry: Entry, changed: dict[str, Any]) -> None:
        """Set properties (None clears); values that are equal already leave no trace in delta."""
        changed = {name: value for name, value in changed.items() if entry.properties.get(name) != value}
        if not changed:
            return
        before = {name: entry.properties.get(name) for name in changed}
        entry.properties.update(changed)
        if entry.state == LIVE:
            self._reindex(entry, before, changed)
        self._record(entry, "properties", tuple(changed))

    def update_facet(self, entry: Entry, changed: dict[str, Any]) -> None:
        """Set education properties (None clears)."""
        entry.education = {**(entry.education or {}), **changed}
        self._record(entry, "properties", tuple(changed))

    def touch(self, entry: Entry) -> None:
        """Mark an entry for storing whose hidden fields (password, education) changed."""
        self.dirty[entry.id] = None

    def link(self, entry: Entry, relation: str, other: Entry) -> None:
        """Point ``entry`` at ``other``; the caller has checked that it does not yet."""
        number = self.log.next_number()
        entry.links.setdefault(relation, {})[other.id] = number
        self.relinked[entry.id, relation, other.id] = number
        other.backlinks.setdefault(relation, {})[entry.id] = None
        self._record(entry, "link", (relation, other.id), dirty=False)

    def unlink(self, entry: Entry, relation: str, other: Entry) -> None:
        """Take a link away."""
        del entry.links[relation][other.id]
        del other.backlinks[relation][entry.id]
        self.relinked[entry.id, relation, other.id] = None
        self._record(entry, "unlink", (relation, other.id), dirty=False)

    def delete(self, entry: Entry) -> None:
        """Soft delete: links stay, so that a restore brings memberships back; licences return to stock."""
        self._reindex(entry, entry.properties, {})
        self._count(entry, -1)
        entry.state, entry.deleted_at = DELETED, self.clock()
        self.bin[entry.id] = None
        for sku in self.skus.values():
            sku.holders.pop(entry.id, None)
        self._record(entry, "state", (DELETED,))

    def restore(self, entry: Entry) -> None:
        """Undo a soft delete; the caller has checked that its unique values are free."""
        entry.state, entry.deleted_at = LIVE, None
        del self.bin[entry.id]
        self._count(entry, +1)
        self._reindex(entry, {}, entry.properties)
        kept = []
        for licence in entry.properties.get("assignedLicenses", []):
            sku = self.skus.get(licence["skuId"])
            if sku and len(sku.holders) < sku.enabled:
                sku.holders[entry.id] = tuple(licence.get("disabledPlans", ()))
                kept.append(licence)
        if "assignedLicenses" in entry.properties:
            entry.properties["assignedLicenses"] = kept
        self._record(entry, "state", (LIVE,))

    def purge(self, entry: Entry) -> None:
        """Remove for good: only now do memberships end and delta reports them removed."""
        if entry.state == LIVE:
            self.delete(entry)
        self.bin.pop(entry.id, None)
        for relation, others in list(entry.links.items()):
            for other_id in list(others):
                self.unlink(entry, relation, self.entries[other_id])
        for relation, referrers in list(entry.backlinks.items()):
            for referrer_id in list(referrers):
                self.unlink(self.entries[referrer_id], relation, entry)
        entry.state, entry.properties, entry.password, entry.education = PURGED, {}, None, None
        self._record(entry, "state", (PURGED,))

    # -- storing

    def adopt(self, entry: Entry) -> None:
        """Take in an entry that was stored, in the order of creation within its kind."""
        self.entries[entry.id] = entry
        self.ordered.setdefault(entry.kind, []).append(entry.id)
        if entry.state == LIVE:
            self._count(entry, +1)
            self._reindex(entry, {}, entry.properties)

    def forget(self) -> None:
        """Drop the notes of what is to be stored, once it is stored or never will be."""
        self.dirty.clear()
        self.published.clear()
        self.relinked.clear()

    # -- time

    def settle(self) -> None:
        """Publish what has become visible and purge what lay in the bin for 30 days; called before each request."""
        now = self.clock()
        for pending in self.log.due(now):
            self._publish(self.entries[pending.entry_id], pending.what, pending.detail)
        while self.bin:
            oldest = self.entries[next(iter(self.bin))]
            if (oldest.deleted_at or now) + BIN_LIFE > now:
                break
            self.purge(oldest)

    def _record(self, entry: Entry, what: str, detail: tuple[str, ...], *, dirty: bool = True) -> None:
        if dirty:
            self.dirty[entry.id] = None
        now = self.clock()
        due = max(now + self.delta_delay, entry.visible_at)
        if due > now or self.log.waiting:
            # Behind others that wait, even when due itself: an entry's changes must be published in their order.
            self.log.wait(Pending(due=due, entry_id=entry.id, what=what, detail=detail))
        else:
            self._publish(entry, what, detail)

    def _publish(self, entry: Entry, what: str, detail: tuple[str, ...]) -> None:
        change = Change(sequence=self.log.next_number(), what=what, detail=detail)
        entry.changes.append(change)
        self.log.append(entry.kind, change.sequence, entry.id)
        self.published.append((entry.id, change))

    def _count(self, entry: Entry, step: int) -> None:
        self.live[entry.kind] = self.live.get(entry.kind, 0) + step

    def _reindex(self, entry: Entry, before: dict[str, Any], after: dict[str, Any]) -> None:
        for name in INDEXED:
            if isinstance(old := before.get(name), str) and (bucket := self.index.get((entry.kind, name, old.lower()))):
                bucket.pop(entry.id, None)
            if isinstance(new := after.get(name), str):
                self.index.setdefault((entry.kind, name, new.lower()), {})[entry.id] = None
