"""Carry out what a school year wants written: people before the groups that they are put into.

1. keys become anchors; who was just made is known from the answer,  2. the journal says what is about to be sent,
3. the connector writes.  Nothing is recorded: the next observation sees it, and doing it again finds less to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.model import Action, Operation, Side
from bridge.core.year_wanted import Wanted
from bridge.engine.bridged import Bridged
from bridge.ports import Failed, Write


@dataclass(slots=True)
class Carried:
    """What came of it: how many were written, by kind and action, and what failed and why."""

    written: int = 0
    failed: list[str] = field(default_factory=list)


async def carry_out(bridged: Bridged, wanted: Sequence[Wanted], *, anchors: Mapping[str, str], cycle: str) -> Carried:
    """Write to the sides that the stage lets be written; ``anchors``: source anchor of a person -> anchor there."""
    carried = Carried()
    known = dict(anchors)
    allowed = [one for one in wanted if one.side in bridged.policy.writable]
    if len(allowed) < len(wanted):
        carried.failed.append(f"{bridged.code}: stage {bridged.policy.stage} writes nothing there; nothing was done")
    for side in Side:
        for kind in sorted({one.kind for one in allowed}, key=lambda name: bridged.kinds[name].rank):
            chunk = [one for one in allowed if (one.side, one.kind) == (side, kind)]
            size = bridged.connectors[side].capabilities.chunk
            for start in range(0, len(chunk), size):
                await _written(bridged, chunk[start : start + size], side, known, carried, cycle)
    return carried


async def _written(
    bridged: Bridged, chunk: Sequence[Wanted], side: Side, known: dict[str, str], carried: Carried, cycle: str
) -> None:
    able = bridged.connectors[side].capabilities.writes
    for one in chunk:
        if one.action not in able.get(one.kind, frozenset()):
            carried.failed.append(f"{bridged.code}: the {side} can't {one.action} {one.kind} records")
    ready = [one for one in chunk if one.action in able.get(one.kind, frozenset())]
    if not ready:
        return
    by_id = {one.key: one for one in ready}
    steps = [_operation(one) for one in ready]
    await bridged.remember(bridged.store.intend, steps, cycle=cycle, now=bridged.clock())
    async for outcome in bridged.connectors[side].apply([_write(one, known) for one in ready]):
        if isinstance(outcome, Failed):
            carried.failed.append(f"{bridged.code}: {by_id[outcome.id].kind} {outcome.id}: {outcome.message}")
            continue
        carried.written += 1
        if by_id[outcome.id].kind == "user":
            known[outcome.id] = outcome.anchor


def _operation(one: Wanted) -> Operation:
    return Operation(
        link=one.key, kind=one.kind, side=one.side, action=one.action, anchor=one.anchor, before=one.before,
        after=one.after, reason=f"school year: {one.reason}",
    )  # fmt: skip


def _write(one: Wanted, known: Mapping[str, str]) -> Write:
    added, removed = _anchors(one.added, known), _anchors(one.removed, known)
    return Write(
        id=one.key,
        kind=one.kind,
        action=one.action,
        anchor=one.anchor,
        fields=one.after,
        added={"members": added} if added else {},
        removed={"members": removed} if removed else {},
        key=one.key if one.action is Action.CREATE else "",
    )


def _anchors(keys: Iterable[str], known: Mapping[str, str]) -> frozenset[str]:
    return frozenset(known[key] for key in keys if key in known)
