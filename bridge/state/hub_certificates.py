"""Certificates of sites: issued for a ticket, renewed, and whether somebody who shows one may speak."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update

from bridge.fleet.certificates import Issued
from bridge.ports import ConfigurationError
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_certificate, hub_site
from bridge.state.hub_journal import HUB, alone, note, under
from bridge.state.hub_sites import digest, locked, revoke_certificates
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

#: So many certificates a site may get within an hour: one that asks in a circle must not fill the database.
_HOURLY = 10


class Unknown(Exception):
    """A ticket or site that is not known; says no more, so that nobody learns names of sites by trying."""


class TooMany(Exception):
    """The site got as many certificates as it may within an hour."""


def enrolled(
    database: Database, site: str, *, secret: str, request: str, issue: Callable[[], Issued]
) -> tuple[Issued, list[str]]:
    """Take a ticket and issue a certificate; with the site's schools. Its older certificates are good no more.

    The ticket is good once: again only with the same ``request``, for a site that never got the answer. Raises Unknown
    where the ticket is not good, whatever the reason, and what ``issue`` raises; nothing is changed then.
    """
    with database.write() as connection:
        now = database.clock()
        row = locked(connection, [site]).get(site)
        kept, _, used = (row.ticket if row else "").partition(" ")
        same = hmac.compare_digest(digest(secret), kept or digest(secrets.token_urlsafe(24)))
        if not same or row is None or row.revoked is not None or not row.ticket_expires or now >= row.ticket_expires:
            raise Unknown
        if used and not hmac.compare_digest(used, digest(request)):
            raise Unknown
        issued = issue()
        _bounded(connection, site, now)
        revoke_certificates(connection, site, now, "enrolled anew")
        _keep(connection, site, issued, now)
        ticket = f"{kept} {digest(request)}"
        connection.execute(update(hub_site).where(hub_site.c.site == site).values(ticket=ticket))
        codes = row.schools.split()
        entry = Entry("enrol site", actor=f"site:{site}", anchor=site, after={"certificate": issued.serial})
        note(connection, now, under(codes, entry))
    return issued, codes


def bind(database: Database, fingerprint: str, public: str, expires: datetime) -> None:
    """Remember by which authority and key this hub speaks, once; every process has to have the same.

    Raises ConfigurationError where they are others: sites would be refused, or refuse what they are asked.
    """
    known = bound(database)
    if known is None:
        with database.write() as connection:
            row = {"serial": fingerprint, "site": "", "made": database.clock(), "expires": expires, "reason": public}
            alone(connection)
            if _bound(connection) is None:
                connection.execute(hub_certificate.insert(), row)
            known = _bound(connection)
    if known is not None and known != (fingerprint, public):
        raise ConfigurationError(
            f"the hub's keys are not those of its database: expected the authority {known[0][:16]}…, found "
            f"{fingerprint[:16]}…. Every process of a hub needs the same keys: copy the directory `kept` of the one "
            f"that was set up first (mode 0600), or put it back from a backup"
        )


def bound(database: Database) -> tuple[str, str] | None:
    """Fingerprint and public key that the database belongs to; None while nobody was ever bound to it."""
    with database.read() as connection:
        return _bound(connection)


def _bound(connection: Connection) -> tuple[str, str] | None:
    row = connection.execute(select(hub_certificate).where(hub_certificate.c.site == "")).first()
    return None if row is None else (row.serial, row.reason)


def renewed(database: Database, site: str, *, issue: Callable[[], Issued]) -> tuple[Issued, list[str]]:
    """Issue another certificate to a site that proved itself by one; the older one is good until it ends.

    Raises Unknown where the site is revoked or there is none, TooMany, and what ``issue`` raises.
    """
    with database.write() as connection:
        now = database.clock()
        row = locked(connection, [site]).get(site)
        if row is None or row.revoked is not None:
            raise Unknown
        _bounded(connection, site, now)
        issued = issue()
        _keep(connection, site, issued, now)
        codes = row.schools.split()
        entry = Entry("renew certificate", actor=f"site:{site}", anchor=site, after={"certificate": issued.serial})
        note(connection, now, {HUB: [entry]})
    return issued, codes


def _bounded(connection: Connection, site: str, now: datetime) -> None:
    recent = (hub_certificate.c.site == site) & (hub_certificate.c.made > now - timedelta(hours=1))
    if connection.execute(select(func.count()).select_from(hub_certificate).where(recent)).scalar_one() >= _HOURLY:
        raise TooMany


def _keep(connection: Connection, site: str, issued: Issued, now: datetime) -> None:
    row = {"serial": issued.serial, "site": site, "made": now, "expires": issued.expires}
    Transaction(connection, "", {}, now).run(hub_certificate.insert(), [row])


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a site may speak: ``why`` not, empty where it may; the schools that are its own."""

    why: str
    schools: frozenset[str] = frozenset()


def standing(database: Database, site: str, serial: str) -> Standing:
    """As of now, from the database."""
    with database.read() as connection:
        row = connection.execute(select(hub_site).where(hub_site.c.site == site)).first()
        bad = connection.execute(
            select(hub_certificate.c.revoked).where(hub_certificate.c.serial == serial)
        ).scalar()  # fmt: skip
    if row is None or row.revoked is not None or bad is not None:
        return Standing(refusal(site, known=row is not None))
    return Standing("", frozenset(row.schools.split()))


def refusal(site: str, *, known: bool) -> str:
    """What a site is told that may not speak."""
    what = "the certificate of this site was revoked" if known else "this hub knows no site of this name"
    return f"{what} ({site}). If that is wrong, enrol it again: at the hub `schoolbridge hub enrol {site}`, then here"


def revoked(database: Database) -> tuple[set[str], set[str]]:
    """Names of sites and serials of certificates (not ended yet) that may speak no more."""
    with database.read() as connection:
        names = connection.execute(select(hub_site.c.site).where(hub_site.c.revoked.is_not(None))).scalars()
        ended = hub_certificate.c.revoked.is_not(None) & (hub_certificate.c.expires > database.clock())
        return set(names), set(connection.execute(select(hub_certificate.c.serial).where(ended)).scalars())
