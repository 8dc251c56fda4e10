"""The reference connector: the port over a ``MemorySide``, as a real side would answer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from bridge.core.model import Action
from bridge.ports import (
    Busy,
    Capabilities,
    ContentChanged,
    Context,
    Failed,
    Finding,
    Identity,
    Meaning,
    Outcome,
    Page,
    TokenLost,
    Topic,
    Unreachable,
    Write,
    Written,
)
from connectors.memory.contents import MemoryContents, Traffic, quickxor, received
from connectors.memory.faults import Faults
from connectors.memory.observing import delta, listing, position
from connectors.memory.options import Options
from connectors.memory.persistence import Shelf
from connectors.memory.side import MemorySide
from connectors.memory.writing import carry_out, forgotten

_WRITES = frozenset(action for action in Action if action.writes and action is not Action.PURGE)
#: How often the file is looked at, in seconds.
_POLL = 0.5


class MemoryConnector:
    """One side in memory, or in a JSON file that other processes change too.

    ``side`` is the side's own life, ``faults`` what goes wrong with it; both are for tests, lab and docs.
    """

    def __init__(self, options: Options, context: Context, *, side: MemorySide | None = None) -> None:
        self.options = options
        self.context = context
        self.faults = Faults()
        self.traffic = Traffic()
        self._rewritten: dict[str, Meaning] = {}
        self.side = side or MemorySide(name=options.name, recycle_bin=options.recycle_bin)
        self.side.unread = options.contents == "unread"
        self._woken = asyncio.Event()
        self.side.changed = self._woken.set
        self._shelf = Shelf(options.path, self.side) if options.path else None
        if self._shelf:
            self._shelf.refresh()

    @property
    def capabilities(self) -> Capabilities:
        kinds = frozenset(self.options.kinds)
        writes = frozenset[Action]() if self.options.read_only else _WRITES
        purge = self.purge if self.options.limbo and not self.options.read_only else None
        every = dict.fromkeys(kinds, writes)
        return Capabilities(kinds, every, chunk=self.options.chunk, hints=True, contents=self.contents, purge=purge)

    @property
    def contents(self) -> MemoryContents | None:
        """The bytes of the side's files; None where digests stand for them."""
        if self.options.contents == "none":
            return None
        return MemoryContents(self.side, self.faults, self.traffic)

    async def identify(self) -> Identity:
        await self._reach()
        return Identity(self.options.identity or self.options.name, f"{self.options.name}, held in memory")

    async def observe(self, token: str | None, *, recall: str | None = None) -> AsyncIterator[Page]:
        await self._reach()
        if token is not None:
            if self.faults.strikes("lost_token"):
                raise TokenLost(f"{self.options.name}: the token {token} is not known any more; list everything again")
            position(self.side, token)
        pages = listing(self.side, self.options, self.faults)
        if token is not None:
            pages = delta(self.side, token, self.options, self.faults)
        async for page in pages:
            if self._breaks("cut_pages"):
                raise Unreachable(f"{self.options.name}: the stream of pages broke off")
            yield self._explained(page)

    def _explained(self, page: Page) -> Page:
        """With what the digests mean of files that the side made others of, in case nobody heard the answer."""
        shown = {one.anchor: one.fields.get("content") for one in page.observations}
        meant = (self._rewritten[anchor] for anchor in shown.keys() & self._rewritten.keys())
        return replace(page, meanings=tuple(one for one in meant if one.seen == shown[one.anchor]))

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        await self._reach()
        for write in writes:
            if self._breaks("cut_writes"):
                raise Unreachable(f"{self.options.name}: the line broke while writing")
            if write.action not in self.capabilities.writes.get(write.kind, frozenset()):
                yield Failed(write.id, "invalid", f"{self.options.name} can't {write.action} a {write.kind}")
                continue
            try:
                body = await received(self.side, write)
            except (Busy, ContentChanged) as error:
                cause = "busy" if isinstance(error, Busy) else "changed"
                yield Failed(write.id, cause, str(error), transient=True)
                continue
            with self._changing() as side:
                self.context.permit()
                outcome = carry_out(side, write, self.faults, body)
            self._note(outcome, body)
            if self._breaks("cut_answers") or self.faults.strikes("lost_responses"):
                raise Unreachable(f"{self.options.name}: no answer came to a write")
            yield outcome
            await asyncio.sleep(0)

    async def purge(self, anchors: Sequence[str]) -> AsyncIterator[Outcome]:
        """Empty these out of the recycle bin, each only if it lies there."""
        await self._reach()
        for anchor in anchors:
            if self._breaks("cut_writes"):
                raise Unreachable(f"{self.options.name}: the line broke while writing")
            with self._changing() as side:
                self.context.permit()
                outcome = forgotten(side, anchor, self.faults)
            if self._breaks("cut_answers") or self.faults.strikes("lost_responses"):
                raise Unreachable(f"{self.options.name}: no answer came to a write")
            yield outcome
            await asyncio.sleep(0)

    def _note(self, outcome: Outcome, body: bytes | None) -> None:
        """What was sent to a file that shows something else."""
        if isinstance(outcome, Written) and body is not None:
            sent, now = quickxor(body), quickxor(self.side.bodies.get(outcome.anchor, body))
            if sent == now:
                self._rewritten.pop(outcome.anchor, None)
            else:
                self._rewritten[outcome.anchor] = Meaning(outcome.anchor, now, sent)

    async def hints(self) -> AsyncIterator[None]:
        while True:
            if self._shelf:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _POLL)
                self._shelf.refresh()
            else:
                await self._woken.wait()
            if self._woken.is_set():
                self._woken.clear()
                yield None

    async def check(self) -> Sequence[Finding]:
        there = sum(1 for _ in self.side.records())
        own = "0 s apart: it lives by the clock of this machine"
        return [
            Finding(self.options.name, True, f"{there} objects in memory"),
            Finding("clock", True, own, topic=Topic.CLOCK, numbers={"seconds": 0}),
        ]

    async def close(self) -> None:
        """Nothing to give back."""

    async def _reach(self) -> None:
        if self.faults.slow:
            await self.context.sleep(self.faults.slow)
        if self.faults.strikes("unreachable"):
            raise Unreachable(f"{self.options.name} does not answer")
        if self._shelf:
            self._shelf.refresh()

    def _breaks(self, counter: str) -> bool:
        remaining: int | None = getattr(self.faults, counter)
        if remaining is None:
            return False
        setattr(self.faults, counter, remaining - 1 if remaining else None)
        return remaining == 0

    @contextmanager
    def _changing(self) -> Iterator[MemorySide]:
        if self._shelf is None:
            yield self.side
            return
        with self._shelf.changing() as side:
            yield side
