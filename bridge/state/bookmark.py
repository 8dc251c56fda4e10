"""The token of each side: from where to go on, and what the last one was.

A dropped token is kept as ``recall``: nothing is concluded from it any more, but the connector may need what it knew
of the configured places (see ``bridge.ports.Connector.observe``).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, null, select, update

from bridge.core.model import Side
from bridge.ports import Page
from bridge.state.tables import token
from bridge.state.transaction import MINE, SIDE, Transaction

_TOKEN = select(token.c.value, token.c.listing).where(token.c.school == MINE, token.c.side == SIDE)


def _mine(tx: Transaction, side: Side) -> ColumnElement[bool]:
    return and_(token.c.school == tx.school, token.c.side == side)


def current(tx: Transaction, side: Side) -> str | None:
    """The token to go on from."""
    known = tx.rows(_TOKEN, of_side=side)
    return known[0].value if known else None


def recall(tx: Transaction, side: Side) -> str | None:
    """The last token that did not lie inside a listing, be it good or dropped."""
    known = tx.rows(select(token.c.value, token.c.listing, token.c.recall).where(_mine(tx, side)))
    if not known:
        return None
    row = known[0]
    said: str | None = row.recall if row.value is None or row.listing else row.value
    return said


def resumes(tx: Transaction, side: Side) -> bool:
    """Whether the token lies inside a full listing."""
    return bool(tx.rows(select(token.c.side).where(_mine(tx, side), token.c.listing.is_(True))))


def drop(tx: Transaction, side: Side) -> None:
    """Go on from nowhere; what the token was is kept."""
    whole = and_(token.c.value.is_not(None), token.c.listing.is_(False))
    kept: Any = case((whole, token.c.value), else_=token.c.recall)
    tx.run(update(token).where(_mine(tx, side)).values(recall=kept, value=null(), listing=False))


def keep(tx: Transaction, side: Side, page: Page) -> None:
    """Go on from behind this page; writes only what is new."""
    if page.token is None:
        return
    listing = page.listing and not page.complete
    known = tx.rows(_TOKEN, of_side=side)
    if known and tuple(known[0]) == (page.token, listing):
        return
    if listing and known and not known[0].listing and known[0].value is not None:
        drop(tx, side)  # a listing begins although the token was good: what that one knew must outlive it
    tx.put(token, [{"side": side, "value": page.token, "listing": listing}])
