"""Write in the cloud what a school year wants of groups that are nobody's any more: the names of archived ones.

1. the journal says what is about to be sent,  2. the connector writes.  Nothing is recorded: the next observation sees
it, and doing it again finds less to do. What a roster wants at the school is carried out by ``roster``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.core.model import Operation
from bridge.core.year_wanted import Wanted
from bridge.engine.bridged import Bridged
from bridge.ports import Failed, Write, chunks


@dataclass(slots=True)
class Carried:
    """What came of it: how many were written, and what failed and why."""

    written: int = 0
    failed: list[str] = field(default_factory=list)


async def carry_out(bridged: Bridged, wanted: Sequence[Wanted], *, cycle: str) -> Carried:
    """Update groups of one side by their anchors, where the stage and the connector let it be written."""
    carried = Carried()
    allowed = [one for one in wanted if one.side in bridged.policy.writable]
    if len(allowed) < len(wanted):
        carried.failed.append(f"{bridged.code}: stage {bridged.policy.stage} writes nothing there; nothing was done")
    for side in sorted({one.side for one in allowed}):
        capabilities = bridged.connectors[side].capabilities
        mine = [one for one in allowed if one.side is side]
        able = [one for one in mine if one.action in capabilities.writes.get(one.kind, frozenset())]
        carried.failed += [
            f"{bridged.code}: the {side} can't {one.action} {one.kind} records" for one in mine if one not in able
        ]
        for chunk in chunks(able, capabilities.chunk):
            await _written(bridged, chunk, carried, cycle)
    return carried


async def _written(bridged: Bridged, chunk: Sequence[Wanted], carried: Carried, cycle: str) -> None:
    by_id = {one.key: one for one in chunk}
    steps = [_operation(one) for one in chunk]
    await bridged.remember(bridged.store.intend, steps, cycle=cycle, now=bridged.clock())
    writes = [Write(id=one.key, kind=one.kind, action=one.action, anchor=one.anchor, fields=one.after) for one in chunk]
    async for outcome in bridged.connectors[chunk[0].side].apply(writes):
        if isinstance(outcome, Failed):
            carried.failed.append(f"{bridged.code}: {by_id[outcome.id].kind} {outcome.id}: {outcome.message}")
        else:
            carried.written += 1


def _operation(one: Wanted) -> Operation:
    return Operation(
        link=one.key, kind=one.kind, side=one.side, action=one.action, anchor=one.anchor, before=one.before,
        after=one.after, reason=f"school year: {one.reason}",
    )  # fmt: skip
