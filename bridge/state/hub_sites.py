"""The sites of a hub: invited, enrolled, given schools, revoked. What is changed here is journaled."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from bridge.ports import ConfigurationError
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_certificate, hub_command, hub_site
from bridge.state.hub_journal import alone, note, under
from bridge.state.hub_orders import OPEN, take_back
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

#: How long a ticket is good.
TICKET = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Site:
    """What is known of a site. ``expires``: the end of its newest certificate. ``ahead``: its clock, in seconds."""

    name: str
    label: str
    schools: tuple[str, ...]
    made: datetime
    ticket_expires: datetime | None
    epoch: int
    seq: int
    missing: int
    heard: datetime | None
    ahead: float
    version: str
    revoked: datetime | None
    expires: datetime | None

    def state(self, now: datetime) -> str:
        """``revoked``, ``enrolled``, ``expired`` (its certificate), ``invited`` or ``lapsed`` (its ticket)."""
        if self.revoked is not None:
            return "revoked"
        if self.expires is not None:
            return "enrolled" if now < self.expires else "expired"
        return "invited" if self.ticket_expires is not None and now < self.ticket_expires else "lapsed"


def sites(database: Database) -> list[Site]:
    """All sites by name."""
    newest = (
        select(hub_certificate.c.site, func.max(hub_certificate.c.expires).label("expires"))
        .where(hub_certificate.c.revoked.is_(None))
        .group_by(hub_certificate.c.site)
        .subquery()
    )
    query = select(hub_site, newest.c.expires).outerjoin(newest, newest.c.site == hub_site.c.site)
    with database.read() as connection:
        return [_site(row) for row in connection.execute(query.order_by(hub_site.c.site))]


def site_of_school(database: Database, code: str) -> str | None:
    """The name of the site that looks after a school."""
    with database.read() as connection:
        return _owners(connection).get(code)


def _site(row: Row[Any]) -> Site:
    return Site(
        name=row.site, label=row.label, schools=tuple(row.schools.split()), made=row.made,
        ticket_expires=row.ticket_expires, epoch=row.epoch, seq=row.seq, missing=row.missing, heard=row.heard,
        ahead=row.ahead, version=row.version, revoked=row.revoked, expires=row.expires,
    )  # fmt: skip


def _owners(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(hub_site.c.site, hub_site.c.schools))
    return {code: row.site for row in rows for code in row.schools.split()}


def locked(connection: Connection, names: Iterable[str]) -> dict[str, Row[Any]]:
    """Rows of sites, locked until the transaction ends; in the order of their names, so nobody waits in a circle."""
    wanted = sorted(set(names))
    query = select(hub_site).where(hub_site.c.site.in_(wanted)).order_by(hub_site.c.site).with_for_update()
    return {row.site: row for row in connection.execute(query)}


def invite(database: Database, site: str, *, schools: Sequence[str], label: str, actor: str) -> str:
    """Invite a site, a new one or again; the secret of its ticket, which is known to nobody afterwards.

    Again: schools are added, and an older ticket is good no more. Raises ConfigurationError where a school is another
    site's; nothing is changed then.
    """
    secret = secrets.token_urlsafe(24)
    with database.write() as connection:
        alone(connection)
        now, owners = database.clock(), _owners(connection)
        for code in schools:
            if owners.get(code, site) != site:
                raise ConfigurationError(
                    f"the school {code} belongs to the site {owners[code]}. Nothing was changed. To move it: "
                    f"schoolbridge hub assign {code} {site} --reason ..."
                )
        old = locked(connection, [site]).get(site)
        before = old.schools.split() if old else []
        codes = sorted({*before, *schools})
        former = sorted({*(old.former.split() if old else [])} - {*codes})
        row = {
            "label": label or (old.label if old else ""), "schools": " ".join(codes), "former": " ".join(former),
            "ticket": digest(secret), "ticket_expires": now + TICKET, "revoked": None,
        }  # fmt: skip
        tx = Transaction(connection, "", {}, now)
        if old:
            tx.run(update(hub_site).where(hub_site.c.site == site).values(row))
        else:
            tx.run(tx.insert(hub_site), [{**row, "site": site, "made": now}])
        entry = Entry("invite site", actor=actor, anchor=site, after={"site": site, "schools": codes})
        note(connection, now, under(codes, entry))
    return secret


def assign(database: Database, code: str, site: str, *, actor: str, reason: str) -> str | None:
    """Give a school to a site; the site that had it before. Commands to that one that wait are withdrawn.

    Raises ConfigurationError where there is no such site.
    """
    with database.write() as connection:
        alone(connection)
        now, before = database.clock(), _owners(connection).get(code)
        rows = locked(connection, [site, *([before] if before else [])])
        if site not in rows:
            raise ConfigurationError(
                f"no site is called {site}; {_known(connection)}. Nothing was changed. To invite it: schoolbridge hub "
                f"enrol {site} --school {code}"
            )
        if before == site:
            return before
        if before is not None:
            _set(connection, rows[before], remove=code)
            mine = (hub_command.c.school == code) & (hub_command.c.site == before)
            names = connection.scalars(select(hub_command.c.id).where(mine, hub_command.c.state.in_(OPEN))).all()
            said = f"the school was given to the site {site}"
            take_back(connection, names, at=now, actor=actor, reason=said)
        _set(connection, rows[site], add=code)
        entry = Entry(
            "assign school", actor=actor, anchor=site, reason=reason, before={"site": before or ""},
            after={"site": site},
        )  # fmt: skip
        note(connection, now, under([code], entry))
    return before


def _known(connection: Connection) -> str:
    names = connection.execute(select(hub_site.c.site).order_by(hub_site.c.site).limit(20)).scalars().all()
    return f"there are {', '.join(names)}" if names else "there is none yet"


def _set(connection: Connection, row: Row[Any], *, add: str = "", remove: str = "") -> None:
    """A school that was taken away is remembered: what its old site told before it heard of that does no harm."""
    codes = ({*row.schools.split()} | {add}) - {remove, ""}
    former = ({*row.former.split()} | {remove}) - {add, ""}
    connection.execute(
        update(hub_site)
        .where(hub_site.c.site == row.site)
        .values(schools=" ".join(sorted(codes)), former=" ".join(sorted(former)))
    )


def revoke(database: Database, site: str, *, actor: str, reason: str) -> bool:
    """Let a site in no more, whatever certificate it has; whether there is such a site. Again: nothing changes."""
    with database.write() as connection:
        alone(connection)
        row = locked(connection, [site]).get(site)
        if row is None or row.revoked is not None:
            return row is not None
        now = database.clock()
        connection.execute(
            update(hub_site).where(hub_site.c.site == site).values(revoked=now, ticket="", ticket_expires=None)
        )
        revoke_certificates(connection, site, now, reason)
        entry = Entry("revoke site", actor=actor, anchor=site, reason=reason, before={"site": site})
        note(connection, now, under(row.schools.split(), entry))
    return True


def revoke_certificates(connection: Connection, site: str, now: datetime, reason: str) -> None:
    """End all certificates of a site."""
    good = (hub_certificate.c.site == site) & hub_certificate.c.revoked.is_(None)
    connection.execute(update(hub_certificate).where(good).values(revoked=now, reason=reason))


def digest(secret: str) -> str:
    """What is kept of a ticket's secret: with 192 random bits a slow hash would serve an attacker alone."""
    return hashlib.sha256(secret.encode()).hexdigest()
