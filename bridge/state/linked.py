"""What a comparison by content takes from the state: links, what rewritten bytes mean, what is held. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import func, select

from bridge.core.model import Digest, Side
from bridge.state.aliases import read, written
from bridge.state.database import Database
from bridge.state.tables import content_alias, link, trouble

_AT_ONCE = 5000


def links(database: Database, code: str) -> Iterator[tuple[str, str, str | None, str | None]]:
    """(link, kind, school's anchor, cloud's anchor) of a root, ordered by link, a few thousand at a time."""
    after = ""
    columns = (link.c.id, link.c.kind, link.c.school_anchor, link.c.cloud_anchor)
    while True:
        mine = (link.c.school == code) & (link.c.id > after)
        with database.read() as connection:
            rows = connection.execute(select(*columns).where(mine).order_by(link.c.id).limit(_AT_ONCE)).all()
        for row in rows:
            yield row.id, row.kind, row.school_anchor, row.cloud_anchor
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def meant(database: Database, code: str, side: Side, shown: Mapping[str, Digest]) -> Mapping[str, Digest]:
    """Anchor -> the digest that was agreed on, where the side shows these very bytes for it (rewritten Office)."""
    mine = (content_alias.c.school == code) & (content_alias.c.side == side)
    with database.read() as connection:
        rows = connection.execute(select(content_alias).where(mine, content_alias.c.anchor.in_(list(shown)))).all()
    return {row.anchor: read(row.agreed) for row in rows if row.seen == written(shown[row.anchor])}


def rules(database: Database, code: str, of: Sequence[str]) -> Mapping[str, str]:
    """Link -> the rule by which it is held or waits."""
    mine = (trouble.c.school == code) & trouble.c.link.in_(of)
    with database.read() as connection:
        return {row.link: row.rule for row in connection.execute(select(trouble.c.link, trouble.c.rule).where(mine))}


def licenceless(database: Database, code: str) -> int:
    """How many people got no licence: counted, not read, for there may be very many."""
    mine = (trouble.c.school == code) & trouble.c.rule.contains("licen")
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(trouble).where(mine)).scalar_one())
