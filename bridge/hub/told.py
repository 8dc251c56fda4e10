"""What was told and what is known of it, read out of the hub's tables: always only what is new since the last look.

A row is new when its ``received`` is; several processes write, and one that began earlier may commit later, so that
each look goes back a little (``MARGIN``) and leaves out what it has. Everything is looked at anew once in a while.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection, String, or_, select, type_coerce

from bridge.api.models import SchoolRow
from bridge.core.cutover import Stage
from bridge.hub.fit import LINE, drawable
from bridge.hub.honest import Asked, Site
from bridge.state.fleet_tables import hub_command, hub_event, hub_school, hub_site
from bridge.state.hub_orders import OPEN
from bridge.state.transaction import BATCH

#: How far a look goes back behind the last one.
MARGIN = timedelta(seconds=5)
#: A school's row among its slots.
SCHOOL = "school"


#: So long it is shown that a journal was written anew.
ALARMED = timedelta(days=30)


_STAGES = frozenset(stage.value for stage in Stage)


class _Row(SchoolRow):
    """The site may tell more than a row has."""

    model_config = ConfigDict(extra="ignore")


class _Body(BaseModel):
    view: _Row


@dataclass(frozen=True, slots=True)
class Told:
    """The newest state of a school. ``row`` None: it can't be read; ``mark``: when its rows were received, by slot."""

    site: str
    row: SchoolRow | None
    mark: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Change:
    """A journal is not what was told before."""

    site: str
    at: datetime
    text: str


@dataclass(slots=True)
class Memory:
    """All that the looks brought together."""

    clock: Callable[[], datetime]
    sites: dict[str, Site] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()
    #: By school: its journal is not what was told before.
    anew: dict[str, Change] = field(default_factory=dict)
    #: What differs since it was taken out last: names of sites, codes of schools.
    sites_moved: set[str] = field(default_factory=set)
    schools_moved: set[str] = field(default_factory=set)
    _said: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def look(self, connection: Connection, since: datetime | None, *, sites: bool, schools: bool) -> None:
        """Take in what is new since then, without a time everything. ``sites``, ``schools``: and what has no time of
        its own: whose schools are others, what is gone."""
        self._sites(connection, since, whole=sites)
        self._schools(connection, None if schools else since)
        self._commands(connection)
        self._heads(connection, since)

    def _sites(self, connection: Connection, since: datetime | None, *, whole: bool) -> None:
        of = hub_site.c
        if since is not None:
            new = or_(of.heard >= since, of.made >= since, of.revoked >= since)
            self._met(connection.execute(select(*_SITE).where(new)))
        if not whole:
            return
        schools = {row.site: row.schools for row in connection.execute(select(of.site, of.schools))}
        names = [name for name, codes in schools.items() if name not in self.sites or self._other(name, codes)]
        if len(names) > BATCH:
            self._met(connection.execute(select(*_SITE)))
        elif names:
            self._met(connection.execute(select(*_SITE).where(of.site.in_(names))))
        for name in self.sites.keys() - schools.keys():
            del self.sites[name], self._said[name]
            self.sites_moved.add(name)

    def _other(self, name: str, codes: str) -> bool:
        return " ".join(self.sites[name].schools) != codes

    def _met(self, rows: Iterable[Any]) -> None:
        for row in rows:
            name, said = row[0], tuple(row[1:])
            if self._said.get(name) != said or name not in self.sites:
                self._said[name] = said
                self.sites[name] = _site(name, *said)
                self.sites_moved.add(name)

    def _schools(self, connection: Connection, since: datetime | None) -> None:
        of = hub_school.c
        query = select(of.school, of.slot, of.received)
        if since is not None:
            query = query.where(of.received >= since)
        marks: dict[str, dict[str, datetime]] = {}
        for row in connection.execute(query):
            marks.setdefault(row.school, {})[row.slot] = row.received
        moved = {code: mark for code, mark in marks.items() if not mark.items() <= self._mark(code).items()}
        fresh = [code for code, mark in moved.items() if mark.get(SCHOOL) != self._mark(code).get(SCHOOL)]
        read = {row.school: row for row in _bodies(connection, fresh)}
        for code, mark in moved.items():
            known = self.told.get(code)
            by, shown = (known.site, known.row) if known else ("", None)
            if found := read.get(code):
                by, shown = found.site, _read(found.body)
            self.told[code] = Told(by, shown, {**self._mark(code), **mark})
        self.schools_moved |= moved.keys()
        if since is None:
            for code in self.told.keys() - marks.keys():
                del self.told[code]
                self.schools_moved.add(code)

    def _mark(self, code: str) -> Mapping[str, datetime]:
        known = self.told.get(code)
        return known.mark if known else {}

    def _commands(self, connection: Connection) -> None:
        of = hub_command.c
        columns = (of.id, of.site, of.school, of.action, of.actor, of.asked, of.expires)
        query = select(*columns).where(of.state.in_(OPEN)).order_by(of.asked, of.id)
        asked = tuple(
            Asked(row.id, row.site, row.school, _named(row.action), row.actor, row.asked, row.expires)
            for row in connection.execute(query)
        )
        if asked != self.asked:
            self.schools_moved.update(one.school for one in {*asked} ^ {*self.asked})
            self.asked = asked

    def _heads(self, connection: Connection, since: datetime | None) -> None:
        of = hub_event.c
        now = self.clock()
        first = max(since or now - ALARMED, now - ALARMED)
        query = select(of.school, of.site, of.received, of.body).where(of.kind == "head", of.received >= first)
        for row in connection.execute(query.order_by(of.received)):
            change = Change(row.site, row.received, str(json.loads(row.body).get("text", "")))
            if self.anew.get(row.school) != change:
                self.anew[row.school] = change
                self.schools_moved.add(row.school)
        for code in [code for code, one in self.anew.items() if now - one.at > ALARMED]:
            del self.anew[code]
            self.schools_moved.add(code)


