"""Who was let in at the root of a share, by the bridge; and what of the school's rights could not be carried over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select

from bridge.core.access import Given, Role
from bridge.core.kinds import Kind
from bridge.core.model import Side
from bridge.core.unsaid import Cause, Unsaid
from bridge.state import journal
from bridge.state.canonical import decode
from bridge.state.database import Database
from bridge.state.roots import below
from bridge.state.tables import access, link, observation
from bridge.state.transaction import writing


@dataclass(frozen=True, slots=True)
class Access:
    """By principal (its id in the cloud): the roles that the school grants, and what the bridge gave."""

    wanted: Mapping[str, Role] = field(default_factory=dict)
    given: Mapping[str, Given] = field(default_factory=dict)
    unsaid: tuple[Unsaid, ...] = ()
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or group that is in the cloud. ``names`` are those that an access control list may call it by."""

    id: str
    kind: str
    sid: str
    names: tuple[str, ...]


def recall(database: Database, code: str) -> Access:
    """What is known of a root."""
    with database.read() as connection:
        row = connection.execute(select(access).where(access.c.school == code)).first()
    return Access() if row is None else _access(row)


def recall_all(database: Database, code: str) -> Mapping[str, Access]:
    """Root's code -> what is known of it, for all roots of a school."""
    mine = below(access.c.school, code)
    with database.read() as connection:
        return {row.school: _access(row) for row in connection.execute(select(access).where(mine))}


def _access(row: Any) -> Access:
    wanted = {of: Role(role) for of, role in json.loads(row.wanted).items()}
    given = {of: Given(Role(one["role"]), one["id"]) for of, one in json.loads(row.given).items()}
    unsaid = tuple(Unsaid(Cause(cause), *rest) for cause, *rest in json.loads(row.unsaid))
    return Access(wanted, given, unsaid, row.read_at)


def keep(
    database: Database, code: str, kinds: Mapping[str, Kind], now: Access, entries: Sequence[journal.Entry] = ()
) -> None:
    """Remember it, and note in the root's journal what was done."""
    given = {of: {"role": one.role.value, "id": one.id} for of, one in sorted(now.given.items())}
    with writing(database, code, kinds) as tx:
        row = {"wanted": dict(now.wanted), "given": given, "unsaid": [astuple(one) for one in now.unsaid]}
        tx.put(access, [{**{name: json.dumps(value) for name, value in row.items()}, "read_at": now.read_at}])
        journal.append(tx, entries)


def principals(database: Database, code: str) -> Sequence[Principal]:
    """People and groups of a school that live on both sides."""
    near, far = observation.alias("near"), observation.alias("far")
    here = and_(near.c.school == link.c.school, near.c.side == Side.SCHOOL, near.c.anchor == link.c.school_anchor)
    there = and_(far.c.school == link.c.school, far.c.side == Side.CLOUD, far.c.anchor == link.c.cloud_anchor)
    living = and_(near.c.gone.is_(None), far.c.gone.is_(None), link.c.school == code, link.c.kind.in_(_NAMES))
    query = select(link.c.kind, near.c.fields, far.c.anchor).select_from(link.join(near, here).join(far, there))
    found = []
    with database.read() as connection:
        for row in connection.execute(query.where(living)):
            fields = {name: str(value or "") for name, value in decode(row.fields).items()}
            names = tuple(dict.fromkeys(fields[one] for one in _NAMES[row.kind] if fields.get(one)))
            found.append(Principal(row.anchor, row.kind, fields.get("sid", ""), names))
    return found


#: Kind -> fields whose values an access control list may name it by.
_NAMES = {"user": ("login",), "group": ("display_name", "nickname_base")}
