"""Uploads that made room for others: their hash so far, and what of them goes on meanwhile.

A cycle looks for news and sends what is new; the line need not lie idle until it comes to the large file again. Only
the middle goes on by itself: what ends an upload, and so writes the file, is for the cycle to do. Nobody comes back to
a file that changed, or of a school that was paused: after a minute alone no further fragment is begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from connectors.graph.answers import Answer
from connectors.graph_drive.feed import Feed
from connectors.patience import ALONE

#: Seconds until an upload that rests is forgotten.
FORGOTTEN = 600.0

Fragment = tuple[Answer, int]


@dataclass(slots=True)
class Run:
    """One upload on its way. ``at``: bytes that were acknowledged; ``going``: what is under way from there on.

    ``left``: since when nobody waits for it. ``halts``: the fragment under way is the last one for now.
    """

    feed: Feed
    at: int = 0
    going: asyncio.Task[Fragment] | None = None
    left: float | None = None
    halts: bool = False


class Rests:
    """The uploads of one drive that rest, by the URL of their session."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._resting: dict[str, Run] = {}

    def rest(self, url: str, run: Run) -> None:
        """Leave an upload where it is."""
        run.left = self._now()
        self._resting[url] = run

    def take(self, url: str | None) -> Run | None:
        """Go on with one."""
        run = self._resting.pop(url, None) if url is not None else None
        if run is not None:
            run.left = None
        return run

    def goes_on(self, run: Run) -> bool:
        """Whether another fragment may be begun."""
        return not run.halts and (run.left is None or self._now() - run.left < ALONE)

    def forget(self) -> None:
        """Those that nobody went on with."""
        for url, run in list(self._resting.items()):
            if run.left is not None and self._now() - run.left > FORGOTTEN and (run.going is None or run.going.done()):
                del self._resting[url]

    async def close(self) -> None:
        """End all of them; their sessions are taken up later where they are."""
        tasks = [run.going for run in self._resting.values() if run.going is not None]
        self._resting.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
