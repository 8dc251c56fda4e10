"""Upload sessions for many files, 20 in one request, made shortly before they are needed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from bridge.ports import chunks
from connectors.graph.answers import Answer
from connectors.graph.batch import MOST
from connectors.graph_drive.jobs import Job

#: Requests that are under way or answered before the first of their uploads has its turn.
AHEAD = 2


class Sessions:
    """Asked for in the jobs' order: of hundreds made at once most would wait for long, and may expire meanwhile."""

    def __init__(self, make: Callable[[Sequence[Job]], Awaitable[dict[str, Answer]]], jobs: Sequence[Job]) -> None:
        self._make = make
        self._lots = list(chunks(jobs, MOST))
        self._places = {job.write.id: place for place, lot in enumerate(self._lots) for job in lot}
        self._asked: list[asyncio.Future[dict[str, Answer]]] = []

    async def of(self, job: Job) -> Answer | None:
        """The answer about a job's session; None where none was to be made."""
        place = self._places.get(job.write.id)
        if place is None:
            return None
        for lot in self._lots[len(self._asked) : place + 1 + AHEAD]:
            self._asked.append(asyncio.ensure_future(self._make(lot)))
        return (await asyncio.shield(self._asked[place])).get(job.write.id)

    def close(self) -> None:
        """Nobody waits any more."""
        for asked in self._asked:
            asked.cancel()


def over(status: Answer) -> bool:
    """Whether the session has all bytes and waits for nothing: it came to its end, well or not, without our hearing."""
    return status.body.get("nextExpectedRanges") == []


def expected(answer: Answer, default: int) -> int:
    """The first byte that is expected: ``"26-"`` in the docs, ``"26-99"`` in the field (onedrive-api-docs#1273)."""
    for text in answer.body.get("nextExpectedRanges") or ():
        if found := re.match(r"(\d+)", str(text)):
            return int(found[1])
    return default
