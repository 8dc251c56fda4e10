"""The same key and the same request again: the same answer, and nothing is done a second time.

begin   the key is taken in a transaction of its own, before anything is done
act     once
end     the answer is kept for a day

A crash between act and end leaves a key that was begun and never ended: nobody knows then whether it was done. Doing
it again could do it twice, so that the same request again is refused (409) and a person looks, then uses a new key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bridge.api import problems
from bridge.api.keyring import Keyring, Visitor
from bridge.api.problems import Refused
from bridge.api.source import Denied, Unknown
from bridge.state.tokens import Answer

Run = Callable[..., Awaitable[Any]]


class Acted(NamedTuple):
    """Status and body of an answer. Not ``settled``: it is under way, and the same request again asks how far it is."""

    status: int
    body: bytes
    settled: bool = True


Acting = Callable[[], Awaitable[Acted]]


class Repeated:
    """Answers to actions by key."""

    def __init__(self, keyring: Keyring, run: Run) -> None:
        self._keyring, self._run = keyring, run
        self._busy: set[tuple[str, str, str]] = set()

    async def once(self, code: str, visitor: Visitor, *, key: str, mark: str, act: Acting) -> tuple[int, bytes]:
        """Act, or give the answer that was given. Without a key: act."""
        if not key:
            return (await act())[:2]
        place = (code, visitor.id, key)
        if place in self._busy:
            raise Refused(409, "the same request is being carried out just now", headers={"Retry-After": "1"})
        self._busy.add(place)
        try:
            known = await self._run(self._keyring.begin, code, visitor, key=key, request=mark)
            if known is not None:
                return _again(known, mark)
            return await self._act(code, visitor, key=key, mark=mark, act=act)
        finally:
            self._busy.discard(place)

    async def _act(self, code: str, visitor: Visitor, *, key: str, mark: str, act: Acting) -> tuple[int, bytes]:
        try:
            status, body, settled = await act()
        except (Denied, Unknown) as error:  # nothing was done, and the same request is to hear the same again
            response = problems.of(error)
            status, body, settled = response.status, bytes(response.body or b""), True  # type: ignore[arg-type]
        except Refused:
            await self._run(self._keyring.forget, code, visitor, key=key)
            raise
        if not settled:  # whoever carries it out knows it by its key
            await self._run(self._keyring.forget, code, visitor, key=key)
            return status, body
        answer = Answer(mark, status, body.decode())
        await self._run(self._keyring.end, code, visitor, key=key, answer=answer)
        return status, body


def _again(known: Answer, mark: str) -> tuple[int, bytes]:
    if known.request != mark:
        raise Refused(422, "this Idempotency-Key was used for another request; choose a new one")
    if not known.status:
        raise Refused(
            409,
            "this request was begun and it is not known whether it was carried out: look at the school and its "
            "journal, then send it with a new Idempotency-Key if it is still wanted",
        )
    return known.status, known.body.encode()
