"""Whether both sides hold the same people, groups and memberships, by the links: sets compared in the database.

A person or group counts as the same where one link leads to a living record on both sides. Memberships are compared
between those, nested groups of the school followed as the mirror does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, FromClause, Select, and_, except_, exists, func, select

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.state.canonical import decode
from bridge.state.database import Database
from bridge.state.tables import link, observation, reference

PEOPLE = ("user", "group")
#: The field of a group that says who is in it.
MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class Same:
    """One kind. ``both``: on both sides; ``only_school``: owed to the cloud; ``only_cloud``: left over there.

    ``exempt``: at the school alone, and rightly: without consent. ``leaving``: in the cloud alone, being retired.
    ``mastered``: in the cloud by another synchronisation (``synced``), not by the bridge.
    """

    both: int = 0
    only_school: int = 0
    only_cloud: int = 0
    exempt: int = 0
    leaving: int = 0
    mastered: int = 0


@dataclass(frozen=True, slots=True)
class Equality:
    """All of a school."""

    kinds: Mapping[str, Same] = field(default_factory=dict)
    memberships: int = 0
    missing: int = 0
    extra: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing is on one side only."""
        alone = sum(one.only_school + one.only_cloud for one in self.kinds.values())
        return not alone and not self.missing and not self.extra


def compare(database: Database, code: str) -> Equality:
    """Count them as they were observed last."""
    with database.read() as connection:
        kinds = {kind: _same(connection, code, kind) for kind in PEOPLE}
        here, there = _at_school(code), _in_cloud(code)
        return Equality(
            kinds,
            memberships=_number(connection, here),
            missing=_number(connection, except_(here, there)),
            extra=_number(connection, except_(there, here)),
        )


def _number(connection: Connection, rows: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(rows.subquery())).scalar() or 0)


#: Both ends of a link, and how they are joined to it while they live.
NEAR, FAR = observation.alias("near"), observation.alias("far")
HERE = and_(
    NEAR.c.school == link.c.school,
    NEAR.c.side == Side.SCHOOL,
    NEAR.c.anchor == link.c.school_anchor,
    NEAR.c.gone.is_(None),
)
THERE = and_(
    FAR.c.school == link.c.school,
    FAR.c.side == Side.CLOUD,
    FAR.c.anchor == link.c.cloud_anchor,
    FAR.c.gone.is_(None),
)


def _same(connection: Connection, code: str, kind: str) -> Same:
    mine = and_(link.c.school == code, link.c.kind == kind)
    joined = link.outerjoin(NEAR, HERE).outerjoin(FAR, THERE)
    both = select(func.count()).select_from(joined).where(mine, NEAR.c.anchor.is_not(None), FAR.c.anchor.is_not(None))
    cloud = select(link.c.retired_at).select_from(joined)
    left = connection.execute(cloud.where(mine, NEAR.c.anchor.is_(None), FAR.c.anchor.is_not(None))).scalars().all()
    # Records of the school that nobody paired yet have no link at all.
    linked = and_(
        link.c.school == observation.c.school, link.c.school_anchor == observation.c.anchor, link.c.kind == kind
    )
    alone = select(observation.c.fields).select_from(observation.outerjoin(link, linked).outerjoin(FAR, THERE))
    here = and_(
        observation.c.school == code,
        observation.c.side == Side.SCHOOL,
        observation.c.kind == kind,
        observation.c.gone.is_(None),
        FAR.c.anchor.is_(None),
    )
    consent = KINDS[kind].consent
    owed = [
        not consent or decode(row).get(consent) is not False for row in connection.execute(alone.where(here)).scalars()
    ]
    leaving = sum(one is not None for one in left)
    return Same(
        both=int(connection.execute(both).scalar() or 0),
        only_school=sum(owed),
        only_cloud=len(left) - leaving,
        exempt=len(owed) - sum(owed),
        leaving=leaving,
    )


def _link_of(code: str, kind: str, side: Side, anchor: Any, name: str) -> Any:
    """The link of an anchor, if both of its ends live: looked up by keys, whatever a planner thinks of a join."""
    mine, near, far = link.alias(name), observation.alias(f"{name}_near"), observation.alias(f"{name}_far")
    own = mine.c.school_anchor if side is Side.SCHOOL else mine.c.cloud_anchor
    query = select(mine.c.id).where(mine.c.school == code, own == anchor, mine.c.kind == kind)
    for one, which, whose in ((near, Side.SCHOOL, mine.c.school_anchor), (far, Side.CLOUD, mine.c.cloud_anchor)):
        here = and_(one.c.school == code, one.c.side == which, one.c.anchor == whose, one.c.gone.is_(None))
        query = query.where(exists(select(one.c.anchor).where(here)))
    return query.scalar_subquery()


def _linked(code: str, side: Side, pairs: FromClause) -> Select[Any]:
    """(group's link, member's link) of pairs of anchors."""
    whole = _link_of(code, "group", side, pairs.c.whole, f"{side.value}_group")
    part = _link_of(code, "user", side, pairs.c.part, f"{side.value}_member")
    found = select(whole.label("whole"), part.label("part")).select_from(pairs).subquery(f"{side.value}_pairs")
    return select(found).where(found.c.whole.is_not(None), found.c.part.is_not(None)).distinct()


def _at_school(code: str) -> Select[Any]:
    """(group's link, member's link), nested groups followed."""
    closure = _direct(code, Side.SCHOOL).cte("closure", recursive=True)
    inner = reference.alias("inner_reference")
    within = and_(
        inner.c.school == code,
        inner.c.side == Side.SCHOOL,
        inner.c.field == MEMBERS,
        inner.c.anchor == closure.c.part,
    )
    closure = closure.union(select(closure.c.whole, inner.c.target).select_from(closure.join(inner, within)))
    return _linked(code, Side.SCHOOL, closure)


def _in_cloud(code: str) -> Select[Any]:
    return _linked(code, Side.CLOUD, _direct(code, Side.CLOUD).subquery("direct"))


def _direct(code: str, side: Side) -> Select[Any]:
    mine = and_(reference.c.school == code, reference.c.side == side, reference.c.field == MEMBERS)
    return select(reference.c.anchor.label("whole"), reference.c.target.label("part")).where(mine)
