"""A school year in the state: opened, applied as one operation, closed.

apply: 1. let go of all ends that move, and of archived groups,  2. what was linked to nobody else gives way,  3. give
the ends anew,  4. source anchors follow the classes,  5. what may change once is released,  6. the journal.
All in one transaction: a crash leaves the year as it was. ``done`` holds what ``year_undo`` needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, delete, select

from bridge.core.freeze import RULE, Phase
from bridge.core.model import Side
from bridge.core.year import Group, Person, Year
from bridge.ports import ConfigurationError, chunks
from bridge.ports.years import OpenYear, Settlement
from bridge.state import generations, guardbook, journal, touch, year_seen
from bridge.state.canonical import decode, dump
from bridge.state.pairs import drop, set_ends
from bridge.state.tables import agreed_reference, agreement, link, observation, release, year
from bridge.state.transaction import BATCH, Transaction

#: How long what was planned may pass the guard: the next cycles do it.
LASTS = timedelta(days=14)
_BECAUSE = "school year "


def row(tx: Transaction) -> Any:
    """The year's row; None when no year is open."""
    found = tx.rows(select(year).where(year.c.school == tx.school))
    return found[0] if found else None


def phase(tx: Transaction) -> Phase:
    """Where the year stands."""
    found = row(tx)
    return Phase(found.phase) if found else Phase.CLOSED


def current(tx: Transaction) -> OpenYear | None:
    """The year that is open, people named as they are known now."""
    found = row(tx)
    if found is None:
        return None
    names = {one.key: one.name for one in year_seen.now(tx).people.values()}
    return OpenYear(found.id, Phase(found.phase), found.at, _read(json.loads(found.last), names))


def open_(tx: Transaction, id: str, *, actor: str, reason: str) -> None:  # noqa: A002
    """Remember the school as it is and freeze."""
    found = row(tx)
    if found is not None:
        raise ConfigurationError(
            f"{tx.school}: a school year is {found.phase} since {found.at:%Y-%m-%d}. Expected: none. "
            f"Go on with it, or: schoolbridge year close {tx.school}"
        )
    last = year_seen.linked(tx, year_seen.now(tx))
    tx.put(year, [{"id": id, "phase": Phase.OPEN, "at": tx.now, "last": dump(_written(last)), "done": "{}"}])
    after = {"phase": Phase.OPEN.value, "groups": len(last.groups), "people": len(last.people)}
    journal.append(tx, [journal.Entry("year", actor=actor, cycle=id, reason=reason, after=after)])


def close(tx: Transaction, *, actor: str, reason: str) -> None:
    """Nothing is frozen any more."""
    found = row(tx)
    if found is None:
        raise ConfigurationError(f"{tx.school}: no school year is open; nothing to close")
    tx.run(delete(year).where(year.c.school == tx.school))
    forget_releases(tx, found.id)
    guardbook.unhold(tx, RULE)
    entry = journal.Entry("year", actor=actor, cycle=found.id, reason=reason, before={"phase": found.phase}, after={
        "phase": Phase.CLOSED.value})  # fmt: skip
    journal.append(tx, [entry])


def _written(one: Year) -> dict[str, Any]:
    """A year as JSON, without names of people."""
    return {
        "people": {key: [person.role, person.enabled] for key, person in one.people.items()},
        "groups": [[g.id, g.name, g.role, g.anchor, sorted(g.members)] for g in one.groups],
    }


def _read(tree: Mapping[str, Any], names: Mapping[str, str]) -> Year:
    people = {
        key: Person(key, names.get(key, key), role, enabled) for key, (role, enabled) in tree.get("people", {}).items()
    }
    groups = [Group(id_, name, role, frozenset(members), anchor) for id_, name, role, anchor, members in tree.get(
        "groups", [])]  # fmt: skip
    return Year(people, tuple(groups))


