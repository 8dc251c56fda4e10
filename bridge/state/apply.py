"""A change of one observed record, and how changes are written: the difference only, many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, delete

from bridge.core.model import Side
from bridge.state.canonical import to_hex
from bridge.state.tables import key, observation, reference
from bridge.state.transaction import MINE, SIDE, Transaction

#: (field, target anchor)
Element = tuple[str, str]

_NO_REFERENCE = delete(reference).where(
    reference.c.school == MINE,
    reference.c.side == SIDE,
    reference.c.anchor == bindparam("of"),
    reference.c.field == bindparam("in_field"),
    reference.c.target == bindparam("to"),
)
_NO_KEY = delete(key).where(
    key.c.school == MINE, key.c.side == SIDE, key.c.anchor == bindparam("of"), key.c.name == bindparam("called")
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a record is now, and what of it differs from what was stored.

    ``real`` is False when only bookkeeping changes (version, doubt). ``presence``: it came, went or came back.
    ``flattened``: a set that others see through it changed.
    """

    anchor: str
    kind: str
    version: str
    fields: str
    refs: int
    role: str
    gone: str | None
    written_until: datetime | None = None
    doubt_until: datetime | None = None
    added: frozenset[Element] = frozenset()
    removed: frozenset[Element] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)
    old_keys: Mapping[str, str] = field(default_factory=dict)
    real: bool = True
    presence: bool = False
    flattened: bool = False
    changed_at: datetime | None = None
    """When a change that was not ours was seen last."""
    ours: bool = False
    """We wrote it: added references are protected from a lagging replica until ``written_until``."""


def write(tx: Transaction, side: Side, changes: Sequence[Change]) -> None:
    """Write changes of distinct records: one row each, and one for each reference and key that differs."""
    of = side.value  # sqlite3 looks for an adapter, row by row, where a text is not exactly a str
    tx.put(observation, (_row(of, change) for change in changes))
    _write_references(tx, of, changes)
    _write_keys(tx, of, changes)


def _row(side: str, change: Change) -> dict[str, object]:
    return {
        "side": side,
        "anchor": change.anchor,
        "kind": change.kind,
        "version": change.version,
        "fields": change.fields,
        "refs": to_hex(change.refs),
        "role": change.role,
        "gone": change.gone,
        "written_until": change.written_until,
        "doubt_until": change.doubt_until,
        "changed_at": change.changed_at,
    }


def _write_references(tx: Transaction, side: str, changes: Sequence[Change]) -> None:
    gone = ((change.anchor, name, target) for change in changes for name, target in sorted(change.removed))
    tx.each(_NO_REFERENCE, ({"of_side": side, "of": of, "in_field": name, "to": to} for of, name, to in gone))
    tx.add(
        reference,
        (
            {"side": side, "anchor": change.anchor, "field": name, "target": target}
            for change in changes
            for name, target in sorted(change.added)
            if not change.ours
        ),
    )
    tx.add(
        reference,
        (
            {"side": side, "anchor": c.anchor, "field": name, "target": target, "written_until": c.written_until}
            for c in changes
            for name, target in sorted(c.added)
            if c.ours
        ),
    )


def _write_keys(tx: Transaction, side: str, changes: Sequence[Change]) -> None:
    gone = ((change.anchor, name) for change in changes for name in change.old_keys if name not in change.keys)
    tx.each(_NO_KEY, ({"of_side": side, "of": of, "called": name} for of, name in gone))
    tx.put(
        key,
        (
            {"side": side, "anchor": change.anchor, "name": name, "kind": change.kind, "value": value}
            for change in changes
            for name, value in change.keys.items()
            if change.old_keys.get(name) != value
        ),
    )
