"""Whose folders can be mirrored: people and groups that live on both sides, and what their folders are called after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select

from bridge.core.model import Side
from bridge.state.canonical import decode
from bridge.state.database import Database
from bridge.state.tables import link, observation, reference

CLASS = "class"


@dataclass(frozen=True, slots=True)
class Owner:
    """A person or a group. ``name`` is the display name at the school, ``cloud_id`` the anchor in the cloud.

    ``group`` is the name of the person's class; of several the first in the alphabet, so that it never shuffles.
    ``active``: enabled at the school and not about to be retired; False for groups.
    """

    link: str
    kind: str
    role: str
    name: str
    login: str
    group: str
    source_anchor: str
    cloud_id: str
    sid: str = ""
    active: bool = False


def owners(database: Database, code: str, kind: str) -> Sequence[Owner]:
    """All of a kind (``user``, ``group``) that have a living record on both sides, ordered by link."""
    near, far = observation.alias("near"), observation.alias("far")
    here = and_(near.c.school == link.c.school, near.c.side == Side.SCHOOL, near.c.anchor == link.c.school_anchor)
    there = and_(far.c.school == link.c.school, far.c.side == Side.CLOUD, far.c.anchor == link.c.cloud_anchor)
    living = and_(near.c.gone.is_(None), far.c.gone.is_(None))
    columns = (link.c.id, link.c.retired_at, near.c.anchor, near.c.role, near.c.fields, far.c.anchor.label("cloud"))
    query = select(*columns).select_from(link.join(near, here).join(far, there))
    mine = and_(link.c.school == code, link.c.kind == kind)
    with database.read() as connection:
        rows = connection.execute(query.where(mine, living).order_by(link.c.id)).all()
    classes = _classes(database, code) if kind == "user" else {}
    found = []
    for row in rows:
        known = decode(row.fields)
        fields = {name: str(value or "") for name, value in known.items()}
        found.append(
            Owner(
                link=row.id,
                kind=kind,
                role=row.role,
                name=fields.get("display_name", ""),
                login=fields.get("login", ""),
                group=classes.get(row.anchor, ""),
                source_anchor=fields.get("source_anchor", ""),
                cloud_id=row.cloud,
                sid=fields.get("sid", ""),
                active=known.get("enabled") is True and row.retired_at is None,
            )
        )
    return found


def _classes(database: Database, code: str) -> dict[str, str]:
    """School anchor of a person -> the name of the class."""
    mine = and_(
        observation.c.school == code,
        observation.c.side == Side.SCHOOL,
        observation.c.role == CLASS,
        observation.c.gone.is_(None),
    )
    members = and_(
        reference.c.school == observation.c.school,
        reference.c.side == observation.c.side,
        reference.c.anchor == observation.c.anchor,
        reference.c.field == "members",
    )
    with database.read() as connection:
        groups = connection.execute(select(observation.c.anchor, observation.c.fields).where(mine)).all()
        pairs = select(observation.c.anchor, reference.c.target).select_from(observation.join(reference, members))
        belongs = connection.execute(pairs.where(mine)).all()
    names = {row.anchor: str(decode(row.fields).get("display_name") or "") for row in groups}
    found: dict[str, str] = {}
    for group, target in sorted(belongs, key=lambda row: (names[row[0]], row[1])):
        found.setdefault(target, names[group])
    return found
