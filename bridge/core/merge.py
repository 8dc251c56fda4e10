"""What a link should look like, field by field, from what both sides have and what they last agreed on.

| owner | school | cloud | agreed | value |
|---|---|---|---|---|
| school | s | any | any | s |
| cloud | any | c | any | c |
| both | s | c = agreed | c | s |
| both | s = agreed | c | s | c |
| both | s | s | any | s |
| both | s | c | other | conflict: the kind's rule |
| newest | s | c | other | the one that was seen to change later |

Where one side owns a field and the other's value was changed, that is a drift: put right, or held for a person, who may
take the value, have it put right, or hand the field over.

Sets that both own merge element by element; in a set that one side owns, ``shared`` columns leave alone what was never
agreed on, and all leave alone whom the owner does not know. What is ``derived`` at the school goes from there or
nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bridge.core.kinds import Authority, Field, Kind, OnConflict, Shape, equal
from bridge.core.model import Choice, Conflict, Drift, Fields, Link, Side, Value
from bridge.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome for one link.

    ``wanted`` holds per side what its record should look like (they differ in shared sets only), ``agree`` what is
    agreed on once both look so. ``keep_both`` names the side whose version of the content has to be kept beside.
    """

    wanted: Mapping[Side, Fields]
    agree: Fields
    conflicts: tuple[Conflict, ...] = ()
    keep_both: Side | None = None
    drifts: tuple[Drift, ...] = ()


_NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Draft:
    school: dict[str, Value] = field(default_factory=dict)
    cloud: dict[str, Value] = field(default_factory=dict)
    agree: dict[str, Value] = field(default_factory=dict)


def was_agreed(column: Field, agreed: Fields) -> bool:
    """Whether an agreement covers a column. Places are always covered: no parent is the root, and may not be stored."""
    return column.name in agreed or column.shape is Shape.REF


def transit_name(link: str) -> str:
    """How the name begins that a record bears for a moment while names are swapped; no change of a person.

    Connectors must show it as any other name: hidden, it would look deleted to whoever looks after a crash.
    """
    return f"schoolbridge-moving-{link}-"


def merge(
    link: Link, kind: Kind, policy: Policy, known: Callable[[str, Side], bool] = lambda link, side: True
) -> Merged:
    """Merge a link of which both records are there; ``known`` tells whether a link has an endpoint on a side.

    Members whom the owner of a set does not know are not his to remove: a guest added in Teams stays, and so does a
    pupil who vanished from the school, until the account itself is deleted. A wave of vanished people that the guard
    holds back must not empty the classes behind its back.
    """
    if link.school.record is None or link.cloud.record is None:
        raise ValueError(f"link {link.id} has no two records to merge")
    school, cloud = (named_as_agreed(link, kind, end.record.fields) for end in (link.school, link.cloud) if end.record)
    draft, conflicts, drifts, keep = _Draft(), [], list[Drift](), None
    for column in kind.compared:
        agreed_before = link.agreed is not None and was_agreed(column, link.agreed)
        agreed = link.agreed.get(column.name) if link.agreed is not None else None
        s, c = school.get(column.name), cloud.get(column.name)
        if column.once:
            value = s if s not in (None, "") else c
            _put(draft, column.name, value if s in (None, "") else s, value if c in (None, "") else c, value)
            continue
        owner = owner_of(link, kind, column, policy)
        if column.derived and owner is not Authority.SCHOOL:
            _put(draft, column.name, s, c, c)
            continue
        if column.shape in (Shape.REFS, Shape.TEXTS):
            absent = {
                side: frozenset(one for one in _set(s) | _set(c) if not known(one, side))
                if column.shape is Shape.REFS
                else _NOBODY
                for side in Side
            }
            owner = Authority.BOTH if owner is Authority.NEWEST else owner
            _merge_set(draft, column, owner, (_set(s), _set(c), _set(agreed)), absent)
            continue
        decided = link.decided.get(column.name)
        if decided is not None and decided.choice is Choice.TAKE:
            _put(draft, column.name, decided.value, decided.value, decided.value)
            continue
        if owner is Authority.NEWEST:
            owner = _newest(link, column, (s, c, agreed)) if agreed_before else Authority.SCHOOL
        value, clash = _merge_value(column, owner, (s, c, agreed), agreed_before)
        if agreed_before and (drift := _drift(link, kind, column, owner, (s, c, agreed))) is not None:
            drifts.append(replace(drift, held=policy.holds_drift(kind, column) and decided is None))
            if drifts[-1].held:
                _put(draft, column.name, s, c, agreed)
                continue
        if clash:
            conflicts.append(Conflict(link.id, kind.name, column.name, s, c, Side.SCHOOL))
            if column.name == kind.content and kind.on_conflict is OnConflict.KEEP_BOTH:
                keep = Side.CLOUD
        _put(draft, column.name, value, value, value)
    if kind.content:
        _times_follow(draft, kind, school, cloud, link.agreed or {})
    wanted = {Side.SCHOOL: draft.school, Side.CLOUD: draft.cloud}
    return Merged(wanted, draft.agree, tuple(conflicts), keep, tuple(drifts))