def archived(tx: Transaction) -> list[tuple[str, str, str]]:
    """(anchor in the cloud, name that was agreed, name that it shows) of archived groups that are there."""
    found = row(tx)
    done = json.loads(found.done).get("archived", []) if found else []
    agreed = {one["link"]["cloud_anchor"]: decode(fields) for one in done for fields, _ in one["agreed"]}
    mine = and_(observation.c.school == tx.school, observation.c.side == Side.CLOUD, observation.c.gone.is_(None))
    shown = tx.rows(select(observation.c.anchor, observation.c.fields).where(mine, observation.c.anchor.in_(agreed)))
    name = "display_name"
    return [(one.anchor, str(agreed[one.anchor].get(name)), str(decode(one.fields).get(name))) for one in shown]


# --- apply ------------------------------------------------------------------------------------------------------------


def apply(tx: Transaction, id: str, wanted: Settlement, *, actor: str, reason: str) -> None:  # noqa: A002
    """Settle which class is which. Raises ConfigurationError, and changes nothing, when that can't be done."""
    found = row(tx)
    if found is not None and found.phase == Phase.APPLIED:
        raise ConfigurationError(
            f"{tx.school}: the school year is applied already (operation {found.id}). "
            f"Take it back first: schoolbridge year undo {tx.school}"
        )
    ends = _ends(tx, [*wanted.relinked, *wanted.archived])
    _check(tx, wanted, ends)
    done: dict[str, Any] = {"before": found.phase if found else Phase.CLOSED.value}
    done["relinked"] = {of: [ends[of].school_anchor, to] for of, to in wanted.relinked.items()}
    done["archived"] = [_kept(tx, ends[of]) for of in wanted.archived]
    set_ends(tx, Side.SCHOOL, dict.fromkeys(wanted.relinked))
    for of in wanted.archived:
        drop(tx, of)
    _give_way(tx, [*wanted.relinked.values(), *wanted.anew])
    set_ends(tx, Side.SCHOOL, wanted.relinked)
    given = _source_anchors(tx, wanted, ends)
    done["had"] = generations.current(tx, given)
    done["anchors"] = generations.give(tx, given)
    _release(tx, wanted, id, actor=actor)
    _look(tx, wanted)
    last = found.last if found else dump(_written(year_seen.linked(tx, year_seen.now(tx))))
    at = found.at if found else tx.now
    tx.put(year, [{"id": id, "phase": Phase.APPLIED, "at": at, "last": last, "done": dump(done)}])
    guardbook.unhold(tx, RULE)
    journal.append(tx, _entries(done, id, actor=actor, reason=reason))


