"""How much the roots of a school's shares hold, counted in the database, and where in a root a record lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from bridge.core.model import Side
from bridge.ports import chunks
from bridge.state.canonical import decode
from bridge.state.database import Database
from bridge.state.roots import WAITS, roots_of
from bridge.state.tables import conflict, link, observation, reference, token, trouble
from bridge.state.transaction import BATCH

#: A tree deeper than this is broken.
_DEPTH = 400


@dataclass(slots=True)
class RootCounts:
    """One root. ``records``: (side, kind) -> what is there; ``rules``: rule -> what is held or waits by it.

    ``read``: the sides that were read to their end at least once.
    """

    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    read: set[Side] = field(default_factory=set)

    @property
    def waits(self) -> int:
        """What waits by itself: a file that is open."""
        return sum(number for rule, number in self.rules.items() if rule.startswith(WAITS))

    @property
    def held(self) -> int:
        """What a person has to look at."""
        return self.rules.total() - self.waits


def counted(database: Database, code: str) -> Mapping[str, RootCounts]:
    """Root's code -> its counts, for all roots of a school that the state knows."""
    found: dict[str, RootCounts] = {}
    with database.read() as connection:
        for some in chunks(roots_of(connection, code), BATCH):
            _count(connection, some, found)
    return found


def _count(connection: Connection, codes: Sequence[str], found: dict[str, RootCounts]) -> None:
    seen = observation.c
    groups = (seen.school, seen.side, seen.kind)
    mine = seen.school.in_(codes) & seen.gone.is_(None)
    for row in connection.execute(select(*groups, func.count()).where(mine).group_by(*groups)):
        found.setdefault(row[0], RootCounts()).records[row[1], row[2]] = row[3]
    rules = (trouble.c.school, trouble.c.rule)
    held = select(*rules, func.count()).where(trouble.c.school.in_(codes))
    for row in connection.execute(held.group_by(*rules)):
        found.setdefault(row[0], RootCounts()).rules[row[1]] = row[2]
    both = conflict.c.school.in_(codes) & conflict.c.resolved.is_(None)
    for row in connection.execute(select(conflict.c.school, func.count()).where(both).group_by(conflict.c.school)):
        found.setdefault(row[0], RootCounts()).conflicts = row[1]
    columns = (token.c.school, token.c.side, token.c.listing)
    whole = token.c.school.in_(codes) & token.c.value.is_not(None)
    for row in connection.execute(select(*columns).where(whole)):
        if not row.listing:
            found.setdefault(row.school, RootCounts()).read.add(Side(row.side))


def path_of(database: Database, code: str, of: str) -> str:
    """Where the object of a link lies in its root, as it was seen last: ``Deutsch/Aufsatz.odt``; empty if unknown.

    The school's spelling counts; the cloud's is taken for what is not at the school.
    """
    with database.read() as connection:
        ends = connection.execute(
            select(link.c.school_anchor, link.c.cloud_anchor).where(link.c.school == code, link.c.id == of)
        ).first()
        for side, start in zip(Side, ends or (), strict=False):
            names: list[str] = []
            anchor: str | None = start
            while anchor is not None and len(names) < _DEPTH:
                here = (observation.c.school == code) & (observation.c.side == side) & (observation.c.anchor == anchor)
                row = connection.execute(select(observation.c.fields).where(here)).first()
                if row is None:
                    break
                names.append(str(decode(row.fields).get("name") or ""))
                above = (reference.c.school == code) & (reference.c.side == side) & (reference.c.anchor == anchor)
                anchor = connection.execute(
                    select(reference.c.target).where(above, reference.c.field == "parent")
                ).scalar()
            if names:
                return "/".join(reversed(names))
    return ""
