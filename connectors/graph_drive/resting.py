"""Uploads that made room for others: their hash so far, and a fragment that is under way meanwhile.

A cycle looks for news and sends what is new; the line need not lie idle until it comes to the large file again. Only a
fragment in the middle goes on by itself: what ends an upload, and so writes the file, is for the cycle to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from connectors.graph.answers import Answer
from connectors.graph_drive.feed import Feed

#: Seconds after which nobody is expected any more to go on with an upload: its file changed, or went away.
FORGOTTEN = 600.0

Fragment = tuple[Answer, int]
#: A fragment under way.
Going = asyncio.Task[Fragment]


@dataclass(frozen=True, slots=True)
class Resting:
    """``at``: bytes that were acknowledged when it was left; ``ahead``: the fragment from there on, if it has begun."""

    feed: Feed
    at: int
    ahead: Going | None
    since: float


class Rests:
    """The uploads of one drive that rest, by the URL of their session."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._resting: dict[str, Resting] = {}

    def rest(self, url: str, feed: Feed, at: int, *, ahead: Going | None) -> None:
        """Leave an upload here, with what goes on meanwhile."""
        self._resting[url] = Resting(feed, at, ahead, self._now())

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
