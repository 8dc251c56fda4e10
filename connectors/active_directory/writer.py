"""The writing half: a connection of its own that may write, to the very server that is read, in lots.

1. Scope, circles and privileged objects are read anew for each call: nothing is written on what was true earlier.
2. A lot reads what it writes in one search, writes one by one, and reads back in one search (`desk`, `write_people`,
   `write_groups`). What a lot did is told at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from bridge.ports import Outcome, Write, chunks
from connectors.active_directory.desk import Desk
from connectors.active_directory.directory import Directory
from connectors.active_directory.limbo import purge
from connectors.active_directory.mapping import FieldMapping
from connectors.active_directory.options import Options
from connectors.active_directory.placement import Placement
from connectors.active_directory.scope import Scope
from connectors.active_directory.session import Session
from connectors.active_directory.ways import Ways
from connectors.active_directory.write_groups import write_groups
from connectors.active_directory.write_people import write_people
from connectors.active_directory.writeback import Writeback

LOT = 50
CHUNK = 200  # several lots, for one reading of the scope


class Writer:
    """Writes one school's directory. ``extra`` as for `FieldMapping`; ConfigurationError for rules that can't work."""

    def __init__(
        self, options: Options, back: Writeback, mapping: FieldMapping, directory: Directory,
        *, school: str, extra: Mapping[str, Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._options = options
        self._mapping = mapping
        self._directory = directory
        self._placement = Placement(back, school, extra)
        self._ways = {kind: Ways(options, kind, extra.get(kind, {})) for kind in ("user", "group")}

    async def apply(
        self, writes: Sequence[Write], *, server: str, known: Mapping[str, str], now: datetime,
        owners: Callable[[], Awaitable[Mapping[str, str]]],
    ) -> AsyncIterator[Outcome]:  # fmt: skip
        """One outcome each, of writes of one kind. ``known``: place → objectGUID. Raises Unreachable or Refused."""
        kind = writes[0].kind
        desk = await self._open(server, known, now)
        desk.owners = dict(await owners()) if kind == "group" else {}
        write = write_groups if kind == "group" else write_people
        for lot in chunks(writes, LOT):
            for outcome in await self._directory.run(partial(_carry_out, write, desk, lot)):
                yield outcome

    async def purge(
        self, anchors: Sequence[str], *, server: str, known: Mapping[str, str], now: datetime
    ) -> AsyncIterator[Outcome]:
        """See `ActiveDirectory.purge`."""
        desk = await self._open(server, known, now)
        for lot in chunks(anchors, LOT):
            for outcome in await self._directory.run(partial(_carry_out, purge, desk, lot)):
                yield outcome

    async def _open(self, server: str, known: Mapping[str, str], now: datetime) -> Desk:
        await self._directory.hold(server)
        await self._directory.begin()

        def read(session: Session) -> Desk:
            scope = Scope.read(session, self._options, known, now=now)
            return Desk(self._options, session, scope, self._mapping, self._placement, self._ways)

        return await self._directory.run(read)

    async def close(self) -> None:
        """Give back the connection."""
        await self._directory.close()


def _carry_out(
    write: Callable[[Desk, list[Any]], Iterable[Outcome]], desk: Desk, lot: list[Any], session: Session
) -> list[Outcome]:
    desk.session = session
    return list(write(desk, lot))
