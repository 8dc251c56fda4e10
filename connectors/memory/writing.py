"""A write to a memory side, refused or taken as a real side would."""

from __future__ import annotations

from bridge.core.kinds import Shape
from bridge.core.model import Action, Digest, Elements, Value
from bridge.ports import Failed, Outcome, Write, Written
from connectors.memory.contents import quickxor, shown, stored
from connectors.memory.faults import Faults
from connectors.memory.fields import combined, elements
from connectors.memory.side import MemorySide, Rejected


def carry_out(side: MemorySide, write: Write, faults: Faults, body: bytes | None = None) -> Outcome:
    """Carry out one write with the bytes that came; what the side refuses is Failed or in ``Written.refused``."""
    for name in (write.anchor, write.key):
        if name and name in faults.failing:
            return Failed(write.id, *faults.failing[name])
    if write.anchor and faults.strikes("stale"):
        return Failed(write.id, "stale", f"{write.anchor} was changed by somebody else meanwhile", transient=True)
    if body is not None and faults.full is not None and len(body) > faults.full:
        return Failed(write.id, "quota", f"{write.anchor or write.id} needs {len(body)} bytes, {faults.full} are left")
    try:
        return _written(side, write, faults, body)
    except Rejected as refusal:
        return Failed(write.id, refusal.cause, str(refusal), transient=refusal.cause == "stale")


def forgotten(side: MemorySide, anchor: str, faults: Faults) -> Outcome:
    """Purge one object out of the recycle bin; what is there again is left alone."""
    if anchor in faults.failing:
        return Failed(anchor, *faults.failing[anchor])
    if side.record(anchor) is not None:
        return Failed(anchor, "stale", f"{anchor} was taken out of the recycle bin meanwhile", transient=True)
    side.purge(anchor)
    return Written(anchor, anchor, str(side.entries[anchor].version) if anchor in side.entries else "")


def _written(side: MemorySide, write: Write, faults: Faults, body: bytes | None) -> Written:
    adopted = None
    if write.action is Action.CREATE and write.key:
        adopted = side.named(write.kind, side.kinds[write.kind].keys[0], write.key)
    anchor = adopted or write.anchor or ""
    entry = side.entries.get(anchor)
    _expect(side, write, anchor)
    added, unknown = _known(side, write)
    values = combined(write.fields, added, write.removed, entry.fields if entry else {})
    refused = _refuse(side, write, values, faults)
    took = _take(side, write, values, faults, body)
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
    if took is not None:
        side.kept += [side.bodies[anchor]] if side.bodies.get(anchor, took) != took else []
        side.bodies[anchor] = took
    sent = quickxor(body) if body is not None else None
    now = values.get("content")
    return Written(
        write.id,
        anchor,
        str(side.entries[anchor].version),
        refused,
        unknown,
        bool(adopted),
        content=sent,
        shown=now if sent is not None and isinstance(now, Digest) and now != sent else None,
    )


def _take(side: MemorySide, write: Write, values: dict[str, Value], faults: Faults, body: bytes | None) -> bytes | None:
    """The bytes that the side is going to hold; ``values`` get what it shows for them."""
    if body is None:
        if write.content is not None:  # the recycle bin has them already
            values.pop("content", None)
        return None
    entry = side.entries.get(write.anchor or "")
    name = values.get("name") or (entry.fields.get("name") if entry else "")
    took = stored(faults, str(name), body)
    values["content"] = shown(side, took)
    return took


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
