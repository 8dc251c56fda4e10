"""All schools as they are now, read so cheaply that many may ask often.

glance   a handful of questions for all schools together: which of them changed?
again    only a school that changed, or was not looked at for a while, is counted anew
views    made of the counts and of what the daemon tells; one that is equal to the last keeps being the same object

Everything here runs in a thread, one survey at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from bridge.api import models, standings
from bridge.api.nameless import nameless
from bridge.api.views import Seen, row, view
from bridge.daemon.catalog import Catalog
from bridge.daemon.status import Remembered, remembered
from bridge.settings import School, Settings
from bridge.state.database import Database
from bridge.state.glance import Glance, glance
from bridge.state.store import SchoolStore

#: A school without a change is counted anew after this: what depends on the time alone grows old.
_OLD = timedelta(seconds=30)
#: One that changes all the time is counted at most so often.
_SOON = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Bridge:
    """What the API stands on. ``told``: what the daemon tells of itself; ``wake``: (code, in full) -> did it hear?"""

    settings: Callable[[], Settings]
    catalog: Catalog
    database: Database
    told: Callable[[], Mapping[str, Any] | None]
    wake: Callable[[str, bool], bool]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Shot:
    """One school, as it was counted at a time."""

    seen: Seen
    counted: datetime
    row: models.SchoolRow
    view: models.SchoolView


@dataclass(frozen=True, slots=True)
class Survey:
    """All schools in the order of the configuration."""

    at: datetime
    shots: Mapping[str, Shot] = field(default_factory=dict)
    rows: tuple[models.SchoolRow, ...] = ()


@dataclass(slots=True)
class Surveyor:
    """Makes surveys; keeps the stores of the schools, because making one writes."""

    bridge: Bridge
    _stores: dict[str, tuple[School, SchoolStore]] = field(default_factory=dict)

    def store(self, school: School) -> SchoolStore:
        """The memory of a school's people, for reading."""
        known = self._stores.get(school.code)
        if known is None or known[0] != school:
            known = self._stores[school.code] = (school, self.bridge.database.school(school.code, school.kinds()))
        return known[1]

    def look(self, before: Survey | None, *, forget: frozenset[str] = frozenset()) -> Survey:
        """See all schools; those of ``forget`` are counted anew in any case."""
        bridge = self.bridge
        settings, now, told = bridge.settings(), bridge.clock(), nameless(bridge.told())
        glances = glance(bridge.database, [one.code for one in settings.schools])
        old = before.shots if before else {}
        shots: dict[str, Shot] = {}
        for school in settings.schools:
            last = old.get(school.code) if school.code not in forget else None
            seen = Seen(settings, school, told, now, glance=glances.get(school.code, Glance()))
            shots[school.code] = self._shot(seen, last)
        rows = tuple(one.row for one in shots.values())
        if before is not None and len(rows) == len(before.rows) and all(map(_same, rows, before.rows)):
            rows = before.rows
        return Survey(now, shots, rows)

    def _shot(self, seen: Seen, last: Shot | None) -> Shot:
        now = seen.now
        age = now - last.counted if last else _OLD
        same = last is not None and last.seen.glance == seen.glance and last.seen.school == seen.school
        if last is not None and age < (_OLD if same else _SOON):
            was = last.seen
            seen, counted = replace(seen, found=was.found, gates=was.gates, events=was.events), last.counted
        else:
            seen, counted = self._counted(seen), now
        fresh, page = row(seen), view(seen)
        if last is not None:
            fresh, page = (last.row if fresh == last.row else fresh), (last.view if page == last.view else page)
        return Shot(seen, counted, fresh, page)

    def _counted(self, seen: Seen) -> Seen:
        database, school = self.bridge.database, seen.school
        found = remembered(database, self.store(school)) if seen.glance.stage else Remembered()
        return replace(
            seen,
            found=found,
            gates=standings.failed(database, school, seen.stage, seen.now),
            events=standings.event_views(database, school, seen.stage, seen.now),
        )


def _same(one: object, other: object) -> bool:
    return one is other
