"""The port over a roster: a listing of what stands in the file, and nothing that could be written.

A file has no history: once it changed, it is listed anew. Who is not in it any more is MISSING, never deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from bridge.core.model import Record
from bridge.ports import (
    Capabilities,
    Context,
    Failed,
    Finding,
    Identity,
    Observation,
    Outcome,
    Page,
    TokenLost,
    Write,
    chunks,
)
from connectors.roster.options import Options
from connectors.roster.reading import RosterError, sheet
from connectors.roster.rows import records

_PAGE = 500
_KINDS = frozenset({"user", "group"})
#: How often the file is looked at, in seconds.
_POLL = 5.0


class RosterConnector:
    """One exported file."""

    def __init__(self, options: Options, context: Context) -> None:
        self.options = options
        self.context = context

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(_KINDS, dict.fromkeys(_KINDS, frozenset()), hints=True)

    async def identify(self) -> Identity:
        path = str(self.options.path.absolute())
        return Identity(f"roster:{path}", f"the roster {path}")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        digest, people = await asyncio.to_thread(self._read)
        if token == digest:
            yield Page(token=digest)
            return
        if token is not None:
            raise TokenLost(f"{self.options.path} is another file than before; it is listed anew")
        pages = list(chunks(people, _PAGE)) or [[]]
        for number, page in enumerate(pages, 1):
            last = number == len(pages)
            seen = tuple(Observation(one.kind, one.anchor, one.version, one.fields) for one in page)
            yield Page(seen, token=digest if last else None, listing=True, complete=last)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        for write in writes:
            yield Failed(write.id, "invalid", f"{self.options.path} is an export: it is read, never written")

    async def hints(self) -> AsyncIterator[None]:
        before = self._stamp()
        while True:
            await asyncio.sleep(_POLL)
            if (now := self._stamp()) != before:
                before = now
                yield None

    async def check(self) -> Sequence[Finding]:
        subject = str(self.options.path)
        try:
            _, found = await asyncio.to_thread(self._read)
        except RosterError as error:
            return [Finding(subject, False, str(error), "Repair the file, or export it again")]
        people = sum(1 for one in found if one.kind == "user")
        return [Finding(subject, True, f"{people} people in {len(found) - people} classes and courses")]

    async def close(self) -> None:
        """Nothing to give back."""

    def _read(self) -> tuple[str, list[Record]]:
        read = sheet(self.options)
        return read.digest, records(self.options, read)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self.options.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
