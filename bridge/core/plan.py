"""The difference between what should be and what is, as ordered operations.

Creations and changes come first, parents before children; then what retires, children before parents. A name that is
still taken on its side is freed first: by deleting a file that goes anyway, else by a transit name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from bridge.core.kinds import Authority, Kind, Where, equal
from bridge.core.merge import to_write, transit_name
from bridge.core.model import GONE, Action, Evidence, Fields, Link, Operation, Side
from bridge.core.policy import Policy
from bridge.core.settle import Desired, folded, places

#: Link id -> whether it has a living endpoint on a side.
Anchored = Callable[[str, Side], bool]


def role_of(link: Link, kind: Kind) -> str:
    """The role that thresholds and periods go by, from whichever side knows it."""
    for fields in (link.school.record and link.school.record.fields, link.cloud.record and link.cloud.record.fields):
        if fields and kind.role and fields.get(kind.role):
            return str(fields[kind.role])
    remembered = (link.agreed or {}).get(kind.role or "")
    return str(remembered or "")


@dataclass(frozen=True, slots=True)
class Step:
    """What a retirement asks for now, and when to look again."""

    operations: tuple[Operation, ...]
    again: datetime | None = None


def writes_for(desired: Desired, policy: Policy, anchored: Anchored) -> list[Operation]:
    """The operations that make both sides of a living link look as wanted; an AGREE when they do already."""
    link, kind = desired.link, desired.kind
    operations: list[Operation] = []
    for side in Side:
        end = link.end(side)
        wanted = desired.wanted[side]
        if end.record is not None:
            changed = to_write(kind, wanted, end.record.fields)
            if changed:
                before = {name: end.record.fields.get(name) for name in changed}
                operations.append(_operation(desired, side, Action.UPDATE, before=before, after=changed))
        else:
            operations.append(_revive_or_create(desired, side))
    finished = [_with_requirements(operation, kind, anchored) for operation in operations]
    if finished:
        return finished
    agreed = link.agreed
    same = agreed is not None and all(
        equal(column, agreed.get(column.name), desired.agree.get(column.name)) for column in kind.compared
    )
    if same and link.retired_at is None:
        return []
    return [_operation(desired, Side.SCHOOL, Action.AGREE)]


def _revive_or_create(desired: Desired, side: Side) -> Operation:
    link, kind = desired.link, desired.kind
    end = link.end(side)
    if end.anchor is not None and end.gone is Evidence.DELETED:
        # What was deleted comes back as it was: fields that are empty now have to be emptied.
        return _operation(desired, side, Action.RESTORE, after=desired.wanted[side])
    wanted = {name: value for name, value in desired.wanted[side].items() if value not in (None, "", frozenset())}
    source = link.end(side.other).record
    bases = {
        column.name: source.fields.get(column.assigned_from) if source else None
        for column in kind.fields
        if column.assigned_from and column.where is not Where.SCHOOL and side is Side.CLOUD
    }
    # Assigned columns carry their base here; the engine turns it into a name that nobody ever had.
    return _operation(desired, side, Action.CREATE, after={**wanted, **bases})


def _operation(desired: Desired, side: Side, action: Action, *, before: Fields = {}, after: Fields = {}) -> Operation:  # noqa: B006
    link, kind = desired.link, desired.kind
    end = link.end(side)
    role = role_of(link, kind)
    # The role exists at the school only: it is agreed too, so that it is still known when the school's record is gone.
    remembered = {kind.role: role} if kind.role else {}
    return Operation(
        link=link.id,
        kind=link.kind,
        side=side,
        action=action,
        anchor=None if action is Action.CREATE else end.anchor,
        before=before,
        after=after,
        agree={**desired.agree, **remembered},
        expected=end.record.version if end.record else "",
        reason=desired.reason,
        role=role,
    )


def references_of(kind: Kind, fields: Fields) -> frozenset[str]:
    """All links that a record's fields refer to."""
    found: set[str] = set()
    for column in kind.references:
        value = fields.get(column.name)
        if isinstance(value, frozenset):
            found |= value
        elif isinstance(value, str) and value:
            found.add(value)
    return frozenset(found)


