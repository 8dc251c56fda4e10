"""Fields of a memory side: what is empty, what differs, what a write makes of them."""

from __future__ import annotations

from bridge.core.kinds import Kind, Shape
from bridge.core.model import Elements, Fields, Value
from bridge.ports import Observation


def filled(fields: Fields) -> dict[str, Value]:
    """Without empty fields: an empty field is no field, as in AD and Graph."""
    return {name: value for name, value in fields.items() if value not in (None, "", frozenset())}


def difference_of(kind: Kind, before: Fields, now: Observation) -> Observation:
    """What changed of an object, set fields element by element."""
    fields: dict[str, Value] = {}
    added: dict[str, frozenset[str]] = {}
    removed: dict[str, frozenset[str]] = {}
    sets = {column.name for column in kind.shaped(Shape.REFS, Shape.TEXTS)}
    for name in before.keys() | now.fields.keys():
        old, new = before.get(name), now.fields.get(name)
        if name in sets:
            gained, lost = elements(new) - elements(old), elements(old) - elements(new)
            added |= {name: gained} if gained else {}
            removed |= {name: lost} if lost else {}
        elif old != new:
            fields[name] = new
    return Observation(
        now.kind, now.anchor, now.version, fields, whole=False, added=added, removed=removed, in_scope=now.in_scope
    )


def elements(value: Value) -> frozenset[str]:
    """The elements of a set field; none when it is empty."""
    return value if isinstance(value, frozenset) else frozenset()


def combined(fields: Fields, added: Elements, removed: Elements, before: Fields) -> dict[str, Value]:
    """The new values of a write: plain fields as given, set fields by element."""
    values = dict(fields)
    for name in added.keys() | removed.keys():
        values[name] = (elements(before.get(name)) | added.get(name, frozenset())) - removed.get(name, frozenset())
    return values
