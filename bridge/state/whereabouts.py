"""Which folder each root was mirrored with, and where it was proved to lie at last.

The place is kept as what its placeholders stood for (``class`` -> ``5a``): it is looked for by the configuration that
holds now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import and_, select

from bridge.core.model import Side
from bridge.state.database import Database
from bridge.state.roots import BETWEEN, below
from bridge.state.tables import binding, link, whereabouts
from bridge.state.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Known:
    """``identity`` of the folder that the root was bound to, None before it ever was; ``filled``: the last place."""

    identity: str | None = None
    filled: Mapping[str, str] = field(default_factory=dict)


def recall(database: Database, code: str) -> Known:
    """What is known of a root."""
    bound = select(binding.c.identity).where(binding.c.school == code, binding.c.side == Side.SCHOOL)
    place = select(whereabouts.c.filled).where(whereabouts.c.school == code)
    with database.read() as connection:
        return Known(connection.scalar(bound), json.loads(connection.scalar(place) or "{}"))


def keep(database: Database, code: str, filled: Mapping[str, str]) -> None:
    """Remember where a root was proved to lie."""
    with database.write() as connection:
        tx = Transaction(connection, code, {}, database.clock())
        tx.put(whereabouts, [{"filled": json.dumps(filled, sort_keys=True)}])


def others(database: Database, code: str, identity: str) -> Mapping[str, Mapping[str, str]]:
    """Other roots of the same share that are bound to a folder of this identity, and where they lay at last.

    Owner's link -> what the placeholders stood for; only of owners who live on both sides.
    """
    school, share, mine = code.split(BETWEEN, 2)
    prefix = f"{school}{BETWEEN}{share}{BETWEEN}"
    same = and_(
        binding.c.side == Side.SCHOOL,
        binding.c.identity == identity,
        below(binding.c.school, f"{school}{BETWEEN}{share}"),
    )
    query = select(binding.c.school, whereabouts.c.filled).join(whereabouts, whereabouts.c.school == binding.c.school)
    with database.read() as connection:
        rows = connection.execute(query.where(same)).all()
        found = {row.school.removeprefix(prefix): row.filled for row in rows}
        here = and_(link.c.school == school, link.c.id.in_(sorted(found)), link.c.retired_at.is_(None))
        both = and_(link.c.school_anchor.is_not(None), link.c.cloud_anchor.is_not(None))
        living = set(connection.scalars(select(link.c.id).where(here, both)))
    return {owner: json.loads(filled) for owner, filled in found.items() if owner in living - {mine}}
