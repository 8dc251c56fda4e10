"""All schools as they are now, read so cheaply that many may ask often.

glance   a handful of questions for all schools together: which of them changed?
again    only a school that changed, or was not looked at for a while, is counted anew
views    made of the counts and of what the daemon tells; one that is equal to the last keeps being the same object

Everything here runs in a thread, one survey at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
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
#: What is told of a school as before is not drawn anew so long: only its ages grow.
_DRAWN = timedelta(seconds=5)
#: Schools counted in one survey of those that follow each other closely: the rest follows with the next ones.
_AT_ONCE = 4


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
    """One school, as it was counted at a time; ``marked``: its glance then."""

    seen: Seen
    counted: datetime
    marked: Glance
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
    #: What the daemon told last of itself as a whole: every school's health stands on it, too.
    _whole: Mapping[str, Any] = field(default_factory=dict)

    def store(self, school: School) -> SchoolStore:
        """The memory of a school's people, for reading."""
        known = self._stores.get(school.code)
        if known is None or known[0] != school:
            known = self._stores[school.code] = (school, self.bridge.database.school(school.code, school.kinds()))
        return known[1]

    def look(self, before: Survey | None, *, forget: Collection[str] = ()) -> Survey:
        """See all schools; those of ``forget`` are counted anew in any case."""
        bridge = self.bridge
        settings, now, told = bridge.settings(), bridge.clock(), nameless(bridge.told())
        glances = glance(bridge.database, [one.code for one in settings.schools])
        old = before.shots if before else {}
        shots: dict[str, Shot] = {}
        seen = {
            one.code: Seen(settings, one, told, now, glance=glances.get(one.code, Glance())) for one in settings.schools
        }
        whole = {name: what for name, what in (told or {}).items() if name != "schools"}
        quiet, self._whole = whole == self._whole, whole
        due = _due(seen, old, now - before.at if before else _OLD) | set(forget)
        for code, one in seen.items():
            last = old.get(code)
            still = quiet and last is not None and code not in due and _still(one, last.seen)
            shots[code] = last if still and last else self._shot(one, last, again=code in due)
        rows = tuple(one.row for one in shots.values())
        if before is not None and len(rows) == len(before.rows) and all(map(_same, rows, before.rows)):
            rows = before.rows
        return Survey(now, shots, rows)

    def _shot(self, seen: Seen, last: Shot | None, *, again: bool) -> Shot:
        if last is None or again:
            seen, counted, marked = self._counted(seen), seen.now, seen.glance
        else:
            was, counted, marked = last.seen, last.counted, last.marked
            seen = replace(seen, found=was.found, gates=was.gates, events=was.events)
        fresh = row(seen)
        page = view(seen, fresh)
        if last is not None:
            fresh, page = (last.row if fresh == last.row else fresh), (last.view if page == last.view else page)
        return Shot(seen, counted, marked, fresh, page)

    def _counted(self, seen: Seen) -> Seen:
        database, school = self.bridge.database, seen.school
        found = remembered(database, self.store(school)) if seen.glance.stage else Remembered()
        events = standings.event_views(database, school, seen.stage, seen.now)
        return replace(seen, found=found, events=events, gates=standings.failed(events, seen.stage))


def _due(seen: Mapping[str, Seen], old: Mapping[str, Shot], since: timedelta) -> set[str]:
    """Schools to be counted anew: a few, those first that wait longest; more where nobody looked ``since`` long."""
    waiting: list[tuple[datetime, str]] = []
    at_once: set[str] = set()
    for code, one in seen.items():
        last = old.get(code)
        if last is None or last.seen.school != one.school or last.seen.glance.stage != one.glance.stage:
            at_once.add(code)
        elif one.now - last.counted >= (_OLD if last.marked == one.glance else _SOON):
            waiting.append((last.counted, code))
    most = max(_AT_ONCE, math.ceil(len(seen) * (since / _OLD)))
    return {code for _, code in sorted(waiting)[:most]} | at_once


def _still(one: Seen, last: Seen) -> bool:
    """Whether a school is, and is told of, as it was seconds ago."""
    same = one.settings is last.settings and one.glance == last.glance and one.mine == last.mine
    return same and one.now - last.now < _DRAWN


def _same(one: object, other: object) -> bool:
    return one is other
