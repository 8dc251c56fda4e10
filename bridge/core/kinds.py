"""The kind table: everything that reconcile knows about users, groups, folders and files.

One flat row a kind. Where reconcile would want to ask ``if kind == ...``, a column is missing here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.core.model import Action, Value


class Shape(StrEnum):
    """How the values of a field look and are compared."""

    TEXT = "text"
    FLAG = "flag"
    NUMBER = "number"
    TIME = "time"
    TEXTS = "texts"  # a set of strings
    REF = "ref"  # one reference to another record
    REFS = "refs"  # a set of references
    CONTENT = "content"  # a Digest


class Authority(StrEnum):
    """Whose value counts."""

    SCHOOL = "school"
    CLOUD = "cloud"
    BOTH = "both"  # three-way merge; both changed is a conflict
    NEWEST = "newest"  # three-way merge; of two changes the one that was seen later


class Where(StrEnum):
    """On which side a field exists at all."""

    BOTH = "both"
    SCHOOL = "school"
    CLOUD = "cloud"


class OnConflict(StrEnum):
    """What happens when both sides changed a field that both own."""

    SCHOOL_WINS = "school_wins"
    KEEP_BOTH = "keep_both"


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a kind.

    ``once``: written when the record is created, never compared afterwards. ``flatten``: references to records that
    carry the same field are followed (nested groups). ``assigned_from``: the field of the other side that a unique name
    is made of, once, by the naming rule. ``rename``: a change counts as a rename for the guard.
    ``fold``: compared ignoring case. ``shared``: set elements on which the two sides never agreed are left alone
    (a licence given by hand, a co-owner added in Teams). ``derived``: what the school shows follows from its rules;
    nothing is ever written there.
    """

    name: str
    shape: Shape = Shape.TEXT
    authority: Authority = Authority.SCHOOL
    where: Where = Where.BOTH
    once: bool = False
    flatten: bool = False
    assigned_from: str | None = None
    rename: bool = False
    fold: bool = False
    shared: bool = False
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the kind table.

    ``rank`` orders creations (low first) and retirements (high first). ``keys`` are the fields that correlate, the
    first by itself, the others only as a proposal for a person; a kind with a ``parent`` correlates by its place in the
    tree instead. ``existence``: which side decides that a record
    exists. ``parent`` and ``name`` place a record in a tree. ``switch`` is the flag that disabling turns off.
    ``retire`` are the steps of a retirement, each after the policy's period. ``role`` is the field that thresholds
    and periods go by. ``consent`` is the flag without which nothing may be created in the cloud, ``claim`` the one
    without which nothing may be created at the school: it says that a record of the cloud belongs to this school.
    """

    name: str
    rank: int
    fields: tuple[Field, ...]
    keys: tuple[str, ...]
    existence: Authority = Authority.SCHOOL
    parent: str | None = None
    label: str = "display_name"
    switch: str | None = None
    retire: tuple[Action, ...] = (Action.DELETE,)
    on_conflict: OnConflict = OnConflict.SCHOOL_WINS
    content: str | None = None
    role: str | None = None
    consent: str | None = None
    claim: str | None = None
    references: tuple[Field, ...] = dataclasses.field(init=False, repr=False, compare=False)
    """Columns that refer to other records."""
    compared: tuple[Field, ...] = dataclasses.field(init=False, repr=False, compare=False)
    """Columns that exist on both sides."""

    def __post_init__(self) -> None:
        # Asked for several times for every record: they are worked out once.
        object.__setattr__(self, "references", self.shaped(Shape.REF, Shape.REFS))
        object.__setattr__(self, "compared", tuple(column for column in self.fields if column.where is Where.BOTH))

    def field(self, name: str) -> Field:
        """The column ``name``; KeyError when the kind has none."""
        for column in self.fields:
            if column.name == name:
                return column
        raise KeyError(f"kind {self.name} has no field {name}")

    def shaped(self, *shapes: Shape) -> tuple[Field, ...]:
        """All columns of the given shapes."""
        return tuple(column for column in self.fields if column.shape in shapes)

    def with_fields(self, *extra: Field) -> Kind:
        """The same kind with more columns: the attributes that a school's YAML adds by allow-list."""
        known = {column.name for column in self.fields}
        return replace(self, fields=self.fields + tuple(column for column in extra if column.name not in known))