def _named(action: str) -> str:
    """Which action it is: the column holds all of it as JSON."""
    try:
        return str(json.loads(action)["action"])
    except (ValueError, TypeError, KeyError):
        return action


#: What is looked at of a site, in the order of ``_site``. Times stay texts until they differ: most rows of a look were
#: in the one before it.
_SITE = (
    hub_site.c.site, hub_site.c.schools, type_coerce(hub_site.c.made, String), hub_site.c.label,
    type_coerce(hub_site.c.heard, String), hub_site.c.ahead, hub_site.c.missing, hub_site.c.epoch,
    type_coerce(hub_site.c.revoked, String), hub_site.c.version, type_coerce(hub_site.c.missed, String),
)  # fmt: skip


def _site(
    name: str, schools: str, made: str, label: str, heard: str | None, ahead: float, missing: int, epoch: int,
    revoked: str | None, version: str, missed: str | None,
) -> Site:  # fmt: skip
    at, ended, gone = (datetime.fromisoformat(one) if one else None for one in (heard, revoked, missed))
    begun = datetime.fromisoformat(made)
    return Site(name, tuple(schools.split()), begun, label, at, ahead, missing, epoch, ended, version, gone)


def _bodies(connection: Connection, codes: Sequence[str]) -> Iterator[Any]:
    of = hub_school.c
    for start in range(0, len(codes), BATCH):
        mine = of.school.in_(codes[start : start + BATCH])
        yield from connection.execute(select(of.school, of.site, of.body).where(of.slot == SCHOOL, mine))


def _read(body: str) -> SchoolRow | None:
    try:
        row = _Body.model_validate_json(body).view
    except ValidationError:
        return None
    fits = row.stage in _STAGES and drawable(row) and len(row.model_dump_json()) <= LINE
    return row if fits else None


def slots(connection: Connection, code: str, names: Iterable[str]) -> Mapping[str, Any]:
    """What stands in some slots of one school, as plain trees; a slot that is not there is left out."""
    of = hub_school.c
    query = select(of.slot, of.body).where(of.school == code, of.slot.in_([*names]))
    return {row.slot: json.loads(row.body) for row in connection.execute(query)}
