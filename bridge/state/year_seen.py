"""A school as a year: who is in which class now, and who was when the two sides were last equal. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, select

from bridge.core.model import Fields, Link, Side
from bridge.core.year import CLASS, COURSE, Group, Person, Year
from bridge.ports import chunks
from bridge.state import space
from bridge.state.canonical import decode
from bridge.state.tables import key, link, observation, reference
from bridge.state.transaction import BATCH, Transaction

_ROLES = (CLASS, COURSE)


def now(tx: Transaction) -> Year:
    """The school's side as it was last observed, people who are gone as disabled; the id of a group is its anchor."""
    people: dict[str, Person] = {}
    key_of: dict[str, str] = {}
    groups: dict[str, Mapping[str, Any]] = {}
    mine = and_(
        observation.c.school == tx.school, observation.c.side == Side.SCHOOL, observation.c.kind.in_(("user", "group"))
    )
    for row in tx.rows(select(observation.c.kind, observation.c.anchor, observation.c.fields, observation.c.gone).where(
        mine)):  # fmt: skip
        fields = decode(row.fields)
        if row.kind == "user":
            one = _person(fields, row.anchor)
            if row.gone is not None:  # whoever comes back is known; a living account of the same person counts more
                people.setdefault(one.key, replace(one, enabled=False))
            else:
                people[one.key], key_of[row.anchor] = one, one.key
        elif row.gone is None:
            groups[row.anchor] = fields
    members = _members(tx, groups)
    found = [
        Group(anchor, str(fields.get("display_name") or ""), str(fields.get("role")), _keys(anchor, members, key_of),
              anchor)
        for anchor, fields in groups.items()
        if fields.get("role") in _ROLES
    ]  # fmt: skip
    return Year(people, tuple(sorted(found, key=lambda one: one.id)))


def _person(fields: Mapping[str, Any], anchor: str) -> Person:
    return Person(
        str(fields.get("source_anchor") or anchor),
        str(fields.get("display_name") or ""),
        str(fields.get("role") or ""),
        fields.get("enabled") is not False,
    )


def _members(tx: Transaction, groups: Iterable[str]) -> dict[str, set[str]]:
    members: dict[str, set[str]] = {}
    for batch in chunks(sorted(groups), BATCH):
        mine = and_(reference.c.school == tx.school, reference.c.side == Side.SCHOOL, reference.c.field == "members")
        for row in tx.rows(select(reference.c.anchor, reference.c.target).where(mine, reference.c.anchor.in_(batch))):
            members.setdefault(row.anchor, set()).add(row.target)
    return members


def _keys(anchor: str, members: Mapping[str, set[str]], key_of: Mapping[str, str]) -> frozenset[str]:
    """Keys of the people in a group, also through groups in it; circles end by themselves."""
    found: set[str] = set()
    visited: set[str] = set()
    stack = [anchor]
    while stack:
        at = stack.pop()
        if at in visited:
            continue
        visited.add(at)
        for target in members.get(at, ()):
            if target in key_of:
                found.add(key_of[target])
            else:
                stack.append(target)
    return frozenset(found)


def agreed(tx: Transaction) -> Year:
    """What both sides last agreed on, and people who were not in the cloud yet as the school has them.

    The id of a group is its link.
    """
    ids = [row.id for row in tx.rows(select(link.c.id).where(link.c.school == tx.school, link.c.kind.in_(
        ("user", "group"))))]  # fmt: skip
    links = space.links(tx, ids)
    people = {one.id: _agreed_person(one) for one in links if one.kind == "user" and one.agreed is not None}
    groups = [
        _agreed_group(one, {id_: person.key for id_, person in people.items()})
        for one in links
        if one.kind == "group" and one.agreed is not None and one.agreed.get("role") in _ROLES and one.cloud.anchor
    ]
    return Year({one.key: one for one in people.values()}, tuple(groups))


def _agreed_person(one: Link) -> Person:
    return _person(one.agreed or {}, one.school.anchor or one.id)


def _agreed_group(one: Link, key_of: Mapping[str, str]) -> Group:
    fields = one.agreed or {}
    inside = fields.get("members")
    members = inside if isinstance(inside, frozenset) else frozenset()
    keys = frozenset(key_of[member] for member in members if member in key_of)
    return Group(one.id, str(fields.get("display_name") or ""), str(fields.get("role")), keys, one.school.anchor or "")


def linked(tx: Transaction, year: Year) -> Year:
    """The same year, the groups named by their links; those that are in no cloud yet are left out."""
    known = space.linked_anchors(tx, Side.SCHOOL, {one.anchor for one in year.groups})
    mine = and_(link.c.school == tx.school, link.c.cloud_anchor.is_not(None))
    there = {row.id for row in tx.rows(select(link.c.id).where(mine))}
    groups = [
        Group(known[one.anchor], one.name, one.role, one.members, one.anchor)
        for one in year.groups
        if known.get(one.anchor) in there
    ]
    return Year(year.people, tuple(groups))


def elsewhere(tx: Transaction) -> dict[str, tuple[str, ...]]:
    """Source anchor -> other schools of this state where somebody carries it and is there."""
    here = and_(
        observation.c.school == key.c.school, observation.c.side == key.c.side, observation.c.anchor == key.c.anchor
    )
    mine = select(key.c.value).where(
        key.c.school == tx.school, key.c.side == Side.SCHOOL, key.c.kind == "user", key.c.name == "source_anchor"
    )
    others = and_(
        key.c.school != tx.school,
        key.c.side == Side.SCHOOL,
        key.c.kind == "user",
        key.c.name == "source_anchor",
        observation.c.gone.is_(None),
        key.c.value.in_(mine),
    )
    found: dict[str, set[str]] = {}
    query = select(key.c.school, observation.c.fields).select_from(key.join(observation, here)).where(others)
    for row in tx.rows(query):
        found.setdefault(str(decode(row.fields).get("source_anchor")), set()).add(row.school)
    return {one: tuple(sorted(schools)) for one, schools in found.items()}


def people(tx: Transaction) -> tuple[dict[str, tuple[str, Fields]], frozenset[str]]:
    """Source anchor -> (anchor, fields) of the school's living people; logins of all who ever were."""
    mine = and_(observation.c.school == tx.school, observation.c.side == Side.SCHOOL, observation.c.kind == "user")
    found: dict[str, tuple[str, Fields]] = {}
    logins: set[str] = set()
    for row in tx.rows(select(observation.c.anchor, observation.c.fields, observation.c.gone).where(mine)):
        fields = decode(row.fields)
        logins.add(str(fields.get("login") or ""))
        if row.gone is None:
            found[str(fields.get("source_anchor") or row.anchor)] = (row.anchor, fields)
    return found, frozenset(logins - {""})


def logins(tx: Transaction) -> dict[str, str]:
    """Name -> login of the school's living groups."""
    mine = and_(observation.c.school == tx.school, observation.c.side == Side.SCHOOL, observation.c.kind == "group")
    fields = [decode(row.fields) for row in tx.rows(select(observation.c.fields).where(mine, observation.c.gone.is_(
        None)))]  # fmt: skip
    return {str(one.get("display_name") or ""): str(one["login"]) for one in fields if one.get("login")}
