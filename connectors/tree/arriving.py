"""Contents on their way in: a large one makes room for others, goes on by itself meanwhile, and is taken up again.

What arrives is written beside its place; that it gets its name is for whoever called ``apply``, and for nobody else.
A content whose line broke is taken up where it was as well, for as long as this process lives. Nobody comes back to a
file that changed, or of a school that was paused: after a minute alone no more is fetched, after an hour it is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import NoneType

from bridge.core.model import Digest, Value
from bridge.ports import Source, Unreachable, Write
from connectors.patience import ALONE, PATIENCE, over_soon
from connectors.tree.hands import Part
from connectors.tree.turns import Turns

#: Seconds until a content that made room is forgotten.
FORGOTTEN = 3600.0
#: Bytes from which a content makes room, and is taken up again.
LARGE = 4 * 1024 * 1024


class Rested(Exception):
    """Others wait; the argument says how many bytes are there."""


@dataclass(slots=True)
class Arrival:
    """One content on its way. ``wanted`` is the digest that was asked for; ``at``: bytes that were written.

    ``left``: since when nobody waits for it. ``torn``: the part could not be written to, and is of no use any more.
    """

    wanted: Value
    part: Part
    source: Source
    turns: Turns
    at: int = 0
    whole: bool = False
    going: asyncio.Task[None] | None = None
    left: float | None = None
    torn: bool = False

    def stands(self) -> bool:
        """Whether it is to be fetched on from where it is: its line broke, or it was alone for too long."""
        if self.whole or self.going is None:
            return not self.whole
        return self.going.done() and isinstance(self.going.exception(), Unreachable | NoneType)

    async def end(self) -> None:
        """Give it up, or close what was placed."""
        if self.going is not None:
            self.going.cancel()
            await asyncio.gather(self.going, return_exceptions=True)
        await self.turns.take(self.part.end)  # a piece that is given up is written to its end before


class Arrivals:
    """All contents on their way into one root, by the id of their write; used on one event loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._resting: dict[str, Arrival] = {}

    async def bring(self, write: Write, source: Source, begin: Callable[[], Awaitable[Part]]) -> Arrival:
        """The content of a write, all of it; ``begin`` makes its part. Its owner ends it.

        Raises Rested where others wait, what the source raises, and what the part raises.
        """
        one = await self._taken_up(write)
        if one is None:
            one = Arrival(write.fields.get("content"), await begin(), source, Turns())
        one.left = None
        try:
            await self._all(one, write.pause)
        except Rested:
            self._rest(write.id, one)
            raise
        except Unreachable:
            if one.at >= LARGE and not one.torn:
                self._rest(write.id, one)
            else:
                await one.end()
            raise
        except BaseException:
            await one.end()
            raise
        return one

    async def _taken_up(self, write: Write) -> Arrival | None:
        one = self._resting.pop(write.id, None)
        if one is not None and (one.torn or one.wanted != write.fields.get("content")):
            await one.end()
            return None
        if one is not None and write.content is not None and one.stands():
            one.source, one.going = write.content, None
        return one

    def _rest(self, id_: str, one: Arrival) -> None:
        one.left = self._now()
        self._resting[id_] = one

    async def _all(self, one: Arrival, awaited: Callable[[], bool]) -> None:
        if not isinstance(one.wanted, Digest) or one.wanted.size < LARGE:
            await self._fetch(one)
        while not one.whole:
            going = one.going = one.going or asyncio.create_task(self._fetch(one))
            while not await over_soon(going, PATIENCE):
                if awaited():
                    raise Rested(one.at)
            one.going = None
            going.result()

    async def _fetch(self, one: Arrival) -> None:
        """Write what comes, to the end, or as far as it may go on alone."""
        stream = one.source.chunks(one.at)
        async for piece in stream:
            try:
                await one.turns.take(partial(one.part.write, piece))
            except BaseException:
                one.torn = True
                raise
            one.at += len(piece)
            if one.left is not None and self._now() - one.left > ALONE:
                return
        one.whole = True

    async def tidy(self) -> None:
        """Remove those that nobody took up again."""
        for id_, one in list(self._resting.items()):
            if one.left is not None and self._now() - one.left > FORGOTTEN:
                del self._resting[id_]
                await one.end()

    async def close(self) -> None:
        """Remove all of them."""
        resting, self._resting = self._resting, {}
        for one in resting.values():
            with suppress(Exception):  # a root that is gone has nothing left to close
                await one.end()
