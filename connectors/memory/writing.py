"""A write to a memory side, refused or taken as a real side would."""

from __future__ import annotations

from bridge.core.kinds import Shape
from bridge.core.model import Action, Elements, Value
from bridge.ports import Failed, Outcome, Write, Written
from connectors.memory.faults import Faults
from connectors.memory.fields import combined, elements
from connectors.memory.side import MemorySide, Rejected


def carry_out(side: MemorySide, write: Write, faults: Faults) -> Outcome:
    """Carry out one write; what the side refuses comes back as Failed or in ``Written.refused``."""
    for name in (write.anchor, write.key):
        if name and name in faults.failing:
            return Failed(write.id, *faults.failing[name])
    if write.anchor and faults.strikes("stale"):
        return Failed(write.id, "stale", f"{write.anchor} was changed by somebody else meanwhile", transient=True)
    try:
        return _written(side, write, faults)
    except Rejected as refusal:
        return Failed(write.id, refusal.cause, str(refusal), transient=refusal.cause == "stale")


def _written(side: MemorySide, write: Write, faults: Faults) -> Written:
    adopted = None
    if write.action is Action.CREATE and write.key:
        adopted = side.named(write.kind, side.kinds[write.kind].keys[0], write.key)
    anchor = adopted or write.anchor or ""
    entry = side.entries.get(anchor)
    _expect(side, write, anchor)
    added, unknown = _known(side, write)
    values = combined(write.fields, added, write.removed, entry.fields if entry else {})
    refused = _refuse(side, write, values, faults)
    if write.action is Action.DELETE:
        side.delete(anchor)
    elif write.action is Action.RESTORE:
        side.restore(anchor, values)
    elif write.action is Action.CREATE and not adopted:
        anchor = side.create(write.kind, values)
    else:
        if write.action is Action.DISABLE:
            values[side.kinds[write.kind].switch or ""] = False
        side.change(anchor, values)
    return Written(write.id, anchor, str(side.entries[anchor].version), refused, unknown, bool(adopted))


def _expect(side: MemorySide, write: Write, anchor: str) -> None:
    record = side.record(anchor)
    if record is None or not write.expected or write.action in {Action.CREATE, Action.RESTORE}:
        return
    if record.version != write.expected:
        raise Rejected("stale", f"{anchor} has version {record.version}; expected was {write.expected}")


def _known(side: MemorySide, write: Write) -> tuple[dict[str, frozenset[str]], Elements]:
    """What of ``added`` the side knows, and what it doesn't."""
    references = {column.name for column in side.kinds[write.kind].shaped(Shape.REFS)}
    known: dict[str, frozenset[str]] = {}
    unknown: dict[str, frozenset[str]] = {}
    for name, wanted in write.added.items():
        there = frozenset(one for one in wanted if name not in references or side.record(one) is not None)
        known[name] = there
        if wanted - there:
            unknown[name] = wanted - there
    return known, unknown


def _refuse(side: MemorySide, write: Write, values: dict[str, Value], faults: Faults) -> dict[str, str]:
    """Take out of ``values`` what the side refuses, and say why."""
    refused: dict[str, str] = {}
    for name in list(values):
        reason = faults.refused.get((write.kind, name))
        if reason:
            refused[name] = reason
            del values[name]
    wanted = elements(values.get("licenses"))
    for licence in sorted(wanted & faults.licences.keys()):
        users = [one for one in side.records("user") if licence in elements(one.fields.get("licenses"))]
        held = any(one.anchor == write.anchor for one in users)
        if not held and len(users) >= faults.licences[licence]:
            values["licenses"] = elements(values["licenses"]) - {licence}
            refused["licenses"] = f"no {licence} left of {faults.licences[licence]}; buy more or free some"
    return refused
