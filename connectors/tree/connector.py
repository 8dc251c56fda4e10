"""The port over a tree: index, scan, watch and writing, whatever the storage is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bridge.core.model import Action
from bridge.ports import (
    Account,
    Capabilities,
    Context,
    Failed,
    Finding,
    Freezing,
    Identity,
    OpenFiles,
    Outcome,
    Page,
    Rights,
    Trash,
    Write,
)
from connectors.tree.contents import TreeContents
from connectors.tree.foundation import TreeFoundation
from connectors.tree.observing import begin_listing, delta, listing, parse
from connectors.tree.options import TreeOptions
from connectors.tree.sight import Sight
from connectors.tree.storage import Storage
from connectors.tree.turns import Turns
from connectors.tree.writing import Writing

_WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.RESTORE, Action.DETACH})
#: Seconds in which more of the same burst is waited for before a hint is given.
_DEBOUNCE = 0.2


class TreeConnector:
    """One root. ``sight`` is what it sees (index, scan, watch); ``probe`` finds what ``check`` tells.

    ``index_file`` is the name of the index in the connector's directory. ``granted`` reads who may get at the root;
    ``make`` and ``move`` do what ``bridge.ports.Foundation`` says, blocking.
    ``freezing`` is made with the turns that whoever uses the root takes.
    """

    def __init__(
        self,
        options: TreeOptions,
        context: Context,
        *,
        index_file: str,
        storage: Storage,
        probe: Callable[[], Sequence[Finding]],
        trash: Trash,
        granted: Callable[[], Rights],
        make: Callable[[Account, Sequence[Any]], None],
        move: Callable[[Any, str], None],
        freezing: Callable[[Turns], Freezing | None] = lambda turns: None,
        open_files: OpenFiles | None = None,
    ) -> None:
        self.options, self.context, self._probe, self._trash = options, context, probe, trash
        self.storage, self._granted = storage, granted
        storage.listen(self._wake)
        self.sight = Sight(self.storage, options, context, index_file=index_file)
        # Whoever uses the index or the root takes a turn.
        self._turns = Turns()
        self._writing = Writing(self.sight, context, turns=self._turns)
        self._freezing = freezing(self._turns)
        self._open_files = open_files
        self._foundation = TreeFoundation(self._turns, make, move)
        self._contents = TreeContents(self.sight, self._turns)
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def capabilities(self) -> Capabilities:
        writes = frozenset[Action]() if self.options.read_only else _WRITES
        kinds = frozenset({"folder", "file"})
        trash = None if self.options.read_only else self._trash
        foundation = None if self.options.read_only else self._foundation
        return Capabilities(
            kinds, dict.fromkeys(kinds, writes), chunk=50, hints=True, contents=self._contents, trash=trash,
            rights=self, foundation=foundation, open_files=self._open_files,
            freezing=None if self.options.read_only else self._freezing,
        )  # fmt: skip

    async def identify(self) -> Identity:
        return Identity(await self._turns.take(self.storage.identity), self.storage.where)

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        """See the port. What has to be listed is listed before the first page comes; pages come from the index."""
        self._loop = asyncio.get_running_loop()
        await self._writing.tidy()
        pages, warnings = await self._turns.take(lambda: self._look(token))
        if due := self.sight.next_due():
            self._loop.call_later(due, self._woken.set)
        page = await self._next(pages)
        while page is not None:
            following = await self._next(pages)
            # A person reads warnings once, with the last page.
            yield page if following is not None else replace(page, warnings=warnings)
            page = following

    def _look(self, token: str | None) -> tuple[Iterator[Page], tuple[str, ...]]:
        self.storage.identity()
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
        return await self._turns.take(lambda: next(pages, None))

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        able = [one for one in writes if one.action in self.capabilities.writes.get(one.kind, frozenset())]
        for one in writes:
            if one not in able:
                yield Failed(one.id, "invalid", f"{self.storage.where} can't {one.action} a {one.kind}")
        async for outcome in self._writing.apply(able):
            yield outcome

    async def hints(self) -> AsyncIterator[None]:
        """See the port: when the watch tells, when a file may be finished, and when the next look at all is due.

        A burst gives one hint.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self.options.scan_hours * 3600)
            await self.context.sleep(_DEBOUNCE)
            self._woken.clear()
            yield None

    async def rights(self) -> Rights:
        """See ``bridge.ports.RightsTold``."""
        return await self._turns.take(self._granted)

    async def check(self) -> Sequence[Finding]:
        return await self._turns.take(self._probe)

    async def close(self) -> None:
        self.sight.stop()
        await self._writing.close()
        await self._turns.take(self.sight.close)

    def _wake(self) -> None:
        """Called by the watch's thread."""
        if self._loop is not None and not self._woken.is_set():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._woken.set)
