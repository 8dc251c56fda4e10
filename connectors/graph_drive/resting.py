"""Uploads that made room for others: their hash so far, and the next fragment, which is under way meanwhile.

A cycle looks for news and sends what is new; the line need not lie idle until it comes to the large file again. Only a
fragment in the middle goes ahead: what ends an upload, and so writes the file, is for the cycle to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from connectors.graph.answers import Answer
from connectors.graph_drive.feed import Feed

#: Seconds after which nobody is expected any more to go on with an upload: its file changed, or went away.
FORGOTTEN = 600.0

Fragment = tuple[Answer, int]


@dataclass(frozen=True, slots=True)
class Resting:
    """``at``: bytes that were acknowledged when it was left; ``ahead``: the fragment from there on, if it has begun."""

    feed: Feed
    at: int
    ahead: asyncio.Task[Fragment] | None
    since: float


class Rests:
    """The uploads of one drive that rest, by the URL of their session."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._resting: dict[str, Resting] = {}

    def rest(
        self,
        url: str,
        feed: Feed,
        at: int,
        *,
        ahead: Coroutine[None, None, Fragment] | None = None,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """Leave an upload here, with what goes on meanwhile; ``over`` is called at the end of that."""
        task = None
        if ahead is not None:
            task = asyncio.create_task(ahead)
            task.add_done_callback(lambda done: _ended(done, over))
        self._resting[url] = Resting(feed, at, task, self._now())

    def take(self, url: str | None) -> Resting | None:
        """Go on with one."""
        return self._resting.pop(url, None) if url is not None else None

    def forget(self) -> None:
        """Those that nobody went on with."""
        for url, one in list(self._resting.items()):
            if self._now() - one.since > FORGOTTEN and (one.ahead is None or one.ahead.done()):
                del self._resting[url]

    async def close(self) -> None:
        """End all of them; their sessions are taken up later where they are."""
        tasks = [one.ahead for one in self._resting.values() if one.ahead is not None]
        self._resting.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ended(task: asyncio.Task[Fragment], over: Callable[[], None]) -> None:
    over()
    if not task.cancelled():
        task.exception()  # whoever goes on is told; where nobody does, nobody misses it