def owner_of(link: Link, kind: Kind, column: Field, policy: Policy) -> Authority:
    """Whose value of a field counts for this very object."""
    handed = link.owners.get(column.name)
    return Authority(handed.value) if handed is not None else policy.owner(kind, column)


def _newest(link: Link, column: Field, values: tuple[Value, Value, Value]) -> Authority:
    """The side that changed a value; of both the one where it was seen later, where nobody knows the school."""
    for side, value in zip((Authority.CLOUD, Authority.SCHOOL), values[:2], strict=True):
        if equal(column, value, values[2]):
            return side
    school, cloud = link.school.changed_at, link.cloud.changed_at
    later = cloud is not None and (school is None or cloud > school)
    return Authority.CLOUD if later else Authority.SCHOOL


def _drift(link: Link, kind: Kind, column: Field, owner: Authority, values: tuple[Value, Value, Value]) -> Drift | None:
    """The change of a value on the side that does not own it; where both own it, the change that loses."""
    school, cloud, agreed = values
    if kind.content is not None or kind.parent is not None or equal(column, school, cloud):
        return None
    side = Side.SCHOOL if owner is Authority.CLOUD else Side.CLOUD
    found, wanted = (school, cloud) if side is Side.SCHOOL else (cloud, school)
    if equal(column, found, agreed) or (owner is Authority.BOTH and equal(column, wanted, agreed)):
        return None
    return Drift(link.id, kind.name, column.name, side, found, wanted)


def _merge_value(
    column: Field, owner: Authority, values: tuple[Value, Value, Value], agreed_before: bool
) -> tuple[Value, bool]:
    school, cloud, agreed = values
    if equal(column, school, cloud):
        return school, False
    if owner is Authority.SCHOOL:
        return school, False
    if owner is Authority.CLOUD:
        return cloud, False
    if agreed_before and equal(column, school, agreed):
        return cloud, False
    if agreed_before and equal(column, cloud, agreed):
        return school, False
    if column.shape is Shape.TIME:
        # A difference alone is no conflict. The later one is the later change.
        return max(school, cloud, key=lambda value: (value is not None, str(value))), False
    return school, True


def to_write(kind: Kind, wanted: Fields, found: Fields) -> dict[str, Value]:
    """The values that a side has to be told so that it looks as wanted."""
    changed = {
        column.name: wanted.get(column.name)
        for column in kind.compared
        if not equal(column, wanted.get(column.name), found.get(column.name))
    }
    if kind.content in changed:
        # The time goes with the content also where it is the same: a side sets its own time otherwise.
        times = {column.name: wanted.get(column.name) for column in kind.shaped(Shape.TIME)}
        changed |= {name: value for name, value in times.items() if value is not None}
    return changed


def _times_follow(draft: _Draft, kind: Kind, school: Fields, cloud: Fields, agreed: Fields) -> None:
    """The time of a file goes where its content goes, and nowhere by itself.

    A time that is written alone is a version of its own in SharePoint and counts against the quota: touching 10,000
    files must not make 10,000 versions. So each side keeps its time until the content changes.
    """
    content = kind.field(kind.content or "")
    to_school = not equal(content, draft.school[content.name], school.get(content.name))
    to_cloud = not equal(content, draft.cloud[content.name], cloud.get(content.name))
    for column in kind.shaped(Shape.TIME):
        s, c = school.get(column.name), cloud.get(column.name)
        if to_school or to_cloud:
            value = c if to_school else s
            _put(draft, column.name, value, value, value)
        else:
            _put(draft, column.name, s, c, agreed.get(column.name, draft.agree[column.name]))


def _merge_set(
    draft: _Draft,
    column: Field,
    owner: Authority,
    values: tuple[frozenset[str], frozenset[str], frozenset[str]],
    absent: Mapping[Side, frozenset[str]],
) -> None:
    school, cloud, agreed = values
    if owner is Authority.BOTH:
        removed = (agreed - school - absent[Side.SCHOOL]) | (agreed - cloud - absent[Side.CLOUD])
        both = (agreed | school | cloud) - removed
        _put(draft, column.name, both, both, both)
    elif owner is Authority.SCHOOL:
        kept = cloud & absent[Side.SCHOOL]
        extra = kept | (cloud - agreed) if column.shared else kept
        _put(draft, column.name, school, school | extra, school | (kept & agreed))
    else:
        kept = school & absent[Side.CLOUD]
        extra = kept | (school - agreed) if column.shared else kept
        _put(draft, column.name, cloud | extra, cloud, cloud | (kept & agreed))


def _put(draft: _Draft, name: str, school: Value, cloud: Value, agree: Value) -> None:
    draft.school[name], draft.cloud[name], draft.agree[name] = school, cloud, agree


def _set(value: Value) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


def named_as_agreed(link: Link, kind: Kind, fields: Fields) -> Fields:
    """The fields of a record; a transit name, left by the step before or by a crash, is read as the agreed one."""
    if not kind.parent or link.agreed is None or kind.label not in link.agreed:
        return fields
    if not str(fields.get(kind.label)).startswith(transit_name(link.id)):
        return fields
    return {**fields, kind.label: link.agreed.get(kind.label)}
