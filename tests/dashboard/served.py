"""The dashboard on a real socket, in a thread of its own, over a district; and its tokens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web

from bridge.api.keyring import Held, Visitor
from bridge.api.source import Who
from bridge.dashboard.app import add_to
from tests.dashboard.district import NOW, District

T = TypeVar("T")
ALL = frozenset({"read", "operate", "approve", "names"})


@dataclass
class Tokens:
    """Tokens by their secret; ``revoked`` ones are over at once."""

    known: dict[str, Held] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    def make(
        self, secret: str, scopes: frozenset[str] = ALL, schools: frozenset[str] | None = None, lasts: float = 90.0
    ) -> None:
        who = Who(secret, scopes, schools)  # type: ignore[arg-type]
        self.known[secret] = Held(f"id-{secret}", who, NOW + timedelta(days=lasts))

    async def prove(self, secret: str) -> Held | None:
        found = self.known.get(secret)
        return found if found and found.id not in self.revoked else None

    async def still(self, token: str) -> Held | None:
        return None if token in self.revoked else next((one for one in self.known.values() if one.id == token), None)

    def proxied(self, headers: Mapping[str, str]) -> Visitor | None:
        user = headers.get("X-Forwarded-User") if headers.get("X-Schoolbridge-Proxy") == "proof" else None
        return Visitor(f"proxy:{user}", Who(f"proxy:{user}", frozenset({"read", "operate"}))) if user else None


class Served:
    """A running dashboard."""

    def __init__(self, *, proxied: bool = False) -> None:
        self.proxied = proxied
        self.tokens, self.now = Tokens(), NOW
        self.loop = asyncio.new_event_loop()
        self.root = ""
        self.district: District
        self._up, self._down = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Served:
        self._thread.start()
        assert self._up.wait(60), "the server did not start"
        return self

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._down.set)
        self._thread.join(60)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Something on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def clock(self) -> datetime:
        return self.now

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self.district = District()
        app = web.Application(client_max_size=16 * 1024)
        add_to(app, self.district, self.tokens, zone=ZoneInfo("Europe/Berlin"), clock=self.clock, proxied=self.proxied)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._up.set()
        await self._down.wait()
        await runner.cleanup()


@contextmanager
def served(*, proxied: bool = False) -> Iterator[Served]:
    server = Served(proxied=proxied).start()
    try:
        yield server
    finally:
        server.stop()
