"""The data every other module speaks of: records, links, operations.

A *record* is one object on one side; a *link* pairs a record at the school with its record in the cloud; an *agreement*
holds the fields on which both were last equal. In *link space* every reference (parent, members) names a link id
instead of an anchor, so that the two sides can be compared at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Side(StrEnum):
    """One of the two ends of a link."""

    SCHOOL = "school"
    CLOUD = "cloud"

    @property
    def other(self) -> Side:
        """The opposite end."""
        return Side.CLOUD if self is Side.SCHOOL else Side.SCHOOL


@dataclass(frozen=True, slots=True)
class Digest:
    """Stands for the bytes of a file: ``algorithm`` and hexadecimal ``value``, ``size`` in bytes."""

    algorithm: str
    value: str
    size: int


#: What a field may hold. References are anchors in a record as observed, link ids in link space.
Value = str | int | bool | None | frozenset[str] | Digest
Fields = Mapping[str, Value]
#: What is agreed on of an object that both sides lost, where either side may bring it back.
GONE: Fields = {"gone": True}
#: Elements of set fields, by field name.
Elements = Mapping[str, frozenset[str]]


class Evidence(StrEnum):
    """Why a record is believed to be gone. Only the first two are positive evidence of a deletion."""

    DELETED = "deleted"  # a tombstone or recycle bin entry was read; it can be restored
    PURGED = "purged"  # gone for good, said so by the side itself
    LEFT = "left"  # still exists, but outside the configured scope
    MISSING = "missing"  # not in a complete listing, and nothing says why


@dataclass(frozen=True, slots=True)
class Record:
    """One object on one side. ``anchor`` is unique on its side whatever the kind, and never changes.

    ``version`` changes whenever any field does; the empty string means that the side has no versions.
    """

    kind: str
    anchor: str
    version: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a link as last observed; ``record`` is in link space and None when nothing is there.

    ``anchor`` outlives the record, so that a restore finds it. ``foreign`` counts references per field to objects
    that are not linked (a guest added by hand): they are never touched. ``changed_at`` is when somebody's own change
    was last seen there.
    """

    anchor: str | None = None
    record: Record | None = None
    gone: Evidence | None = None
    foreign: Mapping[str, int] = field(default_factory=dict)
    changed_at: datetime | None = None


class Choice(StrEnum):
    """What a person decided of a value that was changed on the side that does not own it."""

    TAKE = "take"  # it counts, this once, on both sides
    REVERT = "revert"  # the owner's value is written over it
    HAND_OVER = "hand-over"  # this side owns the field of this object from now on


@dataclass(frozen=True, slots=True)
class Decided:
    """To take or revert what drifted in one field of a link: the value that was found, and on which side."""

    choice: Choice
    side: Side
    value: Value = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The last step of a retirement that was really done: what, when, and on which side. RETIRE: it only began."""

    step: Action
    at: datetime
    side: Side


@dataclass(frozen=True, slots=True)
class Link:
    """Both ends of one object and what they last agreed on.

    ``agreed`` is None before the first agreement. ``retired_at`` says since when the object is being retired, ``taken``
    how far that went. ``stopped`` are spans (from, until) in which a person holds every retirement, also future ones.
    ``attempts`` counts failed writes in a row. ``decided`` holds by field what a person chose where values drifted,
    ``owners`` whom fields of this very object were handed over to.
    """

    id: str
    kind: str
    school: Endpoint
    cloud: Endpoint
    agreed: Fields | None = None
    retired_at: datetime | None = None
    attempts: int = 0
    decided: Mapping[str, Decided] = field(default_factory=dict)
    owners: Mapping[str, Side] = field(default_factory=dict)
    taken: Taken | None = None
    stopped: tuple[tuple[datetime, datetime], ...] = ()

    def end(self, side: Side) -> Endpoint:
        """The endpoint on ``side``."""
        return self.school if side is Side.SCHOOL else self.cloud


class Action(StrEnum):
    """What an operation does to one side, or (the last three) to the agreement only."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    DELETE = "delete"  # soft delete: recycle bin, trash, limbo
    PURGE = "purge"  # for good, of what was soft-deleted by the bridge itself
    RESTORE = "restore"
    DETACH = "detach"  # rename the losing version of a conflict and let it become an object of its own
    AGREE = "agree"
    RETIRE = "retire"  # start the period after which the next retirement step is due
    FORGET = "forget"

    @property
    def writes(self) -> bool:
        """Whether a side is written at all."""
        return self not in {Action.AGREE, Action.RETIRE, Action.FORGET}

    @property
    def removes(self) -> bool:
        """Whether it is a step of a retirement."""
        return self in {Action.DISABLE, Action.DELETE, Action.PURGE, Action.RETIRE}


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a plan.

    ``before`` and ``after`` hold the fields that differ, in link space; ``agree`` is what both sides agree on once it
    is done. ``expected`` is the version read, a precondition of the write. ``requires`` are links that need an
    endpoint on ``side`` first. ``reason`` names the row or rule that asked for it, ``rule`` the period of a retirement
    that is over; both go into the journal.
    """

    link: str
    kind: str
    side: Side
    action: Action
    anchor: str | None = None
    before: Fields = field(default_factory=dict)
    after: Fields = field(default_factory=dict)
    agree: Fields = field(default_factory=dict)
    expected: str = ""
    requires: frozenset[str] = frozenset()
    reason: str = ""
    role: str = ""
    evidence: Evidence | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """An operation that is wanted but not allowed now, with the rule that holds it back."""

    operation: Operation
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Drift:
    """A value that was changed on ``side`` though the other one's counts: ``found`` there, where ``wanted`` should be.

    ``held``: it is left as it is until a person decides.
    """

    link: str
    kind: str
    field: str
    side: Side
    found: Value
    wanted: Value
    held: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides changed the same field; ``kept`` says which side's value stands."""

    link: str
    kind: str
    field: str
    school: Value
    cloud: Value
    kept: Side
