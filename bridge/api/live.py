"""What happens, as a stream of hints: "this school changed, read it again". Nothing in it is news by itself.

watch   while somebody listens, a survey a second; whatever differs from the last one becomes an event
ring    the last events are kept for who comes back; who was away for longer is told that everything may have changed
queue   each listener has its own, bounded: who reads too slowly loses the middle and is told so in the same way

Ids only grow, also over a restart of the daemon, because they begin with the time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from bridge.api import models
from bridge.api.survey import Shot

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

#: Events remembered, and events that may wait for one listener.
RING, QUEUE = 1000, 200
#: Seconds between two looks while somebody listens.
PERIOD = 1.0


class Sight(Protocol[S_co]):
    """All schools at a moment, by their codes; what did not change is the same object again."""

    @property
    def shots(self) -> Mapping[str, S_co]:
        """Code -> what is known of it."""


class Live(Generic[S]):
    """The stream. ``look`` makes a survey that is not older than now; ``differ`` tells two sights of one school
    apart: (kind of event, text)."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Sight[S]]],
        *,
        clock: Callable[[], datetime],
        differ: Callable[[S | None, S], Iterable[tuple[str, str]]],
    ) -> None:
        self._look, self._clock, self._differ = look, clock, differ
        self._ring: deque[models.LiveEvent] = deque(maxlen=RING)
        self._last = int(clock().timestamp() * 1000)
        self._listening: set[asyncio.Queue[models.LiveEvent | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._before: Sight[S] | None = None

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._listening)

    async def follow(self, after: int | None) -> AsyncGenerator[models.LiveEvent, None]:
        """Events after an id, first those that are remembered; without an id only what comes."""
        mine: asyncio.Queue[models.LiveEvent | None] = asyncio.Queue(QUEUE)
        if after is not None or self._before is None:
            await self._step()
        missed = self._missed(after)
        self._listening.add(mine)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="status API: watch")
        try:
            for event in missed:
                yield event
            while True:
                waiting = await mine.get()
                if waiting is None:  # what did not fit was left out
                    for event in [*self._everything()]:
                        yield event
                else:
                    yield waiting
        finally:
            self._listening.discard(mine)

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def configuration(self, text: str) -> None:
        """The configuration was loaded anew."""
        self._send(self._event("", "configuration", text))

    def _missed(self, after: int | None) -> list[models.LiveEvent]:
        if after is None or after == self._last:
            return []
        oldest = self._ring[0].id if self._ring else self._last + 1
        if after > self._last or after < oldest - 1:
            return list(self._everything())
        return [event for event in self._ring if event.id > after]

    def _everything(self) -> Iterator[models.LiveEvent]:
        """One event for each school, then one of none: read them all again. Only the last has the newest id.

        Who breaks off before it comes back with 0, which is too long ago, and is told all of them once more.
        """
        at, text = self._clock(), "events were missed"
        shots = self._before.shots if self._before else {}
        for code in shots if len(shots) < QUEUE else ():  # of very many the last says it all
            yield models.LiveEvent(id=0, school=code, kind="school", at=at, text=text)
        yield models.LiveEvent(id=self._last, kind="configuration", at=at, text=text)

    async def _watch(self) -> None:
        while self._listening:
            await asyncio.sleep(PERIOD)
            with suppress(Exception):  # the state can't be read now; readyz says so
                await self._step()

    async def _step(self) -> None:
        survey = await self._look()
        before, self._before = self._before, survey
        if before is None or before is survey:
            return
        for code, shot in survey.shots.items():
            old = before.shots.get(code)
            if old is shot:
                continue
            for kind, text in self._differ(old, shot):
                self._send(self._event(code, kind, text))
        for code in before.shots.keys() - survey.shots.keys():
            self._send(self._event(code, "configuration", "this school is not configured any more"))

    def _event(self, school: str, kind: str, text: str) -> models.LiveEvent:
        self._last += 1
        return models.LiveEvent.model_validate(
            {"id": self._last, "school": school, "kind": kind, "at": self._clock(), "text": text}
        )

    def _send(self, event: models.LiveEvent) -> None:
        self._ring.append(event)
        for queue in self._listening:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)


def differences(before: Shot | None, now: Shot) -> Iterator[tuple[str, str]]:
    """(kind of event, text) of what differs between two sights of a school."""
    if before is None:
        yield "configuration", "a new school"
        return
    old, new = before.seen.glance, now.seen.glance
    if old.stage != new.stage:
        yield "stage", new.stage
    if (old.run, old.step) != (new.run, new.step):
        yield "run", new.run
    if (old.measured, old.vouched, old.approved) != (new.measured, new.vouched, new.approved):
        yield "gate", ""
    if old.cycled != new.cycled:
        yield "cycle", ""
    if old.seq != new.seq:
        yield "journal", str(new.seq)
    if before.view is not now.view:
        yield "school", now.row.health
