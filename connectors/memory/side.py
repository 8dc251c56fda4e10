"""One side held in memory: what is there, what changed since when, and the rules that a real side enforces.

Every change gets the next number of one sequence; a record's version is the number of its last change, and a token is
the number up to which somebody has read. Deletion is soft: the entry stays as a tombstone, so that a delta can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.core.kinds import KINDS, Kind, Shape
from bridge.core.model import Evidence, Fields, Record, Value
from bridge.core.settle import folded
from bridge.ports import Observation, Removal
from connectors.memory.fields import difference_of, filled


class Rejected(Exception):
    """The side does not take a change. ``cause`` is one of the codes of ``bridge.ports.Failed``."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class State(StrEnum):
    """Whether an object is there, and if not, what is left of it."""

    ALIVE = "alive"
    OUTSIDE = "outside"  # there, but not in the configured scope
    DELETED = "deleted"  # in the recycle bin
    PURGED = "purged"

    @property
    def present(self) -> bool:
        """Whether the object exists, in scope or not."""
        return self in {State.ALIVE, State.OUTSIDE}


@dataclass(slots=True)
class Entry:
    """What is stored of one object. ``fields`` keep references to deleted objects: a restore brings them back."""

    kind: str
    anchor: str
    version: int
    fields: dict[str, Value]
    state: State = State.ALIVE


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change log: what a delta says of it, whole and as the difference only."""

    number: int
    anchor: str
    whole: Observation | Removal
    difference: Observation | Removal


@dataclass(slots=True)
class MemorySide:
    """A directory and file tree in memory. The methods below are the side's own life: people working on it.

    ``name`` prefixes anchors. ``recycle_bin`` False makes every deletion final. ``bodies`` are the bytes of files, by
    anchor, also of deleted ones; ``kept`` those that the bridge overwrote. ``unread``: see ``contents``.
    """

    name: str = "memory"
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    recycle_bin: bool = True
    entries: dict[str, Entry] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    number: int = 0
    epoch: int = 1
    changed: Callable[[], None] = lambda: None
    unread: bool = False
    bodies: dict[str, bytes] = field(default_factory=dict)
    kept: list[bytes] = field(default_factory=list)

    # --- reading ----------------------------------------------------------------------------------------------------

    def record(self, anchor: str) -> Record | None:
        """What is there under an anchor, in scope or not; None when nothing is."""
        entry = self.entries.get(anchor)
        if entry is None or not entry.state.present:
            return None
        return Record(entry.kind, anchor, str(entry.version), self._visible(entry))

    def records(self, kind: str | None = None) -> Iterator[Record]:
        """All that is there, in the order in which it was made."""
        for anchor, entry in list(self.entries.items()):
            record = self.record(anchor) if kind in (None, entry.kind) else None
            if record is not None:
                yield record

    def state(self, anchor: str) -> State | None:
        """What became of an object; None when there never was one."""
        entry = self.entries.get(anchor)
        return entry.state if entry else None

    def sight(self, anchor: str) -> Observation | Removal:
        """What a listing or a delta says of an object now."""
        entry = self.entries[anchor]
        if entry.state.present:
            inside = entry.state is State.ALIVE
            return Observation(entry.kind, anchor, str(entry.version), self._visible(entry), in_scope=inside)
        return Removal(anchor, Evidence(entry.state.value), entry.kind)

    def named(self, kind: str, column: str, value: Value) -> str | None:
        """The anchor of a present object of a kind with this value, ignoring case; None when there is none."""
        for entry in self.entries.values():
            if entry.kind == kind and entry.state.present and folded(entry.fields.get(column)) == folded(value):
                return entry.anchor
        return None

    def _visible(self, entry: Entry) -> dict[str, Value]:
        visible = dict(entry.fields)
        for column in self.kinds[entry.kind].shaped(Shape.REFS):
            value = visible.get(column.name)
            if isinstance(value, frozenset):
                visible[column.name] = frozenset(anchor for anchor in value if self._present(anchor))
        return visible

    def _present(self, anchor: str) -> bool:
        entry = self.entries.get(anchor)
        return entry is not None and entry.state.present

    # --- changing ---------------------------------------------------------------------------------------------------

    def create(self, kind: str, fields: Fields, *, anchor: str | None = None) -> str:
        """Make an object and return its anchor; Rejected when its name is taken or its parent is not there."""
        anchor = anchor or f"{self.name}-{self.number + 1}"
        entry = Entry(kind, anchor, 0, filled(fields))
        self._check(entry, entry.fields)
        self.entries[anchor] = entry
        self._note(entry)
        return anchor

    def change(self, anchor: str, fields: Fields) -> int:
        """Give fields new values (None empties one); returns the new version. Equal values change nothing."""
        entry = self._there(anchor)
        after = filled({**entry.fields, **fields})
        if after == entry.fields:
            return entry.version
        self._check(entry, after)
        before, entry.fields = self._visible(entry), after
        self._note(entry, before=before)
        return entry.version

    def delete(self, anchor: str, *, purge: bool = False) -> None:
        """Move to the recycle bin, or purge where there is none. A folder with something in it is refused."""
        entry = self._there(anchor)
        if next(self._children(anchor), None) is not None:
            raise Rejected("not_empty", f"{anchor} still holds something; empty it first")
        self._become(entry, State.DELETED if self.recycle_bin and not purge else State.PURGED)

    def purge(self, anchor: str) -> None:
        """Empty one object out of the recycle bin."""
        entry = self.entries.get(anchor)
        if entry is not None and entry.state is State.DELETED:
            self._become(entry, State.PURGED)

    def restore(self, anchor: str, fields: Fields | None = None) -> int:
        """Take an object out of the recycle bin, with new values if given; returns its version."""
        entry = self.entries.get(anchor)
        if entry is None or entry.state is State.PURGED:
            raise Rejected("gone", f"{anchor} is not in the recycle bin any more")
        if entry.state.present:
            return self.change(anchor, fields or {})
        after = filled({**entry.fields, **(fields or {})})
        self._check(entry, after)
        entry.fields = after
        self._become(entry, State.ALIVE)
        return entry.version

    def leave(self, anchor: str) -> None:
        """Move an object out of the configured scope."""
        self._become(self._there(anchor), State.OUTSIDE)

    def enter(self, anchor: str) -> None:
        """Move an object into the configured scope."""
        self._become(self._there(anchor), State.ALIVE)

    def expire_tokens(self) -> None:
        """Forget every token handed out so far."""
        self.epoch += 1

    def _there(self, anchor: str) -> Entry:
        entry = self.entries.get(anchor)
        if entry is None or not entry.state.present:
            raise Rejected("gone", f"{anchor} is not there")
        return entry

    def _become(self, entry: Entry, state: State) -> None:
        was = entry.state
        if was is state:
            return
        referring = [
            (other, self._visible(other))
            for other in self.entries.values()
            if was.present != state.present and other.state.present and self._refers(other, entry.anchor)
        ]
        entry.state = state
        self._note(entry)
        # Who referred to it shows other members now: both AD and Entra drop and bring back such references themselves.
        for other, before in referring:
            self._note(other, before=before)

    def _refers(self, entry: Entry, anchor: str) -> bool:
        return any(
            anchor in value
            for column in self.kinds[entry.kind].shaped(Shape.REFS)
            if isinstance(value := entry.fields.get(column.name), frozenset)
        )

    # --- rules ------------------------------------------------------------------------------------------------------

    def _children(self, anchor: str) -> Iterator[Entry]:
        for entry in self.entries.values():
            parent = self.kinds[entry.kind].parent
            if parent and entry.state.present and entry.fields.get(parent) == anchor:
                yield entry

    def _check(self, entry: Entry, fields: Fields) -> None:
        kind = self.kinds[entry.kind]
        if kind.parent:
            self._check_place(entry, kind, fields)
        for column in kind.fields:
            value = fields.get(column.name)
            holder = self.named(entry.kind, column.name, value) if column.assigned_from and value else None
            if holder not in (None, entry.anchor):
                raise Rejected("name_taken", f"{column.name} {value!r} belongs to {holder}")

    def _check_place(self, entry: Entry, kind: Kind, fields: Fields) -> None:
        label, parent = fields.get(kind.label), fields.get(kind.parent or "")
        if not label:
            raise Rejected("invalid", f"{entry.anchor} has no {kind.label}")
        above, seen = parent, {entry.anchor}
        while isinstance(above, str):
            holder = self.entries.get(above)
            if holder is None or not holder.state.present or self.kinds[holder.kind].content:
                raise Rejected("invalid", f"the parent {above} of {entry.anchor} is no folder that is there")
            if above in seen:
                raise Rejected("invalid", f"{entry.anchor} can't be put into itself")
            seen.add(above)
            above = holder.fields.get(kind.parent or "")
        for other in self.entries.values():
            own = self.kinds[other.kind]
            if (
                own.parent
                and other.anchor != entry.anchor
                and other.state.present
                and other.fields.get(own.parent) == parent
                and folded(other.fields.get(own.label)) == folded(label)
            ):
                raise Rejected("name_taken", f"{label!r} is taken by {other.anchor}")

    # --- the change log ---------------------------------------------------------------------------------------------

    def _note(self, entry: Entry, *, before: Fields | None = None) -> None:
        self.number += 1
        entry.version = self.number
        whole = self.sight(entry.anchor)
        difference = whole
        if before is not None and isinstance(whole, Observation):
            difference = difference_of(self.kinds[entry.kind], before, whole)
        self.log.append(Change(self.number, entry.anchor, whole, difference))
        self.changed()
