"""What is wrong now, in words that may leave the school: kinds, sides, names of shares, sorts of rules, and counts.

verdicts  the health of every school (``health``, ``status``), its causes by their kind; never by their text
held      what waits for a person, by the sort of its rule
runs      cutovers that are held up, and schools that are frozen for more than half of the time they may be
whole     what concerns the bridge as a whole is said once, not once for each school
follows   what follows from a worse cause is not said beside it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from bridge.core.cutover import Stage
from bridge.core.notices import Concern, Severity
from bridge.daemon.health import Cause, Colour, judge, overdue
from bridge.daemon.status import Remembered, remembered
from bridge.settings import School, Settings
from bridge.state.appointments import Going, going, stray
from bridge.state.database import Database
from bridge.state.roots import WAITS

#: Causes of the bridge as a whole.
_WHOLE = frozenset({"daemon", "configuration", "telling"})
#: Cause -> what follows from it.
_FOLLOWS: Mapping[str, frozenset[str]] = {
    "error": frozenset({"late", "stuck", "stopped", "absent"}),
    "stuck": frozenset({"late"}),
}
#: Sorts of rules that hold something; any other one is called ``other``.
HELD = ("guard", "correlate", "failed", "refused", "year", "stage", "capability", "restored")
#: Each school is counted at every so many looks.
_EACH = 5
_SEVERITY = {Colour.AMBER: Severity.WARNING, Colour.RED: Severity.CRITICAL}


class Watch:
    """Keeps what the state says of each school: counting it takes a while, so each look counts some of them anew."""

    def __init__(self) -> None:
        self._memories: dict[str, Remembered] = {}
        self._looks = 0

    def concerns(
        self, settings: Settings, database: Database, tree: Mapping[str, Any] | None, now: datetime
    ) -> list[Concern]:
        """Everything that is wrong. ``tree``: what the daemon tells of itself."""
        self._recount(settings, database)
        found: dict[tuple[str, str, str], Concern] = {}
        mine = {one.code for one in settings.schools} - standing_by(tree)
        for school in (one for one in settings.schools if one.code in mine):
            for one in _told_once(_of(school, self._memories.get(school.code), tree, now)):
                found.setdefault(one.name, one)
        runs = [_run(one, now) for one in going(database) if one.school in mine]
        found |= {one.name: one for some in runs for one in some}
        for lost in stray(database, {one.code for one in settings.schools}):
            one = Concern("", "appointment", Severity.WARNING, min(lost.made, now), subject=lost.school)
            found.setdefault(one.name, one)
        return list(found.values())

    def _recount(self, settings: Settings, database: Database) -> None:
        self._looks += 1
        known = set(database.schools()) & {one.code for one in settings.schools}
        self._memories = {code: one for code, one in self._memories.items() if code in known}
        for place, school in enumerate(settings.schools):
            turn = (place + self._looks) % _EACH == 0 or school.code not in self._memories
            if school.code in known and turn:
                store = database.school(school.code, school.kinds())
                self._memories[school.code] = remembered(database, store)


def standing_by(tree: Mapping[str, Any] | None) -> frozenset[str]:
    """Schools that another daemon looks after, and tells of."""
    schools = (tree or {}).get("schools", {})
    return frozenset(code for code, row in schools.items() if row.get("standby"))


def _of(school: School, memory: Remembered | None, tree: Mapping[str, Any] | None, now: datetime) -> Iterator[Concern]:
    for cause in judge(tree, school.code, now).causes:
        if cause.colour is Colour.GREEN:
            continue
        yield _from(school.code, cause, now)
    if memory is not None:
        yield from _remembered(school.code, memory, now)


def _from(code: str, cause: Cause, now: datetime) -> Concern:
    whose = "" if cause.kind in _WHOLE else code
    since = min(cause.since or now, now)
    return Concern(whose, cause.kind, _SEVERITY[cause.colour], since, subject=cause.subject, count=cause.count)


def _remembered(code: str, memory: Remembered, now: datetime) -> Iterator[Concern]:
    sorts: dict[str, tuple[int, datetime]] = {}
    for group in memory.groups:
        if group.rule == "consent" or group.rule.startswith(WAITS):
            continue
        sort = group.rule.partition(":")[0]
        sort = sort if sort in HELD else "other"
        number, since = sorts.get(sort, (0, group.since))
        sorts[sort] = number + group.count, min(since, group.since)
    for sort, (number, since) in sorts.items():
        yield Concern(code, "held", Severity.WARNING, min(since, now), subject=sort, count=number)
    for side in sorted({side for side, _ in memory.warnings}):
        number = sum(of == side for of, _ in memory.warnings)
        yield Concern(code, "warns", Severity.WARNING, now, subject=side, count=number)
    for side, number in memory.doubts.items():
        yield Concern(code, "doubts", Severity.WARNING, now, subject=side, count=number)
    if memory.owed and overdue(memory.owed_since, now):
        yield Concern(code, "authority", Severity.WARNING, min(memory.owed_since or now, now), count=memory.owed)
    if memory.orphans:
        yield Concern(code, "orphans", Severity.WARNING, now, count=memory.orphans)


def _run(run: Going, now: datetime) -> list[Concern]:
    """A cutover that is held up, and a school that is read-only for long: nobody there can work."""
    frozen = run.stage is Stage.FREEZING
    found = []
    if run.held_up:
        severity = Severity.CRITICAL if frozen else Severity.WARNING
        found.append(Concern(run.school, "run", severity, run.started))
    if frozen and now - run.started > (run.deadline - run.started) / 2:
        found.append(Concern(run.school, "frozen", Severity.CRITICAL, run.started))
    return found


def _told_once(found: Iterable[Concern]) -> list[Concern]:
    """Without what follows from something else at the same school."""
    everything = list(found)
    covered = {(one.school, kind) for one in everything for kind in _FOLLOWS.get(one.kind, ())}
    return [one for one in everything if (one.school, one.kind) not in covered]
