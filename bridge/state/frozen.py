"""The permissions of a root's objects as they were before it was frozen: see ``bridge.ports.KeptModes``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import delete, select

from bridge.ports import Mode, chunks
from bridge.state.cutover_tables import frozen
from bridge.state.database import Database
from bridge.state.roots import below
from bridge.state.transaction import BATCH, Transaction


class Modes:
    """Those of one root."""

    def __init__(self, database: Database, code: str) -> None:
        self._database, self._code = database, code

    def any(self) -> bool:
        with self._database.read() as connection:
            query = select(frozen.c.handle).where(frozen.c.school == self._code).limit(1)
            return connection.execute(query).first() is not None

    def remember(self, modes: Sequence[Mode]) -> None:
        with self._database.write() as connection:
            tx = Transaction(connection, self._code, {}, self._database.clock())
            tx.put(frozen, [{"handle": one.handle, "was": one.was, "mode": one.now} for one in modes])

    def recall(self, handles: Iterable[str]) -> Mapping[str, Mode]:
        found: dict[str, Mode] = {}
        with self._database.read() as connection:
            for some in chunks(list(handles), BATCH):
                mine = (frozen.c.school == self._code) & frozen.c.handle.in_(some)
                for row in connection.execute(select(frozen).where(mine)):
                    found[row.handle] = Mode(row.handle, row.was, row.mode)
        return found

    def forget(self, handles: Iterable[str] | None = None) -> None:
        mine = frozen.c.school == self._code
        with self._database.write() as connection:
            if handles is None:
                connection.execute(delete(frozen).where(mine))
                return
            for some in chunks(list(handles), BATCH):
                connection.execute(delete(frozen).where(mine, frozen.c.handle.in_(some)))


def frozen_roots(database: Database, code: str) -> Sequence[str]:
    """The codes of the roots of a school of which something is frozen."""
    query = select(frozen.c.school).where(below(frozen.c.school, code)).distinct().order_by(frozen.c.school)
    with database.read() as connection:
        return connection.execute(query).scalars().all()