def _with_requirements(operation: Operation, kind: Kind, anchored: Anchored) -> Operation:
    needed = references_of(kind, operation.after) - references_of(kind, operation.before)
    missing = frozenset(link for link in needed if not anchored(link, operation.side))
    return replace(operation, requires=missing) if missing else operation


def retirement(link: Link, kind: Kind, policy: Policy, now: datetime, reason: str) -> Step:
    """The next step of a retirement on the side that is left: turn the switch off, start the period, delete."""
    side = Side.CLOUD if link.cloud.record is not None else Side.SCHOOL
    end = link.end(side)
    record = end.record
    if record is None:
        return Step(())
    role = role_of(link, kind)
    base = Operation(
        link=link.id, kind=kind.name, side=side, action=Action.RETIRE, anchor=end.anchor, agree=link.agreed or {},
        expected=record.version, reason=reason, role=role, evidence=link.end(side.other).gone,
    )  # fmt: skip
    since = link.retired_at or now
    operations: list[Operation] = []
    again: datetime | None = None
    for action, period in zip(kind.retire, policy.period(kind, role), strict=True):
        if now < since + period:
            again = since + period
            break
        if action is Action.DISABLE and kind.switch:
            if record.fields.get(kind.switch) is not False:
                change = {"before": {kind.switch: True}, "after": {kind.switch: False}}
                base = replace(base, agree={**(link.agreed or {}), kind.switch: False})
                operations.append(replace(base, action=action, **change))  # type: ignore[arg-type]
            continue
        # Where both sides decide, a record that somebody brings back after this is as good as a new one.
        both = policy.existence(kind) is Authority.BOTH
        return Step((*operations, replace(base, action=action, agree=GONE if both else base.agree)))
    if link.retired_at is None:
        operations.append(base)
    return Step(tuple(operations), again)


def possible(operations: Sequence[Operation], agreed: Mapping[str, Fields | None]) -> list[Operation]:
    """The plan without additions of what has no endpoint and gets none by this plan: nobody is added who isn't there.

    An update of which nothing remains is left out, or becomes an AGREE. Whoever gets an endpoint later touches the
    links that refer to him, so nothing is forgotten.
    """
    made = {(one.side, one.link) for one in operations if one.action in {Action.CREATE, Action.RESTORE}}
    result: list[Operation] = []
    for operation in operations:
        absent = frozenset(link for link in operation.requires if (operation.side, link) not in made)
        after, agree = dict(operation.after), dict(operation.agree)
        for name, value in operation.after.items():
            if isinstance(value, frozenset) and value & absent:
                old = operation.before.get(name)
                after[name] = value - (absent - old if isinstance(old, frozenset) else absent)
                agreed_on = agree.get(name)
                agree[name] = agreed_on - absent if isinstance(agreed_on, frozenset) else agreed_on
                if after[name] == (old or frozenset()):
                    del after[name]
        if after or not operation.after or operation.action is not Action.UPDATE:
            same = after == operation.after and agree == operation.agree
            result.append(operation if same else replace(operation, after=after, agree=agree))
        elif _filled(agree) != _filled(agreed.get(operation.link) or {}):
            result.append(replace(operation, action=Action.AGREE, before={}, after={}, agree=agree))
    return result


def _filled(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value not in (None, "", frozenset())}


def ordered(
    operations: Sequence[Operation], desired: Mapping[str, Desired], kinds: Mapping[str, Kind]
) -> list[Operation]:
    """Order a plan so that it can be carried out from first to last."""

    def depth(operation: Operation) -> int:
        one, steps = desired.get(operation.link), 0
        while one is not None and one.kind.parent and steps <= len(desired):
            parent = one.get(one.kind.parent)
            one, steps = desired.get(str(parent)) if parent else None, steps + 1
        return steps

    def removal_depth(operation: Operation) -> int:
        # What retires is gone from the desired tree: its depth is that of the side that still has it.
        one, steps = desired.get(operation.link), 0
        while one is not None and one.kind.parent and steps <= len(desired):
            record = one.link.end(operation.side).record
            parent = record.fields.get(one.kind.parent) if record else None
            one, steps = desired.get(str(parent)) if parent else None, steps + 1
        return steps

    removals = {Action.DISABLE, Action.DELETE, Action.RETIRE}
    builds = [operation for operation in operations if operation.action not in removals]
    ends = [operation for operation in operations if operation.action in removals]
    order = {action: place for place, action in enumerate((Action.DISABLE, Action.DELETE, Action.RETIRE))}
    builds.sort(key=lambda one: (kinds[one.kind].parent is not None, depth(one), kinds[one.kind].rank, one.link))
    ends.sort(key=lambda one: (-removal_depth(one), -kinds[one.kind].rank, one.link, order[one.action]))
    return _agreed_stepwise(_names_freed(builds, desired, kinds, ends), desired)


