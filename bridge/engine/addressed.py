"""From link space to the anchors of the side that is written, and back: what of an operation can be sent, and was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.core.kinds import Shape
from bridge.core.model import Elements, Fields, Operation, Side, Value
from bridge.engine.bridged import Bridged
from bridge.ports import Source, Write, Written

#: Link -> anchors of its living ends.
Anchors = Mapping[str, tuple[str | None, str | None]]


def referred(bridged: Bridged, chunk: Sequence[Operation]) -> set[str]:
    referred: set[str] = set()
    for one in chunk:
        for column in bridged.kinds[one.kind].references:
            for value in (one.after.get(column.name), one.before.get(column.name)):
                referred |= value if isinstance(value, frozenset) else {value} if isinstance(value, str) else set()
    return {link for link in referred if link}


def _anchor(anchors: Anchors, link: str, side: Side) -> str | None:
    school, cloud = anchors.get(link, (None, None))
    return school if side is Side.SCHOOL else cloud


def resolved(bridged: Bridged, operation: Operation, anchors: Anchors) -> Operation | None:
    """Leave out references that can't be written yet, from the agreement too; None when its parent is missing."""
    after, agree = dict(operation.after), dict(operation.agree)
    for column in bridged.kinds[operation.kind].references:
        value = after.get(column.name)
        if column.shape is Shape.REF and isinstance(value, str) and _anchor(anchors, value, operation.side) is None:
            return None
        if isinstance(value, frozenset):
            old = operation.before.get(column.name)
            kept = old if isinstance(old, frozenset) else frozenset()
            missing = frozenset(link for link in value - kept if _anchor(anchors, link, operation.side) is None)
            after[column.name] = value - missing
            agreed = agree.get(column.name)
            if agree:  # where nothing is agreed on yet, nothing is
                agree[column.name] = (agreed if isinstance(agreed, frozenset) else frozenset()) - missing
    if after == operation.after and agree == operation.agree:
        return operation
    return replace(operation, after=after, agree=agree)


def as_write(bridged: Bridged, operation: Operation, anchors: Anchors, *, content: Source | None) -> Write:
    kind = bridged.kinds[operation.kind]
    fields: dict[str, Value] = {}
    added: dict[str, frozenset[str]] = {}
    removed: dict[str, frozenset[str]] = {}
    references = {column.name: column for column in kind.references}
    for name, value in operation.after.items():
        column = references.get(name)
        if column is None:
            fields[name] = value
        elif column.shape is Shape.REF:
            fields[name] = _anchor(anchors, str(value), operation.side) if value else None
        else:
            old, new = _elements(operation.before, name), _elements(operation.after, name)
            added[name] = _all(anchors, new - old, operation.side)
            removed[name] = _all(anchors, old - new, operation.side)
    key = (operation.agree.get(kind.keys[0]) or operation.after.get(kind.keys[0])) if kind.keys else None
    return Write(
        id=operation.link,
        kind=operation.kind,
        action=operation.action,
        anchor=operation.anchor,
        fields=fields,
        added={name: anchors_ for name, anchors_ in added.items() if anchors_},
        removed={name: anchors_ for name, anchors_ in removed.items() if anchors_},
        expected=operation.expected,
        key=str(key or ""),
        content=content,
        pause=bridged.awaited,
    )


def _elements(fields: Fields, name: str) -> frozenset[str]:
    value = fields.get(name)
    return value if isinstance(value, frozenset) else frozenset()


def _all(anchors: Anchors, links: frozenset[str], side: Side) -> frozenset[str]:
    return frozenset(anchor for anchor in (_anchor(anchors, link, side) for link in links) if anchor is not None)


def less_refused(operation: Operation, written: Written, anchors: Anchors) -> Operation:
    """What was really agreed: without what the side refused or did not know."""
    if not written.refused and not written.unknown:
        return operation
    after, agree = dict(operation.after), dict(operation.agree)
    for name in written.refused:
        after.pop(name, None)
        agree.pop(name, None)
    back = {_anchor(anchors, link, operation.side): link for link in anchors} if written.unknown else {}
    for name, unknown in _links(written.unknown, back).items():
        for fields in (after, agree):
            value = fields.get(name)
            if isinstance(value, frozenset):
                fields[name] = value - unknown
    return replace(operation, after=after, agree=agree)


def _links(elements: Elements, back: Mapping[str | None, str]) -> dict[str, frozenset[str]]:
    return {name: frozenset(back[one] for one in anchors if one in back) for name, anchors in elements.items()}
