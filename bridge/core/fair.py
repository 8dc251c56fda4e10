"""Shares a budget among sites: nobody less than a floor, nobody more than it wants, all together no more than it is.

target   max-min fair (water filling): who wants less than the level gets what it wants, all others the level
given    a site may go by an older, larger allowance until that ends: only what is free is given on top

What was promised to a site counts until it can't be spent any more: to the end of the promise, and for one window of
the service's after it. So the sum is right at every moment, whatever arrives late or never.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: How long a promise lasts.
LASTS = timedelta(minutes=3)
#: Budget -> how long the service counts what was spent (Graph throttling limits; SharePoint's for files).
COUNTED = {
    "directory": timedelta(seconds=10),
    "writes": timedelta(seconds=150),
    "files": timedelta(seconds=60),
}  # fmt: skip
#: The part of an equal share that a site gets even if it wants nothing: enough to begin with.
FLOOR = 0.1


def tenant_key(tenant: str) -> str:
    """What a tenant is called between sites and hub: not its id, which is nobody's business on the way."""
    return hashlib.sha256(b"schoolbridge tenant\n" + tenant.strip().lower().encode()).hexdigest()[:32]


def shares(wanted: Mapping[str, float], limit: float, *, floor: float = 0.0) -> dict[str, float]:
    """Max-min fair shares of ``limit``; in sum never more. ``floor``: for everybody, at most an equal share."""
    if not wanted:
        return {}
    least = min(floor, limit / len(wanted))
    rest, given = limit, dict[str, float]()
    for place, name in enumerate(sorted(wanted, key=lambda one: (wanted[one], one))):
        level = rest / (len(wanted) - place)
        given[name] = max(0.0, min(max(wanted[name], least), level))
        rest -= given[name]
    return given


@dataclass(frozen=True, slots=True)
class Promise:
    """So much a minute until ``until``; it counts until ``counts``."""

    given: float
    until: datetime
    counts: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """One site's: what it wants a minute, and all promises that may still be spent."""

    wanted: float
    promises: tuple[Promise, ...] = ()

    def held(self, now: datetime) -> float:
        """The most that it may spend by any of its promises."""
        return max((one.given for one in self.promises if one.counts > now), default=0.0)


def confirmed(account: Account, by: datetime | None, *, now: datetime, counted: timedelta) -> Account:
    """The site goes by the promise that ends ``by``: older ones it will not use again; what is over is forgotten."""
    kept = [
        Promise(one.given, one.until, min(one.counts, now + counted)) if by is not None and one.until < by else one
        for one in account.promises
        if one.counts > now
    ]
    return Account(account.wanted, tuple(kept))


def promised(
    accounts: Mapping[str, Account],
    asked: Sequence[str],
    limit: float,
    *,
    now: datetime,
    counted: timedelta,
) -> dict[str, Promise]:
    """A new promise for each site in ``asked``, all of them in ``accounts``; all together at most ``limit``."""
    floor = FLOOR * limit / max(1, len(accounts))
    target = shares({name: one.wanted for name, one in accounts.items()}, limit, floor=floor)
    held = {name: one.held(now) for name, one in accounts.items()}
    free = max(0.0, limit - sum(held.values()))
    more = shares({name: max(0.0, target[name] - held[name]) for name in asked}, free)
    until = now + LASTS
    return {name: Promise(min(target[name], held[name] + more[name]), until, until + counted) for name in asked}
