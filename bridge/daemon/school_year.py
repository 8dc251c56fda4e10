"""A school's year, from the state (and a roster) to a plan, and from the plan to what it means for the state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.core.model import Action, Fields, Side
from bridge.core.year import COURSE, Group, GroupTurn, Known, Person, Year, YearPlan
from bridge.core.year_people import plan_year
from bridge.core.year_wanted import Found, Wanted, for_school
from bridge.core.year_wanted import archives as wanted_archives
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.ports import ConfigurationError, Connector
from bridge.ports.years import OpenYear, Settlement
from bridge.settings import School, Settings
from bridge.state.store import SchoolStore

#: Of the people in a roster at least this share must be known, or it is another school's, or has another reference.
KNOWN_SHARE = 0.5
_STAMPED = re.compile(r"\d{4}-\d{2} ")
_ENDS = frozenset({GroupTurn.DISSOLVED, GroupTurn.ARCHIVED})


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made of. ``opened`` is None while no year is open; ``roster``: a file told this year."""

    plan: YearPlan
    last: Year
    now: Year
    opened: OpenYear | None
    roster: bool


@dataclass(frozen=True, slots=True)
class Roster:
    """What a file told: the year, and the fields of its people by source anchor."""

    year: Year
    fields: Mapping[str, Fields]


async def roster(settings: Settings, catalog: Catalog, school: School, path: Path, **options: Any) -> Roster:
    """The year that a file tells; ConfigurationError with every mistake in it."""
    try:
        asked = catalog.options("roster").model_validate({"path": path, **options})
    except ValidationError as error:
        raise ConfigurationError(f"the roster can't be read like that: {error.errors()[0]['msg']}") from None
    return await read_roster(await catalog.connect("roster", asked, wiring.context(settings, school)))


async def read_roster(connector: Connector) -> Roster:
    """What a connector to a roster tells."""
    people: dict[str, Person] = {}
    fields: dict[str, Fields] = {}
    groups: list[Group] = []
    async for page in connector.observe(None):
        for one in page.observations:
            name, role = str(one.fields["display_name"]), str(one.fields["role"])
            if one.kind == "user":
                fields[one.anchor] = one.fields
                people[one.anchor] = Person(one.anchor, name, role, one.fields["enabled"] is True)
            else:
                inside = one.fields["members"]
                groups.append(Group(one.anchor, name, role, inside if isinstance(inside, frozenset) else frozenset()))
    return Roster(Year(people, tuple(groups)), fields)


def wanted(store: SchoolStore, planned: Planned, told: Mapping[str, Fields]) -> list[Wanted]:
    """What would have to be written at the school so that it is as a roster says."""
    present, logins = store.year_people()
    groups = store.year_logins()
    found = {key: Found(anchor, fields) for key, (anchor, fields) in present.items()}
    opened = planned.opened.at if planned.opened else store.database.clock()
    return for_school(
        planned.plan, told, found, called=lambda name: archive_name(name, opened), logins={*logins, *groups.values()},
        of_groups=groups,
    )  # fmt: skip


def plan(
    store: SchoolStore, *, told: Year | None = None, before: Year | None = None, chosen: Mapping[str, str] | None = None
) -> Planned:
    """The plan. ``told``: this year's roster, compared with the directory as it is; without one the directory is
    compared with itself when the year was opened. ``before``: last year's roster, which says whom one brought.
    ``chosen``: class of now -> class of last year or ``new``, by name.
    """
    opened = store.year()
    if told is not None:
        last, now = store.year_now(), told
        _check_roster(store.code, last, now)
        brought: frozenset[str] | None = store.brought() | (frozenset(before.people) if before else frozenset())
    else:
        last, now, brought = opened.last if opened else store.year_agreed(), store.year_now(), None
        if opened is not None:
            last = _with_ends(last, store)
    picked = _chosen(last, now, chosen or {})
    known = Known(elsewhere=store.elsewhere(), brought=brought, chosen=picked)
    return Planned(plan_year(last, now, known), last, now, opened, told is not None)


def _with_ends(last: Year, store: SchoolStore) -> Year:
    """Last year's groups with the ends that they have now: after apply they are elsewhere."""
    ends = {one.id: one.school.anchor for one in store.links([group.id for group in last.groups])}
    groups = [Group(g.id, g.name, g.role, g.members, ends[g.id] or "") for g in last.groups if g.id in ends]
    return Year(last.people, tuple(groups))