def _ends(tx: Transaction, ids: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for batch in chunks(sorted(set(ids)), BATCH):
        found |= {one.id: one for one in tx.rows(select(link).where(link.c.school == tx.school, link.c.id.in_(batch)))}
    return found


def _check(tx: Transaction, wanted: Settlement, ends: Mapping[str, Any]) -> None:
    lost = [of for of in (*wanted.relinked, *wanted.archived) if of not in ends or ends[of].cloud_anchor is None]
    if lost:
        raise ConfigurationError(
            f"{tx.school}: group {lost[0]} has no group in the cloud any more. Expected: the one that goes "
            f"on. Plan anew"
        )
    moving = {*wanted.relinked, *wanted.archived}
    taken = [one for one in holders(tx, [*wanted.relinked.values()]) if one.id not in moving and one.cloud_anchor]
    if taken:
        raise ConfigurationError(
            f"{tx.school}: group {taken[0].school_anchor} at the school has a group of its own in the cloud already "
            f"(link {taken[0].id}, {taken[0].cloud_anchor}). Expected: none, because last year's is to go on as it. "
            f"If that one is empty, delete it in the cloud and run a cycle; then plan anew"
        )


def holders(tx: Transaction, anchors: Sequence[str]) -> list[Any]:
    """The links that have one of these ends at the school."""
    found: list[Any] = []
    for batch in chunks(sorted(set(anchors)), BATCH):
        found += tx.rows(select(link).where(link.c.school == tx.school, link.c.school_anchor.in_(batch)))
    return found


def _give_way(tx: Transaction, anchors: Sequence[str]) -> None:
    """Links that groups of the school were given while nobody knew that they are last year's."""
    for one in holders(tx, anchors):
        if one.cloud_anchor is None:
            drop(tx, one.id)


def _kept(tx: Transaction, one: Any) -> dict[str, Any]:
    """Everything that is dropped with a link, so that it can come back."""
    mine = and_(agreement.c.school == tx.school, agreement.c.link == one.id)
    agreed = tx.rows(select(agreement.c.fields, agreement.c.refs).where(mine))
    led = and_(agreed_reference.c.school == tx.school, agreed_reference.c.link == one.id)
    columns = (agreed_reference.c.field, agreed_reference.c.target)
    return {
        "link": {name: getattr(one, name) for name in ("id", "kind", "rank", "school_anchor", "cloud_anchor")},
        "agreed": [list(row) for row in agreed],
        "references": [list(row) for row in tx.rows(select(*columns).where(led))],
    }


def _source_anchors(tx: Transaction, wanted: Settlement, ends: Mapping[str, Any]) -> dict[str, str]:
    """Group of the school -> the source anchor that stands for it from now on."""
    clouds = generations.stored(tx, Side.CLOUD, [ends[of].cloud_anchor for of in wanted.relinked])
    given = {
        to: clouds[ends[of].cloud_anchor] for of, to in wanted.relinked.items() if clouds.get(ends[of].cloud_anchor)
    }
    left = {ends[of].school_anchor for of in (*wanted.relinked, *wanted.archived)} | set(wanted.anew)
    return {**generations.fresh(tx, [one for one in left - set(wanted.relinked.values()) if one]), **given}


def _release(tx: Transaction, wanted: Settlement, id: str, *, actor: str) -> None:  # noqa: A002
    because = f"{_BECAUSE}{id}"
    told = {"actor": actor, "reason": because, "at": tx.now, "expires": tx.now + LASTS, "used": None}
    # Put, not added: a release of last year that was used stands there still.
    tx.put(release, ({"link": of, **told} for of in {*wanted.released, *wanted.relinked}))


def forget_releases(tx: Transaction, id: str) -> None:  # noqa: A002
    """What was planned and did not happen may not pass the guard uncounted any more."""
    mine = and_(release.c.school == tx.school, release.c.reason == f"{_BECAUSE}{id}", release.c.used.is_(None))
    tx.run(delete(release).where(mine))


def _look(tx: Transaction, wanted: Settlement) -> None:
    touch.touch(tx, {*wanted.relinked, *wanted.released})
    touch.forget_loose(tx, Side.SCHOOL, wanted.relinked.values())
    there = {one.anchor for one in tx.rows(select(observation.c.anchor).where(
        observation.c.school == tx.school, observation.c.side == Side.SCHOOL, observation.c.gone.is_(None),
        observation.c.anchor.in_(list(wanted.anew))))}  # fmt: skip
    touch.touch_loose(tx, Side.SCHOOL, there)


def _entries(done: Mapping[str, Any], id: str, *, actor: str, reason: str) -> list[journal.Entry]:  # noqa: A002
    told = journal.Entry("year", actor=actor, cycle=id, reason=reason)
    counts = {"relinked": len(done["relinked"]), "archived": len(done["archived"]), "phase": Phase.APPLIED.value}
    entries = [replace(told, before={"phase": done["before"]}, after=counts)]
    for of, (was, now) in done["relinked"].items():
        before, after = {"school_anchor": was}, {"school_anchor": now}
        entries.append(replace(told, action="relink", kind="group", link=of, before=before, after=after))
    for one in done["archived"]:
        gone = {key: one["link"][key] for key in ("school_anchor", "cloud_anchor")}
        entries.append(replace(told, action="archive", kind="group", link=one["link"]["id"], before=gone))
    return entries
