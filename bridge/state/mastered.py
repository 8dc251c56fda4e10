"""Which objects of the cloud were given to it, or are about to be, though the school's directory mastered them there.

Noted before the cloud is asked: after a crash too much may be noted, never too little. Giving back what was never taken
does no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from bridge.core.cutover import STAGES, Stage
from bridge.core.kinds import Authority
from bridge.core.model import Side
from bridge.ports import Mastered, chunks
from bridge.state import journal
from bridge.state.canonical import decode
from bridge.state.cutover_tables import mastered
from bridge.state.database import Database
from bridge.state.tables import link, observation, school
from bridge.state.transaction import BATCH, Transaction, writing

_KINDS = ("user", "group")


def identifiers(database: Database, code: str) -> Mapping[str, str]:
    """Identifier at the school (SID) -> kind, of all people and groups that are there now."""
    mine = (observation.c.school == code) & (observation.c.side == Side.SCHOOL) & observation.c.gone.is_(None)
    query = select(observation.c.kind, observation.c.fields).where(mine, observation.c.kind.in_(_KINDS))
    with database.read() as connection:
        rows = ((row.kind, decode(row.fields).get("sid")) for row in connection.execute(query))
        return {str(sid): kind for kind, sid in rows if sid}


def linked(database: Database, code: str) -> frozenset[str]:
    """Anchors in the cloud of everybody who is linked."""
    mine = (link.c.school == code) & link.c.cloud_anchor.is_not(None) & link.c.kind.in_(_KINDS)
    with database.read() as connection:
        return frozenset(connection.execute(select(link.c.cloud_anchor).where(mine)).scalars())


def remember(database: Database, code: str, found: Sequence[Mastered]) -> None:
    """Note these beside those that are noted. On the disk when it returns."""
    with writing(database, code) as tx:
        tx.add(mastered, [{"anchor": one.anchor, "kind": one.kind, "at": tx.now} for one in found])


def remembered(database: Database, code: str) -> Sequence[Mastered]:
    """All that is noted."""
    with database.read() as connection:
        query = select(mastered).where(mastered.c.school == code).order_by(mastered.c.anchor)
        return [Mastered(row.anchor, row.kind) for row in connection.execute(query)]


def owed(database: Database, code: str) -> tuple[int, datetime | None]:
    """How many are noted though by the stage the school's directory masters them again; since when it does."""
    with database.read() as connection:
        number = connection.execute(select(func.count()).where(mastered.c.school == code)).scalar()
        row = connection.execute(select(school.c.stage, school.c.stage_since).where(school.c.code == code)).first()
    if not number or row is None:
        return 0, None
    stage = STAGES[Stage(row.stage)]
    # While it is frozen they may be on their way to the cloud.
    back = stage.authority is Authority.SCHOOL and not stage.school_frozen
    return (int(number), row.stage_since) if back else (0, None)


def refused(database: Database, code: str, anchors: Iterable[str]) -> None:
    """These were not given to the cloud, it said so: nothing has to be given back."""
    with writing(database, code) as tx:
        _forget(tx, code, anchors)


def given_back(database: Database, code: str, done: Sequence[Mastered]) -> None:
    """These are the school's again: forgotten, and one line of the journal with their number."""
    with writing(database, code) as tx:
        _forget(tx, code, (one.anchor for one in done))
        entry = journal.Entry(
            "source of authority", actor="bridge", side=Side.CLOUD.value, after={"of": "school", **counted(done)},
            reason="the cutover was taken back", outcome="done",
        )  # fmt: skip
        journal.append(tx, [entry])


def _forget(tx: Transaction, code: str, anchors: Iterable[str]) -> None:
    for some in chunks(list(anchors), BATCH):
        tx.run(delete(mastered).where(mastered.c.school == code, mastered.c.anchor.in_(some)))


def counted(found: Sequence[Mastered]) -> dict[str, int]:
    """How many of each kind: ``users``, ``groups``."""
    number = Counter(one.kind for one in found)
    return {f"{kind}s": number[kind] for kind in _KINDS}
