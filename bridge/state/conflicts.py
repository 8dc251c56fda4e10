"""Files of which both versions were kept, until a person decides which one counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import and_, select, update

from bridge.core.kinds import Kind
from bridge.core.model import Action, Side
from bridge.ports import Done, KeptBoth
from bridge.state import journal
from bridge.state.canonical import decode
from bridge.state.tables import conflict, observation, reference
from bridge.state.transaction import Transaction

#: A tree deeper than this is broken.
_DEPTH = 400


def remember(tx: Transaction, done: Sequence[Done]) -> None:
    """Note what was cut loose from its link because both sides had changed it."""
    rows = []
    for one in done:
        operation = one.operation
        if operation.action is not Action.DETACH or operation.anchor is None:
            continue
        kind = tx.kinds[operation.kind]
        folder, name = _place(tx, operation.side, kind, operation.anchor)
        kept = str(operation.before.get(kind.label) or (operation.agree or {}).get(kind.label) or name)
        handle = f"{operation.side}\0{operation.anchor}\0{tx.now.isoformat()}".encode()
        rows.append(
            {
                "id": hashlib.blake2b(handle, digest_size=5).hexdigest(),
                "link": operation.link,
                "side": operation.side,
                "anchor": operation.anchor,
                "path": f"{folder}/{kept}",
                "copy": f"{folder}/{operation.after.get(kind.label, name)}",
                "at": tx.now,
                "resolved": None,
                "how": "",
            }
        )
    tx.put(conflict, rows)


def _place(tx: Transaction, side: Side, kind: Kind, anchor: str) -> tuple[str, str]:
    """The folder's path and the name of a record, as they are known now."""
    names: list[str] = []
    current: str | None = anchor
    while current is not None and len(names) < _DEPTH:
        here = and_(observation.c.school == tx.school, observation.c.side == side, observation.c.anchor == current)
        found = tx.rows(select(observation.c.fields).where(here))
        if not found:
            break
        names.append(str(decode(found[0].fields).get(kind.label) or ""))
        above = and_(reference.c.school == tx.school, reference.c.side == side, reference.c.anchor == current)
        parents = tx.rows(select(reference.c.target).where(above, reference.c.field == (kind.parent or "")))
        current = parents[0].target if parents else None
    return "".join(f"/{name}" for name in reversed(names[1:])), names[0] if names else ""


def listed(tx: Transaction, *, resolved: bool) -> list[KeptBoth]:
    """Conflicts, the oldest first."""
    there = and_(
        observation.c.school == conflict.c.school,
        observation.c.side == conflict.c.side,
        observation.c.anchor == conflict.c.anchor,
        observation.c.gone.is_(None),
    )
    query = select(conflict, observation.c.version).select_from(conflict.outerjoin(observation, there))
    query = query.where(conflict.c.school == tx.school).order_by(conflict.c.at, conflict.c.id)
    if not resolved:
        query = query.where(conflict.c.resolved.is_(None))
    return [
        KeptBoth(
            id=row.id,
            link=row.link,
            side=Side(row.side),
            anchor=row.anchor,
            path=row.path,
            copy=row.copy,
            at=row.at,
            resolved=row.resolved,
            how=row.how,
            version=row.version,
        )
        for row in tx.rows(query)
    ]


def decide(tx: Transaction, of: str, *, how: str, actor: str, reason: str) -> None:
    """Note what a person decided; KeyError when there is no such conflict, or it is done with."""
    mine = and_(conflict.c.school == tx.school, conflict.c.id == of)
    known = tx.rows(select(conflict.c.link).where(mine, conflict.c.resolved.is_(None)))
    if not known:
        raise KeyError(of)
    tx.run(update(conflict).where(mine).values(how=how))
    after = {"conflict": of, "how": how}
    journal.append(tx, [journal.Entry("decide", actor=actor, link=known[0].link, reason=reason, after=after)])


def resolve(tx: Transaction, of: str) -> None:
    """What was decided is done."""
    tx.run(update(conflict).where(conflict.c.school == tx.school, conflict.c.id == of).values(resolved=tx.now))
