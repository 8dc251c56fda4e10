"""The difference between what should be and what is, as operations; ``order`` puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bridge.core.kinds import Kind, equal
from bridge.core.merge import to_write
from bridge.core.model import Action, Evidence, Fields, Link, Operation, Side
from bridge.core.policy import Policy
from bridge.core.settle import Desired

#: Link id -> whether it has a living endpoint on a side.
Anchored = Callable[[str, Side], bool]


def role_of(link: Link, kind: Kind) -> str:
    """The role that thresholds and periods go by, from whichever side knows it."""
    for fields in (link.school.record and link.school.record.fields, link.cloud.record and link.cloud.record.fields):
        if fields and kind.role and fields.get(kind.role):
            return str(fields[kind.role])
    remembered = (link.agreed or {}).get(kind.role or "")
    return str(remembered or "")


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
                operations.append(operation_for(desired, side, Action.UPDATE, before=before, after=changed))
        else:
            operations.append(_revive_or_create(desired, side))
    if kind.keys:
        # Who is made at the school is marked in the cloud before: after a crash in between the mark finds him.
        operations.sort(key=lambda operation: operation.action is Action.CREATE)
    finished = [_with_requirements(operation, kind, anchored) for operation in operations]
    if finished:
        return finished
    agreed = link.agreed
    same = agreed is not None and all(
        equal(column, agreed.get(column.name), desired.agree.get(column.name)) for column in kind.compared
    )
    if same and link.retired_at is None:
        return []
    return [operation_for(desired, Side.SCHOOL, Action.AGREE)]


def _revive_or_create(desired: Desired, side: Side) -> Operation:
    link, kind = desired.link, desired.kind
    end = link.end(side)
    derived = {column.name for column in kind.fields if column.derived and side is Side.SCHOOL}
    values = {name: value for name, value in desired.wanted[side].items() if name not in derived}
    if end.anchor is not None and end.gone is Evidence.DELETED:
        # What was deleted comes back as it was: fields that are empty now have to be emptied.
        return operation_for(desired, side, Action.RESTORE, after=values)
    wanted = {name: value for name, value in values.items() if value not in (None, "", frozenset())}
    source = link.end(side.other).record
    bases = {
        column.name: (column.assigned_from, source.fields.get(column.assigned_from) if source else None)
        for column in kind.fields
        if column.assigned_from and column.where.value == side.value
    }
    # Assigned columns carry their base here; the engine turns it into a name that nobody ever had.
    named = {name: base for name, (_, base) in bases.items()}
    # Where somebody is placed at the school may depend on the login in the cloud: the base itself goes along.
    along: Fields = dict(bases.values()) if side is Side.SCHOOL else {kind.claim: True} if kind.claim else {}
    return operation_for(desired, side, Action.CREATE, after={**wanted, **named, **along})


def operation_for(
    desired: Desired,
    side: Side,
    action: Action,
    *,
    before: Fields = {},  # noqa: B006
    after: Fields = {},  # noqa: B006
) -> Operation:
    """One step of a link on a side, with what is agreed once it is done."""
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
