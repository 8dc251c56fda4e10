"""Writes as the port asks for them: contents stream side by side, commits follow one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from bridge.core.model import Action, Digest
from bridge.ports import Busy, ContentChanged, Context, Failed, Outcome, Source, Write, Written
from connectors.tree.arriving import Arrivals, Rested
from connectors.tree.hands import Part, Raced, Rejected
from connectors.tree.places import Places
from connectors.tree.sight import Sight
from connectors.tree.turns import Turns
from connectors.tree.write_files import FileWrites
from connectors.tree.write_folders import FolderWrites


class Writing:
    """``apply`` of the connector; whatever uses the index takes one of ``turns``."""

    def __init__(self, sight: Sight, context: Context, *, turns: Turns) -> None:
        self._sight, self._context, self._turns = sight, context, turns
        self._arrivals = Arrivals(context.monotonic)

    async def apply(self, writes: Sequence[Write]) -> AsyncIterator[Outcome]:
        """See the port. Raises Unreachable or Refused when the root is not there any more."""
        if not writes:
            return
        await self._turns.take(self._sight.begin_writing)
        queue = list(reversed(writes))
        running: set[asyncio.Task[Outcome]] = set()
        try:
            while queue or running:
                while queue and len(running) < self._sight.storage.parallel:
                    running.add(asyncio.create_task(self._one(queue.pop())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, write: Write) -> Outcome:
        try:
            if write.kind == "folder":
                return await self._locked(lambda places: FolderWrites(places, self._context.clock).carry_out(write))
            if write.content is None:
                _refuse_unknown_content(write)
                return await self._locked(lambda places: self._files(places).carry_out(write, None))
            return await self._streamed(write, write.content)
        except Rejected as refusal:
            return Failed(write.id, refusal.cause, str(refusal), transient=refusal.transient)
        except Raced as raced:
            return Failed(write.id, "stale", str(raced), transient=True)
        except ContentChanged as error:
            return Failed(write.id, "changed", str(error), transient=True)
        except Busy as error:
            return Failed(write.id, "busy", str(error), transient=True)
        except self._sight.storage.failure as error:
            return await self._failed(write, error)

    def _files(self, places: Places) -> FileWrites:
        return FileWrites(places, self._context.clock)

    async def _failed(self, write: Write, error: Exception) -> Outcome:
        # A root that went away looks like many errors of single files: it tells which it is.
        await self._turns.take(self._sight.storage.identity)
        cause, why, transient = self._sight.storage.cause(error)
        what = f"{write.kind} {write.anchor or write.fields.get('name', '')}"
        return Failed(write.id, cause, f"{what} in {self._sight.storage.where}: {why}", transient=transient)

    async def _locked(self, act: Callable[[Places], Written]) -> Written:
        return await self._turns.take(lambda: self._within(act))

    def _within(self, act: Callable[[Places], Written]) -> Written:
        index = self._sight.index
        self._context.permit()
        # A look in the middle of a write ends this transaction and begins its own: each is whole by itself.
        # What a failed write has already done (a rename before its content) the next look finds.
        with self._sight.storage.hands() as hands, index.writing():
            return act(Places(self._sight, hands))

    async def _streamed(self, write: Write, source: Source) -> Outcome:
        """Write the content beside its place, then commit it."""

        async def begin() -> Part:
            return await self._turns.take(lambda: self._begin_part(write), dropped=lambda part: part.end())

        try:
            arrival = await self._arrivals.bring(write, source, begin)
        except Rested as rested:
            text = f"{rested} bytes of {write.kind} {write.anchor or write.id} are there; it goes on by itself"
            return Failed(write.id, "unfinished", text, transient=True)
        try:
            _verify(write, arrival.source, arrival.part.digest)
            return await self._locked(lambda places: self._files(places).carry_out(write, arrival.part))
        finally:
            await arrival.end()

    async def tidy(self) -> None:
        """Remove what was fetched of contents that nobody wants any more."""
        await self._arrivals.tidy()

    async def close(self) -> None:
        """Remove what was fetched of contents that made room for others."""
        await self._arrivals.close()

    def _begin_part(self, write: Write) -> Part:
        """A temporary file in the folder in which the content will lie."""
        self._context.permit()
        with self._sight.storage.hands() as hands:
            places = Places(self._sight, hands)
            self._files(places).check(write)
            parent, name = write.fields.get("parent"), write.fields.get("name", "x")
            if "parent" not in write.fields and write.action is not Action.CREATE:
                found = self._sight.index.find(write.anchor or "")
                folder = self._sight.index.directory(found[0]) if found else None
                parent = folder.anchor if folder else None
            with places.target(parent, name) as place:
                return hands.begin(place)


def _refuse_unknown_content(write: Write) -> None:
    content = write.fields.get("content")
    if isinstance(content, Digest) and content.size and write.action is not Action.DELETE:
        raise Rejected("invalid", "a content was named but not sent")


def _verify(write: Write, source: Source, digest: Digest) -> None:
    """What came has to be what was meant; raises ContentChanged."""
    wanted = write.fields.get("content")
    known = wanted if isinstance(wanted, Digest) and wanted.algorithm == digest.algorithm else None
    if source.size != digest.size:
        raise ContentChanged(f"{source.size} bytes were expected and {digest.size} came: nothing was written")
    if known is not None and known != digest:
        raise ContentChanged(f"the content that came is not the one that was meant ({known.value[:8]}…)")
