"""How much of what a side says is not believed yet: it contradicts a write of the last minutes (a replica's lag)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_, func, select

from bridge.core.model import Side
from bridge.state.database import Database
from bridge.state.tables import observation


def doubts(database: Database, code: str) -> Mapping[Side, int]:
    """Side -> records that it shows otherwise, or no more, than the bridge wrote them shortly before."""
    mine = and_(observation.c.school == code, observation.c.doubt_until.is_not(None))
    query = select(observation.c.side, func.count()).where(mine).group_by(observation.c.side)
    with database.read() as connection:
        return {Side(side): int(number) for side, number in connection.execute(query)}
