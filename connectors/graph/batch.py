"""``$batch``: up to 20 requests in one, several batches in flight, and only what failed is sent again.

A part whose answer was lost comes back as it is when it may not be repeated (a create): the caller looks first. Each
part is throttled on its own (429 inside a 200) with its own Retry-After, which the whole client honours.
learn.microsoft.com/graph/json-batching
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from bridge.ports import Context, chunks
from connectors.graph.answers import Answer, Busy, Lost
from connectors.graph.budget import Cost
from connectors.graph.client import Client

MOST = 20  # parts of a batch; also the references that one request may bind

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch. ``id`` is unique within a call.

    ``repeat``: it does no harm to send it twice. ``fresh``: it is about an object created moments ago, so that
    "not found" may only mean "not visible yet"; but not where the answer names one of ``old``.
    """

    id: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: bool = True
    fresh: bool = False
    old: frozenset[str] = frozenset()

    def wire(self, number: int) -> dict[str, Any]:
        """The part as Graph wants it; a body needs its Content-Type."""
        part: dict[str, Any] = {"id": str(number), "method": self.method, "url": self.path}
        headers = dict(self.headers)
        if self.body is not None:
            part["body"] = self.body
            headers["Content-Type"] = "application/json"
        if headers:
            part["headers"] = headers
        return part


class _Again(Busy):
    """Some parts have to be sent again."""


class Batches:
    """Sends parts in batches of 20."""

    def __init__(self, client: Client, context: Context) -> None:
        self._client = client
        self._now = context.monotonic
        self._slots = asyncio.Semaphore(client.options.parallel)

    async def run(self, parts: Sequence[Part]) -> dict[str, Answer]:
        """The last answer to each part, by id. Raises Refused when we are not let in at all.

        A part that the service kept refusing until the patience ended comes back with that answer (429, 5xx or 0).
        """
        answers: dict[str, Answer] = {}
        todo = list(parts)
        hidden_since: dict[str, float] = {}
        if not todo:
            return answers
        try:
            async for attempt in self._client.retrying(_Again):
                with attempt:
                    answers |= await self._round(todo)
                    todo = [part for part in todo if self._again(part, answers[part.id], hidden_since)]
                    if todo:
                        waits = [answers[part.id].retry_after for part in todo]
                        raise _Again("parts of a batch", retry_after=max((w for w in waits if w), default=None))
        except _Again:
            log.info("graph batch gave up", parts=len(todo))
        return answers

    def _again(self, part: Part, answer: Answer, hidden_since: dict[str, float]) -> bool:
        """Whether to send this part once more."""
        if answer.throttled:
            return True
        if answer.in_doubt:
            return part.repeat
        if part.fresh and answer.missing and answer.named not in part.old:
            first = hidden_since.setdefault(part.id, self._now())
            return self._now() - first < self._client.options.timeouts.visible
        return False

    async def _round(self, parts: Sequence[Part]) -> dict[str, Answer]:
        """Send every part once."""
        lots = list(chunks(parts, MOST))
        if len(lots) == 1:
            return await self._lot(lots[0])
        found = await asyncio.gather(*(self._lot(lot) for lot in lots), return_exceptions=True)
        answers: dict[str, Answer] = {}
        for result in found:
            if isinstance(result, BaseException):
                raise result
            answers |= result
        return answers

    async def _lot(self, lot: list[Part]) -> dict[str, Answer]:
        async with self._slots:
            try:
                if len(lot) == 1:
                    return {lot[0].id: await self._single(lot[0])}
                return await self._batch(lot)
            except Lost:
                return {part.id: Answer(0) for part in lot}
            except Busy as busy:
                # Never sent: as good as throttled, and so repeated whatever the part is.
                waited = {} if busy.retry_after is None else {"retry-after": str(int(busy.retry_after))}
                return {part.id: Answer(429, {}, waited) for part in lot}

    async def _single(self, part: Part) -> Answer:
        return await self._client.once(part.method, part.path, body=part.body, headers=part.headers)

    async def _batch(self, lot: list[Part]) -> dict[str, Answer]:
        price = sum((self._client.price(part.method, part.path) for part in lot), Cost(0))
        body = {"requests": [part.wire(number) for number, part in enumerate(lot)]}
        whole = await self._client.once("POST", "/$batch", body=body, price=price)
        if not whole.ok:
            return {part.id: whole for part in lot}
        answers = {part.id: Answer(0) for part in lot}  # a part without an answer is in doubt
        for response in whole.body.get("responses", ()):
            answer = _answer(response)
            answers[lot[int(response["id"])].id] = answer
            if answer.throttled:
                self._client.throttled(answer)
        return answers


def _answer(response: Mapping[str, Any]) -> Answer:
    body = response.get("body")
    headers = {str(name).lower(): str(value) for name, value in (response.get("headers") or {}).items()}
    return Answer(int(response["status"]), body if isinstance(body, dict) else {}, headers)
