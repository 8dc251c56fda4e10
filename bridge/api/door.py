"""Who is asking: by a token or through a proxy; wrong tokens of an address are counted, and requests of a token."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from bridge.api.keyring import Keyring, Visitor
from bridge.api.limits import Buckets, Wrong
from bridge.api.problems import Refused
from bridge.settings.api import Api

#: Under which a request remembers who asks, for the log.
BY = web.RequestKey("by", str)


class Door:
    """Lets in who has a key."""

    def __init__(
        self,
        keyring: Keyring,
        *,
        api: Api,
        run: Callable[..., Awaitable[Any]],
        clock: Callable[[], float],
        making: str,
    ) -> None:
        self.keyring, self.api, self.run, self._making = keyring, api, run, making
        self._wrong, self._buckets = Wrong(clock), Buckets(clock)
        self._looking: dict[str, asyncio.Future[Any]] = {}

    async def visitor(self, request: web.Request) -> Visitor:
        """Who asks; Refused where nobody does, or too often."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            found = await self._proved(text.strip(), request) if scheme.lower() == "bearer" else None
        else:
            found = self.keyring.proxied(request.headers)
        if found is None:
            raise self._stranger(request, tried=bool(scheme))
        request[BY] = found.id
        if wait := self._buckets.wait(found.id, self.api.per_minute):
            raise Refused(429, "too many requests of this token", headers={"Retry-After": str(math.ceil(wait))})
        return found

    async def _proved(self, text: str, request: web.Request) -> Visitor | None:
        """Whose token it is; what does something is never done on trust."""
        known, old = self.keyring.trusted(text) if request.method == "GET" else (None, False)
        if known is None:
            return cast("Visitor | None", await self.run(self.keyring.find, text))
        if old and known.id not in self._looking:  # before the trust ends, so that who polls never waits for it
            task = self._looking[known.id] = asyncio.ensure_future(self.run(self.keyring.find, text))
            task.add_done_callback(lambda done: self._looked(known.id, done))
        return known

    def _looked(self, name: str, done: asyncio.Future[Any]) -> None:
        del self._looking[name]
        if not done.cancelled():
            done.exception()  # the next request hears of it

    def _stranger(self, request: web.Request, *, tried: bool) -> Refused:
        address = self.address(request)
        if tried:
            if wait := self._wrong.wait(address):
                text = "too many wrong tokens from this address"
                return Refused(429, text, headers={"Retry-After": str(math.ceil(wait))})
            self._wrong.note(address)
        text = f"no valid token; make one with: {self._making}. Send it as Authorization: Bearer TOKEN"
        return Refused(401, text, headers={"WWW-Authenticate": 'Bearer realm="schoolbridge"'})

    def address(self, request: web.Request) -> str:
        """Where a request comes from; a proxy tells it."""
        told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if self.api.proxied else ""
        return told or request.remote or ""
