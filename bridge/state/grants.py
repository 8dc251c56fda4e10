"""Rights that a token has for a time in one school, beside its own: support.

Each is journaled under the school that it opens, when it is given and when it is taken back. It ends by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from bridge.state.database import Database
from bridge.state.fleet_tables import hub_grant
from bridge.state.hub_journal import note
from bridge.state.journal import Entry


@dataclass(frozen=True, slots=True)
class Grant:
    """``token``: its id. ``ends`` is when it ends by itself."""

    id: str
    token: str
    school: str
    scopes: frozenset[str]
    begins: datetime
    ends: datetime
    actor: str
    reason: str
    revoked: datetime | None = None

    def state(self, now: datetime) -> str:
        """``in force``, ``ended`` or ``taken back``."""
        if self.revoked is not None:
            return "taken back"
        return "in force" if self.begins <= now < self.ends else "ended"


def grant(
    database: Database,
    *,
    token: str,
    school: str,
    scopes: Sequence[str],
    ends: datetime,
    actor: str,
    reason: str,
) -> Grant:
    """Give rights from now on."""
    now = database.clock()
    made = Grant(secrets.token_hex(6), token, school, frozenset(scopes), now, ends, actor, reason)
    row = {name: getattr(made, name) for name in Grant.__slots__} | {"scopes": " ".join(sorted(made.scopes))}
    after = {"grant": made.id, "token": token, "scopes": sorted(made.scopes), "ends": ends.isoformat()}
    with database.write() as connection:
        connection.execute(hub_grant.insert().values(row))
        note(connection, now, {school: [Entry("grant rights", actor=actor, reason=reason, after=after)]})
    return made


def take_back(database: Database, name: str, *, actor: str, reason: str) -> Grant | None:
    """End it now; None where there is none of this id. What is over stays as it is, a second time changes nothing."""
    with database.write() as connection:
        now, mine = database.clock(), hub_grant.c.id == name
        row = connection.execute(select(hub_grant).where(mine).with_for_update()).first()
        if row is None:
            return None
        found = _grant(row)
        if found.state(now) == "in force":
            connection.execute(update(hub_grant).where(mine).values(revoked=now))
            entry = Entry("take back rights", actor=actor, reason=reason, before={"grant": name, "token": found.token})
            note(connection, now, {found.school: [entry]})
            row = connection.execute(select(hub_grant).where(mine)).one()
        return _grant(row)


def grants(database: Database) -> list[Grant]:
    """All of them, the newest first, also those that are over."""
    with database.read() as connection:
        query = select(hub_grant).order_by(hub_grant.c.begins.desc(), hub_grant.c.id)
        return [_grant(row) for row in connection.execute(query)]


def in_force(database: Database, token: str, now: datetime) -> list[Grant]:
    """Those of a token that count now."""
    of = hub_grant.c
    mine = (of.token == token) & of.revoked.is_(None) & (of.begins <= now) & (of.ends > now)
    with database.read() as connection:
        return [_grant(row) for row in connection.execute(select(hub_grant).where(mine).order_by(of.school, of.id))]


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        row.id, row.token, row.school, frozenset(row.scopes.split()), row.begins, row.ends, row.actor, row.reason,
        row.revoked,
    )  # fmt: skip
