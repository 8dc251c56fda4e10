"""Schools whose state was put back from a backup: noted, compared in full, ended by a person.

note    a row for the school and one for each of its roots, all tokens dropped, releases of before not good any more
mark    a side was read in full since (``recovered``)
end     by a person; what was held meanwhile is due again

The law of what waits meanwhile is ``bridge.core.recovery``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, null, or_, select, update

from bridge.core.model import Side
from bridge.core.recovery import RULE
from bridge.ports import ConfigurationError
from bridge.state import journal
from bridge.state.database import Database
from bridge.state.fleet_tables import restored
from bridge.state.guardbook import unhold
from bridge.state.recovered import Standing, read
from bridge.state.roots import below, roots_of, unhold_in_roots
from bridge.state.tables import release, school, token
from bridge.state.transaction import Transaction, writing

#: The action of the journal's rows.
NOTED, ENDED = "restored", "restored end"
#: Roots that a message names.
_NAMED = 5


def note(database: Database, codes: Iterable[str], *, reason: str, actor: str = "bridge", still: bool = False) -> None:
    """The state of these schools is older than what they did: compare in full, delete nothing. A second time: no more.

    ``still``: write nothing at all, because the school may be in a later stage than this state knows; that can be
    added to a row that stands already.
    """
    for code in dict.fromkeys(codes):
        with writing(database, code) as tx:
            _note(tx, reason=reason, actor=actor, still=still)


def _note(tx: Transaction, *, reason: str, actor: str, still: bool) -> None:
    standing = {one.code: one for one in _standing(tx)}
    here = standing.get(tx.school)
    if here is not None and (here.still or not still):
        return
    roots = roots_of(tx.connection, tx.school)
    fresh = [code for code in (tx.school, *roots) if code not in standing]
    row = {"at": tx.now, "reason": reason, "compared": "", "still": still}
    tx.run(restored.insert(), ({"school": code, **row} for code in fresh))
    if here is not None:
        tx.run(update(restored).where(_mine(restored.c.school, tx.school)).values(still=True))
    if fresh:
        whole = and_(token.c.value.is_not(None), token.c.listing.is_(False))
        kept: Any = case((whole, token.c.value), else_=token.c.recall)
        tx.run(update(token).where(_mine(token.c.school, tx.school)).values(recall=kept, value=null(), listing=False))
        # What was released before the backup may have been used since: it must not pass the guard once more.
        unused = and_(_mine(release.c.school, tx.school), release.c.used.is_(None))
        tx.run(update(release).where(unused).values(used=tx.now))
    if tx.rows(select(school.c.code).where(school.c.code == tx.school, school.c.journal_seq > 0)):
        # A school that was never met has no journal yet; its first row is how it is met.
        after = {"roots": len(roots), "still": still}
        journal.append(tx, [journal.Entry(NOTED, actor=actor, reason=reason, after=after, outcome="noted")])


def _mine(column: ColumnElement[str], code: str) -> ColumnElement[bool]:
    """Rows of a school and of all its roots."""
    return or_(column == code, below(column, code))


def _standing(tx: Transaction) -> list[Standing]:
    """The school's row first."""
    query = select(restored).where(_mine(restored.c.school, tx.school)).order_by(restored.c.school)
    return [read(row) for row in tx.rows(query)]


def standing(database: Database, code: str) -> Sequence[Standing]:
    """All rows of a school, its own first; empty where nothing was put back, or a person ended it."""
    with database.read() as connection:
        return _standing(Transaction(connection, code, {}, database.clock()))


def end(
    database: Database, code: str, *, roots: Collection[str], actor: str, reason: str, leave: bool = False
) -> Sequence[Standing]:
    """A person says that all is right: what was held is due again. What goes on waiting, of roots that were not read.

    ``roots``: the codes of those that there are now; others need not be compared. ``leave``: roots that could not be
    read in full yet go on waiting. Raises ConfigurationError, and changes nothing, before all was compared.
    """
    with writing(database, code) as tx:
        rows = [one for one in _standing(tx) if one.code == code or one.code in roots]
        if not rows:
            raise ConfigurationError(f"{code}: the state was not put back from a backup, or that was ended already")
        left = [one for one in rows if not one.whole]
        if left and (not leave or left[0].code == code):
            raise ConfigurationError(_not_yet(code, left))
        staying = [one.code for one in left]
        gone = and_(_mine(restored.c.school, code), restored.c.school.not_in(staying))
        tx.run(delete(restored).where(gone))
        unhold(tx, RULE)
        after = {"since": rows[0].at.isoformat(), "left": len(left)}
        journal.append(tx, [journal.Entry(ENDED, actor=actor, reason=reason, after=after, outcome="ended")])
    unhold_in_roots(database, code, RULE)
    return left


def _not_yet(code: str, left: Sequence[Standing]) -> str:
    named = "; ".join(
        f"{one.code}: not the {' and the '.join(side for side in Side if side not in one.compared)}"
        for one in left[:_NAMED]
    )
    more = f"; and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    after = "" if left[0].code == code else ", or end it for all others with --leave"
    return (
        f"{code}: not everything was read in full since the state was put back ({named}{more}). Expected: both sides "
        f"of the school and of all its folders. Nothing was changed. Let the bridge run until they are read; what "
        f"holds it up stands in schoolbridge status{after}"
    )
