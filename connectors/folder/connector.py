"""The connector of a directory of this machine: the port over root, index, scan, watch and writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from bridge.core.model import Action
from bridge.ports import Capabilities, Context, Failed, Finding, Identity, Outcome, Page, Write
from connectors.folder.contents import FolderContents
from connectors.folder.findings import probe
from connectors.folder.observing import begin_listing, delta, listing, parse
from connectors.folder.options import Options
from connectors.folder.sight import Sight
from connectors.folder.trash_port import FolderTrash
from connectors.folder.writing import Writing

_WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.RESTORE, Action.DETACH})
#: Seconds in which more of the same burst is waited for before a hint is given.
_DEBOUNCE = 0.2


class FolderConnector:
    """One root. ``sight`` is what it sees (index, scan, watch)."""

    def __init__(self, options: Options, context: Context) -> None:
        self.options, self.context = options, context
        self.sight = Sight(options, context, wake=self._wake)
        # Whoever uses the index or the root holds it, always from one thread at a time.
        self._exclusive = asyncio.Lock()
        self._writing = Writing(self.sight, context, lock=self._exclusive)
        self._contents = FolderContents(self.sight, self._exclusive)
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def capabilities(self) -> Capabilities:
        writes = frozenset[Action]() if self.options.read_only else _WRITES
        kinds = frozenset({"folder", "file"})
        trash = None if self.options.read_only else FolderTrash(self.options, self.context.clock)
        return Capabilities(
            kinds, dict.fromkeys(kinds, writes), chunk=50, hints=True, contents=self._contents, trash=trash
        )

    async def identify(self) -> Identity:
        async with self._exclusive:
            root = await asyncio.to_thread(self.sight.verified)
        return Identity(root.identity, f"directory {self.options.path}")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        """See the port. What has to be scanned is scanned before the first page comes; pages come from the index."""
        self._loop = asyncio.get_running_loop()
        async with self._exclusive:
            pages, warnings = await asyncio.to_thread(self._look, token)
        if due := self.sight.next_due():
            self._loop.call_later(due, self._woken.set)
        page = await self._next(pages)
        while page is not None:
            following = await self._next(pages)
            # A person reads warnings once, with the last page.
            yield page if following is not None else replace(page, warnings=warnings)
            page = following

    def _look(self, token: str | None) -> tuple[Iterator[Page], tuple[str, ...]]:
        self.sight.verified()
        index = self.sight.index
        start = parse(token, index) if token is not None else None
        if start is not None:
            index.forget(start.number)
        seen = self.sight.look(everything=start is None)
        if start is None:
            start = begin_listing(index)
        elif start.rank < 0:
            return delta(index, start.number), seen.warnings
        return listing(index, start, complete=seen.whole), seen.warnings

    async def _next(self, pages: Iterator[Page]) -> Page | None:
        async with self._exclusive:
            return await asyncio.to_thread(next, pages, None)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        able = [one for one in writes if one.action in self.capabilities.writes.get(one.kind, frozenset())]
        for one in writes:
            if one not in able:
                yield Failed(one.id, "invalid", f"directory {self.options.path} can't {one.action} a {one.kind}")
        async for outcome in self._writing.apply(able):
            yield outcome

    async def hints(self) -> AsyncIterator[None]:
        """See the port: when the watch tells, when a file may be finished, and when the next scan of everything is due.

        A burst gives one hint.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self.options.scan_hours * 3600)
            await self.context.sleep(_DEBOUNCE)
            self._woken.clear()
            yield None

    async def check(self) -> Sequence[Finding]:
        async with self._exclusive:
            return await asyncio.to_thread(probe, self.options, self.sight)

    async def close(self) -> None:
        async with self._exclusive:
            await asyncio.to_thread(self.sight.close)

    def _wake(self) -> None:
        """Called by the watch's thread."""
        if self._loop is not None and not self._woken.is_set():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._woken.set)
