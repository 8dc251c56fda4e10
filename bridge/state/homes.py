"""What the state knows of homes that the bridge makes: which roots never had a folder, and what was made or is held.

A home that is held, and the count of those that were made, stand with the school's people: there they are released.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, select

from bridge.core.model import Action, Side
from bridge.core.policy import Tally
from bridge.ports import Identity, Trouble
from bridge.state import guardbook, journal
from bridge.state.database import Database
from bridge.state.roots import BETWEEN, below
from bridge.state.tables import binding, tally, trouble, whereabouts
from bridge.state.transaction import Transaction, writing
from bridge.state.whereabouts import Known

RULE = f"guard:{Tally.CREATE}"
KIND = "folder"
#: What the journal says of a folder that the bridge is about to make, has made, or moved.
INTEND, MADE, MOVED = "intend", "create", "move"


@dataclass(frozen=True, slots=True)
class Home:
    """A home to be made: its school, its root, its owner's link and role."""

    school: str
    root: str
    link: str
    role: str


def bound(database: Database, school: str, share: str) -> Mapping[str, Known]:
    """Root's code -> the folder that it is bound to, of all roots of a share that ever were."""
    query = select(binding.c.school, binding.c.identity, whereabouts.c.filled)
    source = query.select_from(binding.outerjoin(whereabouts, whereabouts.c.school == binding.c.school))
    with database.read() as connection:
        found = connection.execute(source.where(_of(school, share)))
        return {row[0]: Known(row[1], json.loads(row[2] or "{}")) for row in found}


def known(database: Database, school: str, share: str) -> frozenset[str]:
    """The roots of a share that ever had a folder: asked for each home that waits, of all the others."""
    with database.read() as connection:
        return frozenset(connection.scalars(select(binding.c.school).where(_of(school, share))))


def _of(school: str, share: str) -> ColumnElement[bool]:
    return and_(binding.c.side == Side.SCHOOL, below(binding.c.school, f"{school}{BETWEEN}{share}"))


def made_since(database: Database, home: Home, since: datetime) -> int:
    """How many homes were made for people of a role."""
    cell = and_(tally.c.side == Side.SCHOOL, tally.c.kind == KIND, tally.c.tally == Tally.CREATE)
    mine = and_(cell, tally.c.school == home.school, tally.c.role == home.role, tally.c.at >= since)
    with database.read() as connection:
        return int(connection.scalar(select(func.sum(tally.c.number)).where(mine)) or 0)


def freed(database: Database, school: str) -> frozenset[str]:
    """The roots whose homes a person released."""
    with database.read() as connection:
        return guardbook.released(Transaction(connection, school, {}, database.clock()))


def hold(database: Database, home: Home, message: str) -> None:
    """Have a home wait for a person; it is held since it was held first."""
    with writing(database, home.school) as tx:
        if not tx.rows(select(trouble.c.link).where(trouble.c.school == home.school, trouble.c.link == home.root)):
            one = Trouble(home.root, KIND, Side.SCHOOL, Action.CREATE, home.role, RULE, message, tx.now)
            guardbook.hold(tx, [one])


def intend(database: Database, home: Home) -> None:
    """Say in the journal what is going to be made, once however often it is tried."""
    with writing(database, home.school) as tx:
        last = next(iter(journal.read(tx.connection, home.school, link=home.link, limit=1)), None)
        if last is None or (last.entry.action, last.entry.after.get("root")) != (INTEND, home.root):
            journal.append(tx, [_entry(home, INTEND, why="its owner has none at the school")])


def note(database: Database, home: Home, found: Identity) -> None:
    """A home was made: the journal says so, it counts, and nothing holds it any more."""
    with writing(database, home.school) as tx:
        head = journal.append(tx, [_entry(home, MADE, why="its owner had none at the school", anchor=found.id)])
        cell = {"side": Side.SCHOOL, "kind": KIND, "role": home.role, "tally": Tally.CREATE}
        tx.add(tally, [{**cell, "seq": head, "at": tx.now, "number": 1}])
        guardbook.use_releases(tx, [home.root])
        _free(tx, [home.root])


def note_moved(database: Database, home: Home, identity: str) -> None:
    """A home was moved to where its owner's class leads."""
    with writing(database, home.school) as tx:
        journal.append(tx, [_entry(home, MOVED, why="the place of its owner changed", anchor=identity)])


def forget(database: Database, school: str, bare: Collection[str]) -> None:
    """What is held for roots that are not without a folder any more, or not there any more, is held no longer."""
    mine = and_(trouble.c.school == school, trouble.c.kind == KIND, trouble.c.rule == RULE)
    with database.read() as connection:
        over = set(connection.scalars(select(trouble.c.link).where(mine))) - set(bare)
    if over:
        with writing(database, school) as tx:
            _free(tx, sorted(over))


def _free(tx: Transaction, roots: list[str]) -> None:
    tx.run(delete(trouble).where(trouble.c.school == tx.school, trouble.c.link.in_(roots), trouble.c.rule == RULE))


def _entry(home: Home, action: str, *, why: str, anchor: str = "") -> journal.Entry:
    after = {"root": home.root}
    outcome = "done" if action != INTEND else ""
    return journal.Entry(
        action, side=Side.SCHOOL, kind=KIND, link=home.link, anchor=anchor, reason=why, after=after, outcome=outcome
    )