def _agreed_stepwise(plan: Sequence[Operation], desired: Mapping[str, Desired]) -> list[Operation]:
    """Until the last of a link's writes is done, not all that is wanted is agreed."""
    result: list[Operation] = []
    seen: set[str] = set()
    for operation in reversed(plan):
        builds = operation.action in {Action.CREATE, Action.UPDATE, Action.RESTORE}
        last = operation.link not in seen
        seen.add(operation.link)
        result.append(operation if last or not builds else _agreed_so_far(operation, desired[operation.link]))
    return result[::-1]


def _agreed_so_far(operation: Operation, desired: Desired) -> Operation:
    """With what both sides agree on when only this one of the link's writes is done; empty: there is no agreement."""
    link, kind = desired.link, desired.kind
    before = link.agreed or {}
    other = link.end(operation.side.other).record
    if other is None or link.end(operation.side).record is None:
        return replace(operation, agree=before)
    wanted = desired.wanted[operation.side.other]
    reached = {
        column.name for column in kind.compared if equal(column, wanted.get(column.name), other.fields.get(column.name))
    }
    kept = {name: value for name, value in before.items() if name not in reached}
    now = {name: value for name, value in operation.agree.items() if name in reached or name == kind.role}
    return replace(operation, agree={**kept, **now})


def _names_freed(
    builds: list[Operation], desired: Mapping[str, Desired], kinds: Mapping[str, Kind], ends: list[Operation]
) -> list[Operation]:
    """Insert what frees a name before it is wanted: a file that goes anyway, a renaming that is due anyway, a swap."""
    occupied = {place: link for link, one in desired.items() for place in places(one)}
    waiting = {(one.side, one.link): one for one in ends if one.action is Action.DELETE}
    moving = {(one.side, one.link): one for one in builds if one.action is Action.UPDATE}
    result: list[Operation] = []
    emitted: set[int] = set()

    def free(holder: str, side: Side, chain: tuple[Operation, ...]) -> None:
        end, move = waiting.get((side, holder)), moving.get((side, holder))
        if end is not None and kinds[end.kind].content:
            result.append(waiting.pop((side, holder)))
        elif move is not None and move not in chain and desired[holder].kind.parent not in move.after:
            emit(move, chain)
        elif end is not None or move is not None:
            result.append(_transit(desired[holder], side, {name for _, _, name in occupied}))

    def emit(operation: Operation, chain: tuple[Operation, ...]) -> None:
        if id(operation) in emitted:
            return
        kind = kinds[operation.kind]
        if kind.parent and (kind.label in operation.after or kind.parent in operation.after):
            one = desired[operation.link]
            place = (operation.side, one.get(kind.parent), folded(one.get(kind.label)))
            holder = occupied.get(place)
            if holder is not None and holder != operation.link:
                free(holder, operation.side, (*chain, operation))
            occupied[place] = operation.link
        moving.pop((operation.side, operation.link), None)
        emitted.add(id(operation))
        result.append(operation)

    for operation in builds:
        emit(operation, ())
    freed = {(one.side, one.link) for one in result if one.action is Action.DELETE}
    return result + [one for one in ends if one.action is not Action.DELETE or (one.side, one.link) not in freed]


def _transit(one: Desired, side: Side, occupied: Collection[str]) -> Operation:
    record = one.link.end(side).record
    label = one.kind.label
    now = record.fields.get(label) if record else None
    # The ending stays, because people choose by it what is mirrored at all.
    name, ending = transit_name(one.link.id), PurePosixPath(str(now or "")).suffix
    while folded(name + ending) in occupied:
        name += "-"
    step = _operation(one, side, Action.UPDATE, before={label: now}, after={label: name + ending})
    return replace(step, agree=one.link.agreed or {}, reason="frees its name for another")
