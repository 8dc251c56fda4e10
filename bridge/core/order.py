"""The operations of a plan in the order in which they can be carried out.

Creations and changes come first: folders, parents before children, then files by ``urgency``; then what retires,
children before parents. A name that is still taken on its side is freed first: by deleting a file that goes anyway,
else by a transit name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from bridge.core.kinds import Kind, equal
from bridge.core.merge import transit_name
from bridge.core.model import Action, Operation, Side
from bridge.core.plan import operation_for
from bridge.core.settle import Desired, folded, places
from bridge.core.urgency import SMALL, by_urgency


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

    steps = (Action.DISABLE, Action.DELETE, Action.PURGE, Action.RETIRE)
    builds = [operation for operation in operations if not operation.action.removes]
    ends = [operation for operation in operations if operation.action.removes]
    order = {action: place for place, action in enumerate(steps)}
    builds, weights = by_urgency(builds, kinds)

    def place(operation: Operation) -> tuple[bool, bool, int, int, str, str]:
        kind = kinds[operation.kind]
        if kind.content is None:
            return kind.parent is not None, False, depth(operation), kind.rank, "", operation.link
        weight, side = weights[operation.link]
        return kind.parent is not None, True, weight, kind.rank, side, operation.link if weight < SMALL else ""

    builds.sort(key=place)
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
    restored: dict[int, Operation] = {}

    def free(holder: str, side: Side, chain: tuple[Operation, ...]) -> None:
        end, move = waiting.get((side, holder)), moving.get((side, holder))
        if end is not None and kinds[end.kind].content:
            result.append(waiting.pop((side, holder)))
        elif move is not None and move not in chain and desired[holder].kind.parent not in move.after:
            emit(move, chain)
        elif end is not None or move is not None:
            step = _transit(desired[holder], side, {name for _, _, name in occupied})
            result.append(step)
            if move is not None:
                restored[id(move)] = _named_again(move, step, desired[holder])

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
        result.append(restored.get(id(operation), operation))

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
    step = operation_for(one, side, Action.UPDATE, before={label: now}, after={label: name + ending})
    return replace(step, agree=one.link.agreed or {}, reason="frees its name for another")


def _named_again(move: Operation, step: Operation, desired: Desired) -> Operation:
    """A move that kept the name has to write it, too, after the step that took it away."""
    label = desired.kind.label
    name = desired.wanted[move.side].get(label)
    return replace(move, before={**move.before, label: step.after[label]}, after={**move.after, label: name})
