"""People and groups that another synchronisation made in the cloud (Entra Connect), beside what the bridge has there.

The bridge observes nothing of them, so what the cloud says of them comes in: who is mastered, and the groups' members.

matched   those who are somebody of the school whom the bridge itself has nowhere in the cloud
counted   the comparison of both sides with them: they are there, and their memberships are compared, too
What is not certain stays missing: a SID that several carry proves nobody, a group that is gone is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, select

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.ports import Mastered
from bridge.state.canonical import decode
from bridge.state.database import Database
from bridge.state.equality import FAR, HERE, MEMBERS, NEAR, PEOPLE, THERE, Equality
from bridge.state.tables import link, observation, reference

#: (group's anchor, user's anchor), both of the school.
_Pairs = set[tuple[str, str]]


def matched(database: Database, code: str, found: Sequence[Mastered]) -> dict[str, Mastered]:
    """Anchor at the school -> who it is in the cloud: by the SID, or by the link that the bridge had before."""
    sids = Counter((one.kind, one.sid) for one in found if one.sid)
    by_sid = {(one.kind, one.sid): one for one in found if sids[one.kind, one.sid] == 1}
    by_anchor = {(one.kind, one.anchor): one for one in found}
    with database.read() as connection:
        alone = list(_alone(connection, code))
    mine = Counter((kind, sid) for _, kind, sid, _ in alone if sid)
    told: dict[str, Mastered] = {}
    for anchor, kind, sid, linked in alone:
        one = by_sid.get((kind, sid)) if mine[kind, sid] == 1 else None
        if one := one or by_anchor.get((kind, linked)):
            told[anchor] = one
    # One of the cloud that two would be is neither.
    claims = Counter(one.anchor for one in told.values())
    return {anchor: one for anchor, one in told.items() if claims[one.anchor] == 1}


def counted(
    database: Database,
    code: str,
    same: Equality,
    theirs: Mapping[str, Mastered],
    members: Mapping[str, Collection[str]],
) -> Equality:
    """``same`` with those of ``theirs`` (see ``matched``). ``members``: of each group of them that is there."""
    there = {anchor: one for anchor, one in theirs.items() if one.kind != "group" or one.anchor in members}
    if not there:
        return same
    number = Counter(one.kind for one in there.values())
    kinds = {
        kind: replace(one, only_school=one.only_school - number[kind], mastered=number[kind])
        for kind, one in same.kinds.items()
    }
    with database.read() as connection:
        here, far = _memberships(connection, code, there, members)
    return replace(
        same,
        kinds=kinds,
        memberships=same.memberships + len(here),
        missing=same.missing + len(here - far),
        extra=same.extra + len(far - here),
    )


def _alone(connection: Connection, code: str) -> Iterator[tuple[str, str, str, str]]:
    """(anchor, kind, SID, anchor in the cloud by the link) of whoever is at the school only and owed to the cloud."""
    joined = observation.outerjoin(
        link, and_(link.c.school == observation.c.school, link.c.school_anchor == observation.c.anchor)
    ).outerjoin(FAR, THERE)
    query = select(observation.c.anchor, observation.c.kind, observation.c.fields, link.c.cloud_anchor)
    query = query.select_from(joined).where(
        observation.c.school == code,
        observation.c.side == Side.SCHOOL,
        observation.c.kind.in_(PEOPLE),
        observation.c.gone.is_(None),
        FAR.c.anchor.is_(None),
    )
    for row in connection.execute(query):
        fields, consent = decode(row.fields), KINDS[row.kind].consent
        if not consent or fields.get(consent) is not False:
            yield row.anchor, row.kind, str(fields.get("sid") or ""), row.cloud_anchor or ""


def _memberships(
    connection: Connection, code: str, there: Mapping[str, Mastered], members: Mapping[str, Collection[str]]
) -> tuple[_Pairs, _Pairs]:
    """Memberships with one of them at an end, as the school and as the cloud has them; the others are compared already.

    Nested groups are followed at the school, and in the cloud within what the other synchronisation made, nested alike.
    """
    pairs = _linked(connection, code)
    ends = {kind: dict(of) for kind, of in pairs.items()}
    for anchor, one in there.items():
        ends[one.kind][one.anchor] = anchor
    mine, clouds = _direct(connection, code, Side.SCHOOL), _direct(connection, code, Side.CLOUD)
    here: _Pairs = set()
    far: _Pairs = set()
    nested, people = {**clouds, **members}, set(ends["user"].values())
    for cloud, group in ends["group"].items():
        here |= {(group, one) for one in _within(mine, group) & people if group in there or one in there}
        found = _within(nested, cloud) if group in there else set(clouds.get(cloud, ()))
        known = {ends["user"][one] for one in found & ends["user"].keys()}
        far |= {(group, one) for one in known if group in there or one in there}
    return here, far


def _linked(connection: Connection, code: str) -> dict[str, dict[str, str]]:
    """Kind -> anchor in the cloud -> anchor at the school, of links whose ends both live."""
    query = select(link.c.kind, link.c.school_anchor, link.c.cloud_anchor)
    query = query.select_from(link.join(NEAR, HERE).join(FAR, THERE)).where(
        link.c.school == code, link.c.kind.in_(PEOPLE)
    )
    found: dict[str, dict[str, str]] = {kind: {} for kind in PEOPLE}
    for row in connection.execute(query):
        found[row.kind][row.cloud_anchor] = row.school_anchor
    return found


def _direct(connection: Connection, code: str, side: Side) -> dict[str, set[str]]:
    mine = and_(reference.c.school == code, reference.c.side == side, reference.c.field == MEMBERS)
    found: dict[str, set[str]] = {}
    for row in connection.execute(select(reference.c.anchor, reference.c.target).where(mine)):
        found.setdefault(row.anchor, set()).add(row.target)
    return found


def _within(direct: Mapping[str, Collection[str]], group: str) -> set[str]:
    """All that is in a group, or in a group within it; a ring ends."""
    found: set[str] = set()
    rest = [group]
    while rest:
        fresh = set(direct.get(rest.pop(), ())) - found
        found |= fresh
        rest += fresh & direct.keys()
    return found
