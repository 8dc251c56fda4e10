"""From rows to people and groups, as the kinds have them.

A person's anchor is the reference; a group's is its role and name ("class:5a"), since a file has no other.
The latter is only good inside one file: which group of last year it is, the school year finds out by its members.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from bridge.core.model import Record, Value
from connectors.roster.options import Options
from connectors.roster.reading import Mistake, Row, Sheet, refuse

_GROUPS = {"class": "class", "course": "course"}
#: Entra's employeeId and AD's employeeNumber hold no more than this without loss.
_LONGEST = 64


def records(options: Options, sheet: Sheet) -> list[Record]:
    """All people, then all groups, sorted; raises RosterError with every mistake in the rows."""
    refuse(options, list(_mistakes(sheet)))
    role = options.role if options.role != "auto" else "pupil" if "class" in sheet.columns else "teacher"
    active = {one.casefold() for one in options.active}
    people = [_person(row, role, active) for row in sheet.rows]
    return [*sorted(people, key=lambda one: one.anchor), *_groups(sheet)]


def _mistakes(sheet: Sheet) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for row in sheet.rows:
        for field, what in (("reference", "the reference"), ("given_name", "a name"), ("surname", "a name")):
            if not row.fields[field]:
                remedy = "Complete it in the school's program and export again"
                yield Mistake(row.line, sheet.columns[field], what, "nothing", remedy)
        reference = row.fields["reference"]
        column = sheet.columns["reference"]
        if len(reference) > _LONGEST or not reference.isprintable() or ":" in reference:
            yield Mistake(
                row.line, column, f"up to {_LONGEST} printable characters without a colon",
                f"{len(reference)} characters", "Check that this is the column of the reference",
            )  # fmt: skip
        if reference in first:
            remedy = f"Line {first[reference]} has it already; correct one of the two, or remove it"
            yield Mistake(row.line, column, "a reference of its own", f'"{reference}" again', remedy)
        first.setdefault(reference, row.line) if reference else None


def _person(row: Row, role: str, active: set[str]) -> Record:
    fields: dict[str, Value] = {
        "source_anchor": row.fields["reference"],
        "given_name": row.fields["given_name"],
        "surname": row.fields["surname"],
        "display_name": f"{row.fields['given_name']} {row.fields['surname']}",
        "enabled": "status" not in row.fields or row.fields["status"].casefold() in active,
        "role": role,
    }
    return _record("user", row.fields["reference"], fields)


def _groups(sheet: Sheet) -> Iterator[Record]:
    members: dict[tuple[str, str], set[str]] = {}
    for row in sheet.rows:
        for field, role in _GROUPS.items():
            for name in _names(row.fields.get(field, ""), sheet.between_groups):
                members.setdefault((role, name), set()).add(row.fields["reference"])
    for (role, name), inside in sorted(members.items()):
        anchor = f"{role}:{name}"
        fields: dict[str, Value] = {"source_anchor": anchor, "display_name": name, "role": role}
        yield _record("group", anchor, {**fields, "members": frozenset(inside)})


def _names(text: str, between: str) -> Iterable[str]:
    return dict.fromkeys(name for part in text.split(between) if (name := part.strip()))


def _record(kind: str, anchor: str, fields: dict[str, Value]) -> Record:
    written = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in fields.items()}
    version = hashlib.sha256(repr(sorted(written.items())).encode()).hexdigest()[:16]
    return Record(kind, anchor, version, fields)