def equal(column: Field, one: Value, two: Value) -> bool:
    """Whether two values of a column are the same; an empty string or set is the same as none."""
    if one == two:
        return True
    if column.fold and isinstance(one, str) and isinstance(two, str):
        return one.casefold() == two.casefold()
    return (one if one not in ("", frozenset()) else None) == (two if two not in ("", frozenset()) else None)


USER = Kind(
    name="user",
    rank=10,
    keys=("source_anchor", "upn"),
    switch="enabled",
    retire=(Action.DISABLE, Action.DELETE, Action.PURGE),
    role="role",
    consent="consent",
    claim="belongs",
    fields=(
        Field("source_anchor", once=True),
        Field("display_name", rename=True),
        Field("given_name", rename=True),
        Field("surname", rename=True),
        Field("enabled", Shape.FLAG),
        Field("role", where=Where.SCHOOL),
        Field("consent", Shape.FLAG, where=Where.SCHOOL),
        Field("belongs", Shape.FLAG, where=Where.CLOUD),
        Field("login", where=Where.SCHOOL, assigned_from="upn", fold=True),
        Field("sid", where=Where.SCHOOL),
        Field("upn_base", where=Where.SCHOOL),
        Field("upn", authority=Authority.CLOUD, where=Where.CLOUD, assigned_from="upn_base", fold=True),
        Field("usage_location", derived=True),
        Field("licenses", Shape.TEXTS, shared=True, derived=True),
        Field("school_password_set", Shape.TIME, where=Where.SCHOOL),
        Field("cloud_password_set", Shape.TIME, authority=Authority.CLOUD, where=Where.CLOUD),
    ),
)

GROUP = Kind(
    name="group",
    rank=20,
    keys=("source_anchor", "mail_nickname"),
    retire=(Action.DELETE, Action.PURGE),
    role="role",
    claim="belongs",
    fields=(
        Field("source_anchor", once=True),
        Field("display_name", rename=True),
        Field("description"),
        Field("role", where=Where.SCHOOL),
        Field("belongs", Shape.FLAG, where=Where.CLOUD),
        Field("unified", Shape.FLAG, once=True, derived=True),
        Field("login", where=Where.SCHOOL, assigned_from="mail_nickname", fold=True),
        Field("nickname_base", where=Where.SCHOOL),
        Field("sid", where=Where.SCHOOL),
        Field("mail_nickname", authority=Authority.CLOUD, where=Where.CLOUD, assigned_from="nickname_base", fold=True),
        Field("owners", Shape.REFS, shared=True, derived=True),
        Field("members", Shape.REFS, flatten=True),
    ),
)

FOLDER = Kind(
    name="folder",
    rank=30,
    keys=(),
    existence=Authority.BOTH,
    parent="parent",
    label="name",
    on_conflict=OnConflict.SCHOOL_WINS,
    fields=(
        Field("parent", Shape.REF, Authority.BOTH),
        Field("name", authority=Authority.BOTH, rename=True),
    ),
)

FILE = Kind(
    name="file",
    rank=40,
    keys=(),
    existence=Authority.BOTH,
    parent="parent",
    label="name",
    on_conflict=OnConflict.KEEP_BOTH,
    content="content",
    fields=(
        Field("parent", Shape.REF, Authority.BOTH),
        Field("name", authority=Authority.BOTH, rename=True),
        Field("content", Shape.CONTENT, Authority.BOTH),
        Field("modified", Shape.TIME, Authority.BOTH),
    ),
)

#: The table. Configuration may add columns to a row (``Kind.with_fields``), never rows.
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (USER, GROUP, FOLDER, FILE)}
