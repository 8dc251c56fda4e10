"""Soundness of the whole tree after merging, not record by record.

1. A folder that a living child needs is kept or made again: an edit beats a delete, upwards.
2. Parent cycles (each side moved one folder into the other) are broken in favour of the school's tree.
3. Names that clash when case or Unicode form is ignored get a number.

Kinds without a parent pass through untouched.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from bridge.core.kinds import Kind
from bridge.core.merge import named_as_agreed
from bridge.core.model import Conflict, Drift, Fields, Link, Side, Value


@dataclass(frozen=True, slots=True)
class Desired:
    """What should become of one link: ``exists`` on both sides looking like ``wanted``, or retired on both."""

    link: Link
    kind: Kind
    exists: bool
    wanted: Mapping[Side, Fields] = field(default_factory=dict)
    agree: Fields = field(default_factory=dict)
    reason: str = ""
    conflicts: tuple[Conflict, ...] = ()
    keep_both: Side | None = None
    drifts: tuple[Drift, ...] = ()

    def get(self, name: str) -> Value:
        """The agreed value of a field."""
        return self.agree.get(name)

    def having(self, **fields: Value) -> Desired:
        """The same with other values, for both sides and the agreement."""
        wanted = {side: {**values, **fields} for side, values in self.wanted.items()}
        return replace(self, wanted=wanted, agree={**self.agree, **fields})


def folded(name: Value) -> str:
    """A name as file systems that ignore case and Unicode form compare it."""
    return unicodedata.normalize("NFC", str(name or "")).casefold()


def settle(desired: Mapping[str, Desired]) -> dict[str, Desired]:
    """Settle a set of links that holds, for each link of a tree kind, its whole neighbourhood (parents, siblings)."""
    settled = dict(desired)
    _keep_needed_parents(settled)
    _break_cycles(settled)
    _number_clashes(settled)
    return settled


def _parent(one: Desired) -> str | None:
    value = one.get(one.kind.parent) if one.kind.parent else None
    return value if isinstance(value, str) and value else None


def _keep_needed_parents(desired: dict[str, Desired]) -> None:
    for one in list(desired.values()):
        current = one
        while current.exists and (parent := desired.get(_parent(current) or "")) is not None and not parent.exists:
            current = desired[parent.link.id] = _revived(parent)


def _revived(one: Desired) -> Desired:
    end = one.link.school.record or one.link.cloud.record
    fields = named_as_agreed(one.link, one.kind, end.fields) if end else one.link.agreed or {}
    kept = {column.name: fields.get(column.name) for column in one.kind.fields}
    both = {Side.SCHOOL: kept, Side.CLOUD: kept}
    return replace(one, exists=True, wanted=both, agree=kept, reason="kept: something in it lives")


def _break_cycles(desired: dict[str, Desired]) -> None:
    for start in sorted(desired):
        cycle = _cycle_from(start, desired)
        while cycle:
            moved = False
            for link in sorted(cycle):
                one = desired[link]
                record = one.link.school.record
                column = one.kind.parent or ""
                if record is not None and record.fields.get(column) != one.get(column):
                    desired[link] = one.having(**{column: record.fields.get(column)})
                    moved = True
            if not moved:
                # The school's own tree has no cycle, so this is a broken observation: one of them goes to the root.
                one = desired[min(cycle)]
                desired[min(cycle)] = one.having(**{one.kind.parent or "": None})
            cycle = _cycle_from(start, desired)


def _cycle_from(start: str, desired: Mapping[str, Desired]) -> list[str]:
    path: list[str] = []
    seen: set[str] = set()
    current: str | None = start
    while current is not None and current in desired and desired[current].exists:
        if current in seen:
            return path[path.index(current) :]
        seen.add(current)
        path.append(current)
        current = _parent(desired[current])
    return []


def places(one: Desired) -> list[tuple[Side, Value, str]]:
    """Where a link's records stand now: side, parent, folded name. Empty for kinds that stand in no tree."""
    if not one.kind.parent:
        return []
    records = [(side, one.link.end(side).record) for side in Side]
    return [
        (side, record.fields.get(one.kind.parent), folded(record.fields.get(one.kind.label)))
        for side, record in records
        if record is not None
    ]


def _number_clashes(desired: dict[str, Desired]) -> None:
    wanted: dict[tuple[Value, str], list[str]] = {}
    for link, one in desired.items():
        if one.exists and one.kind.parent:
            wanted.setdefault((_parent(one), folded(one.get(one.kind.label))), []).append(link)
    # A new name must be free at once on both sides, so that it never has to wait for another renaming.
    taken: set[tuple[Value, str]] = set(wanted)
    taken |= {(parent, name) for one in desired.values() for _, parent, name in places(one)}
    for place, links in sorted(wanted.items(), key=lambda entry: (str(entry[0][0]), entry[0][1])):
        for link in sorted(links, key=lambda one: _seniority(desired[one]))[1:]:
            one = desired[link]
            name = free_name(str(one.get(one.kind.label)), place[0], taken)
            taken.add((place[0], folded(name)))
            desired[link] = one.having(**{one.kind.label: name})


def _seniority(one: Desired) -> tuple[bool, bool, str]:
    agreed = one.link.agreed or {}
    stays = agreed.get(one.kind.label) == one.get(one.kind.label) and agreed.get(one.kind.parent or "") == _parent(one)
    return (not stays, one.link.school.record is None, one.link.id)


def free_name(name: str, parent: Value, taken: Collection[tuple[Value, str]]) -> str:
    """The name with the lowest number, from 2, that is not taken in a folder; ``taken`` holds (parent, folded name)."""
    path = PurePosixPath(name)
    number = 2
    while (parent, folded(f"{path.stem} ({number}){path.suffix}")) in taken:
        number += 1
    return f"{path.stem} ({number}){path.suffix}"
