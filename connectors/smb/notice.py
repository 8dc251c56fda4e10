"""The notice of a cutover on a share of another server. Freezing itself is for whoever rules over that server.

A new one is written beside its place, then takes it; where one is already it goes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bridge.ports import NOTICE, Frozen, Refused
from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.line import DELETE, FILE
from connectors.smb.parts import Part
from connectors.smb.storage import ShareStorage
from connectors.smb.trash import delete
from connectors.tree.turns import Turns

T = TypeVar("T")


class ShareNotice:
    """See ``bridge.ports.Freezing``: it posts and takes back, and refuses to freeze and to thaw."""

    def __init__(self, storage: ShareStorage, turns: Turns) -> None:
        self._storage, self._turns = storage, turns

    async def freeze(self) -> Frozen:
        """Refused: only a person can."""
        raise Refused(f"{self._storage.where}: it is made read-only on its server, by hand")

    async def thaw(self) -> Frozen:
        """Refused: only a person can."""
        raise Refused(f"{self._storage.where}: it is made writable on its server, by hand")

    async def post(self, text: str) -> None:
        """Raises Refused where the bridge's account may not write there, Unreachable, Waiting."""
        await self._turns.take(lambda: self._tried(lambda: self._post(text)))

    async def unpost(self) -> None:
        """Raises as ``post``."""
        await self._turns.take(lambda: self._tried(self._unpost))

    def _tried(self, work: Callable[[], T]) -> T:
        self._storage.identity()
        try:
            return work()
        except ServerStatus as status:
            cause, why, _ = self._storage.cause(status)
            kind = Refused if cause == "denied" else type(self._storage.refused(status))
            raise kind(f"{self._storage.where}: the notice {NOTICE} can't be changed: {why}") from None

    def _post(self, text: str) -> None:
        part = Part.begin(self._storage.lines, "")
        try:
            part.write(text.encode())
            part.finish(mtime=None)
            self._unpost()
            part.place(NOTICE)
        finally:
            part.end()

    def _unpost(self) -> None:
        with self._storage.lines.borrow() as line:
            try:
                with line.opened(NOTICE, access=DELETE, options=FILE) as handle:
                    delete(line, handle)
            except ServerStatus as status:
                if status.code not in ABSENT:
                    raise
