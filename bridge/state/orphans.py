"""Accounts that carry our source anchor although nobody at the school does: asked only when a person looks.

Such an account is left when it was created, the answer got lost, and the pupil left before the next cycle: no link
ever joined it to anybody. It is shown and never deleted: only a person can know whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, or_, select

from bridge.core.model import Side
from bridge.state.canonical import decode
from bridge.state.tables import key, link, observation, token
from bridge.state.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Orphan:
    """A living, enabled account of the cloud whose ``source_anchor`` no living record of the school carries."""

    kind: str
    anchor: str
    source_anchor: str


def orphans(tx: Transaction) -> Sequence[Orphan]:
    """All of them, by anchor; none before the school was listed to its end once.

    Accounts of leavers are not among them: their links remember whom they belonged to.
    """
    mine = and_(token.c.school == tx.school, token.c.side == Side.SCHOOL)
    listed = tx.rows(select(token.c.side).where(mine, or_(token.c.value.is_not(None), token.c.recall.is_not(None))))
    if not listed or tx.rows(select(token.c.side).where(mine, token.c.listing.is_(True))):
        return []
    switches = {kind.name: kind.switch for kind in tx.kinds.values() if kind.switch and "source_anchor" in kind.keys}
    twin, theirs = key.alias("twin"), observation.alias("theirs")
    alive = exists().where(
        twin.c.school == key.c.school,
        twin.c.side == Side.SCHOOL,
        twin.c.kind == key.c.kind,
        twin.c.name == key.c.name,
        twin.c.value == key.c.value,
        theirs.c.school == twin.c.school,
        theirs.c.side == twin.c.side,
        theirs.c.anchor == twin.c.anchor,
        theirs.c.gone.is_(None),
    )
    known = exists().where(
        link.c.school == key.c.school, link.c.cloud_anchor == key.c.anchor, link.c.school_anchor.is_not(None)
    )
    here = and_(
        observation.c.school == key.c.school, observation.c.side == key.c.side, observation.c.anchor == key.c.anchor
    )
    wanted = and_(
        key.c.school == tx.school,
        key.c.side == Side.CLOUD,
        key.c.name == "source_anchor",
        key.c.value != "",
        key.c.kind.in_(sorted(switches)),
        observation.c.gone.is_(None),
        ~known,
        ~alive,
    )
    columns = (key.c.kind, key.c.anchor, observation.c.fields)
    found = []
    for row in tx.rows(select(*columns).select_from(key.join(observation, here)).where(wanted).order_by(key.c.anchor)):
        fields = decode(row.fields)
        if fields.get(switches[row.kind]) is not False:
            found.append(Orphan(row.kind, row.anchor, str(fields.get("source_anchor") or "")))
    return found