def _check_roster(code: str, last: Year, now: Year) -> None:
    there = [key for key in now.people if key in last.people]
    if now.people and len(there) < KNOWN_SHARE * len(now.people):
        raise ConfigurationError(
            f"{code}: {len(there)} of {len(now.people)} people of the roster have a reference that the directory "
            f"knows. Expected: most of them. It is another school's file, or the directory holds another reference "
            f"(reference_attribute). Nothing was planned"
        )


def _chosen(last: Year, now: Year, by_name: Mapping[str, str]) -> dict[str, str | None]:
    chosen: dict[str, str | None] = {}
    for after, before in by_name.items():
        chosen[_one(now, after, "this year")] = None if before == "new" else _one(last, before, "last year")
    return chosen


def _one(year: Year, name: str, which: str) -> str:
    found = [one.id for one in year.groups if one.role != COURSE and name in (one.name, one.id)]
    if len(found) != 1:
        names = ", ".join(sorted(one.name for one in year.groups if one.role != COURSE))
        raise ConfigurationError(f"{len(found)} classes of {which} are called {name}; there are {names}")
    return found[0]


def settlement(planned: Planned) -> Settlement:
    """What a plan of the directory means for the state; ConfigurationError while something is undecided."""
    if planned.plan.undecided:
        ends = [one.after or one.before for one in planned.plan.undecided]
        names = ", ".join(one.name for one in ends if one is not None)
        raise ConfigurationError(
            f"a person has to decide first which class goes on as which: {names}. "
            f"Say it with --choose 6a=5b (or --choose 6a=new)"
        )
    relinked: dict[str, str] = {}
    archived: list[str] = []
    released: list[str] = []
    for one in planned.plan.groups:
        if one.turn in _ENDS and one.before is not None:
            archived.append(one.before.id)
        elif one.goes_on and one.before is not None and one.after is not None:
            if one.before.anchor != one.after.anchor:
                relinked[one.before.id] = one.after.anchor
            released.append(one.before.id)
    left = {one.before.anchor for one in planned.plan.groups if one.before and one.before.id in {*relinked, *archived}}
    anew = [
        one.after.anchor
        for one in planned.plan.groups
        if one.turn is GroupTurn.NEW and one.after and one.after.anchor in left
    ]
    return Settlement(relinked, archived, anew, released)


def archive_name(name: str, opened: datetime) -> str:
    """What an archived group is called: the school year that ended, before its name. It ends on 31 July.

    What bears one already keeps it.
    """
    if _STAMPED.match(name):
        return name
    ended = opened.year if opened.month < 11 else opened.year + 1
    return f"{ended - 1}-{ended % 100:02} {name}"


def archives(store: SchoolStore, planned: Planned) -> list[Wanted]:
    """What has to be renamed in the cloud once the plan is applied; asked before that, while the links are there."""
    links = store.links([one.before.id for one in planned.plan.groups if one.turn in _ENDS and one.before])
    clouds = {one.id: Found(one.cloud.record.anchor, one.cloud.record.fields) for one in links if one.cloud.record}
    opened = planned.opened.at if planned.opened else store.database.clock()
    return list(wanted_archives(planned.plan, clouds, lambda name: archive_name(name, opened)))


def renamed(store: SchoolStore) -> list[Wanted]:
    """Archived groups and the names that they had: what an undo gives back in the cloud.

    What they show was seen before they were renamed, perhaps: the name is written in any case.
    """
    return [
        Wanted(Side.CLOUD, "group", Action.UPDATE, anchor, anchor, {"display_name": shown}, {"display_name": name},
               reason="undone")
        for anchor, name, shown in store.year_archived()
    ]  # fmt: skip


def unnamed(store: SchoolStore) -> list[Wanted]:
    """Archived groups that do not show it by their names in the cloud yet; none unless a year is applied."""
    opened = store.year()
    if opened is None:
        return []
    wanted: list[Wanted] = []
    for anchor, name, shown in store.year_archived():
        after = archive_name(name, opened.at)
        if shown != after:
            before, named = {"display_name": shown}, {"display_name": after}
            wanted.append(Wanted(Side.CLOUD, "group", Action.UPDATE, anchor, anchor, before, named, reason="archived"))
    return wanted
