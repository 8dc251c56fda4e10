"""The whole fleet at a moment, in memory: one row a school, made of what its site told and of what is true of the site.

look     what is new since the last look, in one transaction
judge    a site's causes only where something of it differs, or its silence grew into another colour
shots    a school that is as it was keeps being the same object: so little is written out, and little is told live
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.api.models import Cause, Colour, SchoolRow
from bridge.core.cutover import Stage
from bridge.hub.honest import EPOCHS_WITHIN, WORST, Asked, Site, anew, elsewhere, of_asked, of_site, silence_of, worst
from bridge.hub.told import MARGIN, Memory, Told
from bridge.settings.hub import HubFile
from bridge.settings.waves import placed
from bridge.state.database import Database

#: So often it is looked which schools are whose, and whether a school's row was missed or is gone.
_WHOLE = {"sites": timedelta(seconds=15), "schools": timedelta(minutes=10)}
UNREADABLE = "what the site {site} tells of this school can't be read here: update the hub (schoolbridge --version)"
UNTOLD = "the site {site} has told nothing of this school yet; on its machine: schoolbridge uplink show"


@dataclass(frozen=True, slots=True)
class Shot:
    """One school. ``told`` and ``causes`` are what a page is made of; ``row`` is its line on the board."""

    site: Site
    told: Told | None
    causes: tuple[Cause, ...]
    row: SchoolRow


@dataclass(frozen=True, slots=True)
class Sight:
    """All schools in the order of their codes, and all sites."""

    at: datetime
    shots: Mapping[str, Shot] = field(default_factory=dict)
    rows: tuple[SchoolRow, ...] = ()
    sites: Mapping[str, Site] = field(default_factory=dict)
    silent: Mapping[str, Colour] = field(default_factory=dict)
    asked: Sequence[Asked] = ()


class Fleet:
    """Looks at the tables. Everything runs in a thread, one look at a time. ``hub``: its configuration now."""

    def __init__(self, database: Database, hub: Callable[[], HubFile]) -> None:
        self._database, self._hub = database, hub
        self._memory = Memory(database.clock)
        self._last, self._known = dict[str, datetime](), hub()
        self._placed = placed(self._known.waves)
        self._silent: dict[str, Colour] = {}
        self._epochs: dict[str, deque[datetime]] = {}
        self._of_site: dict[str, tuple[Cause, ...]] = {}
        self._began: dict[str, int] = {}
        #: Which site a school has, in the order of the codes; and what that was made of.
        self._owner: dict[str, str] = {}
        self._had: dict[str, tuple[Sequence[str], bool]] = {}

    def look(self, before: Sight | None) -> Sight:
        """The fleet as it is now."""
        now, hub = self._database.clock(), self._hub()
        whole = {name: now - self._last.get(name, now - every) >= every for name, every in _WHOLE.items()}
        with self._database.read() as connection:
            self._memory.look(connection, before.at - MARGIN if before else None, **whole)
        self._last |= {name: now for name, due in whole.items() if due}
        if hub is not self._known:  # other limits, other waves
            self._known, self._placed = hub, placed(hub.waves)
            self._memory.sites_moved |= self._memory.sites.keys()
        moved = self._judge(hub, now)
        shots = self._shots(before.shots if before else {}, moved)
        same = before is not None and shots is before.shots
        rows = before.rows if same and before is not None else tuple(one.row for one in shots.values())
        return Sight(now, shots, rows, dict(self._memory.sites), dict(self._silent), self._memory.asked)

    def _judge(self, hub: HubFile, now: datetime) -> set[str]:
        """Sites of which something is to be said anew."""
        memory, moved = self._memory, set(self._memory.sites_moved)
        memory.sites_moved.clear()
        for name, site in memory.sites.items():
            colour = silence_of(site, hub.silence, now)
            if self._silent.get(name) != colour or name in moved or name in self._epochs:
                epochs = self._count(site, now)
                causes = of_site(site, hub.silence, now=now, epochs=epochs)
                if self._of_site.get(name) != causes or self._silent.get(name) != colour:
                    moved.add(name)
                self._silent[name], self._of_site[name] = colour, causes
        for name in self._silent.keys() - memory.sites.keys():
            del self._silent[name], self._of_site[name]
        return moved

    def _count(self, site: Site, now: datetime) -> int:
        """How many epochs a site began within the hour, as far as this process saw it."""
        began = self._began.get(site.name)
        self._began[site.name] = site.epoch
        times = self._epochs.get(site.name, deque())
        if began and site.epoch > began:  # the first one of all is no new one
            times.extend([now] * min(site.epoch - began, 100))
        while times and now - times[0] >= EPOCHS_WITHIN:
            times.popleft()
        if times:
            self._epochs[site.name] = times
        else:
            self._epochs.pop(site.name, None)
        return len(times)

    def _shots(self, before: Mapping[str, Shot], moved: set[str]) -> Mapping[str, Shot]:
        """``before`` itself where nothing differs."""
        memory = self._memory
        schools, memory.schools_moved = memory.schools_moved, set()
        waiting: dict[str, list[Asked]] = {}
        for one in memory.asked:
            waiting.setdefault(one.school, []).append(one)
        differ = self._assign(moved) or before.keys() != self._owner.keys()
        stale = schools.union(*(memory.sites[name].schools for name in moved & memory.sites.keys()))
        if differ:
            stale |= {
                code for code, name in self._owner.items() if code not in before or before[code].site.name != name
            }
        stale &= self._owner.keys()
        if not stale and not differ:
            return before
        # In order: what lies in memory as it is read on the board is read five times as fast there.
        fresh = {
            code: self._shot(code, memory.sites[self._owner[code]], waiting.get(code, ())) for code in sorted(stale)
        }
        return {code: fresh.get(code) or before[code] for code in self._owner} if differ else {**before, **fresh}

    def _assign(self, moved: set[str]) -> bool:
        """Whether a site has other schools than before, or is good no more: then it is seen anew whose they are."""
        sites, differ = self._memory.sites, False
        for name in moved:
            site = sites.get(name)
            has = (site.schools, site.revoked is None) if site else None
            if has == self._had.get(name):
                continue
            differ = True
            if has:
                self._had[name] = has
            else:
                del self._had[name]
        if differ:
            self._owner = {code: site.name for code, site in sorted(_assigned(sites), key=lambda one: one[0])}
        return differ

    def _shot(self, code: str, site: Site, waiting: Sequence[Asked]) -> Shot:
        told, silent = self._memory.told.get(code), self._silent[site.name]
        causes = [*self._of_site[site.name]]
        if told is None:
            if site.heard is not None and site.revoked is None:
                causes.append(Cause(colour="amber", text=UNTOLD.format(site=site.name)))
        elif told.row is None:
            causes.append(Cause(colour="red", text=UNREADABLE.format(site=told.site)))
        elif told.site != site.name:
            causes.append(elsewhere(told.site, site.name))
        if change := self._memory.anew.get(code):
            causes.append(anew(change.site, change.at, change.text))
        causes += of_asked(waiting, silent)
        row = told.row if told is not None and told.row is not None else _unknown(code)
        wave, order = self._placed(code)
        shown = row.model_copy(
            update={
                "code": code,
                "site": site.name,
                "heard": site.heard,
                "silent": silent != "green" or site.revoked is not None,
                "health": worst(row.health, *(one.colour for one in causes)),
                "causes": _ordered(causes, row.causes, silent=silent != "green"),
                **({"wave": wave, "wave_order": order} if self._known.waves else {}),
            }
        )
        return Shot(site, told, tuple(causes), shown)


def _ordered(own: Sequence[Cause], told: Sequence[Cause], *, silent: bool) -> list[Cause]:
    """The worst first; of a silent site what is true of it before all that it told."""
    if silent:
        return [*own, *told]
    return sorted([*own, *told], key=lambda one: WORST.index(one.colour))


def _assigned(sites: Mapping[str, Site]) -> Iterator[tuple[str, Site]]:
    """A school belongs to one site; where a revoked one still has it, the other counts."""
    found: dict[str, Site] = {}
    for site in sites.values():
        for code in site.schools:
            if code not in found or found[code].revoked is not None:
                found[code] = site
    yield from found.items()


def _unknown(code: str) -> SchoolRow:
    """A school of which nothing was told."""
    return SchoolRow(code=code, name="", stage=Stage.CLASSIC.value, health="green", told=False)


def differences(before: Shot | None, now: Shot) -> Iterator[tuple[str, str]]:
    """(kind of event, text) of what differs between two sights of a school; that its site was heard is no news."""
    if before is None:
        yield "configuration", "a new school"
        return
    if before.row.stage != now.row.stage:
        yield "stage", now.row.stage
    old, new = (one.told.mark if one.told else {} for one in (before, now))
    if old.get("cutover") != new.get("cutover"):
        yield "run", ""
    if before.causes != now.causes or old.get("school") != new.get("school"):
        yield "school", now.row.health
