"""A door before a cloud that knows who comes through it: each daemon has one of its own, and each write is noted.

With each write it is asked who has the lease of the school at that moment: a write of who has none is a late one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web


@dataclass(slots=True)
class Seen:
    """One write: when (monotonic), what it was, and whether its sender had the lease."""

    at: float
    what: str
    mine: bool


@dataclass(slots=True)
class Witness:
    """Listens on a free port of this machine; ``base_url`` once it is open. ``mine`` is asked at each write."""

    target: str
    ca_file: str
    mine: Callable[[], bool]
    writes: list[Seen] = field(default_factory=list)
    base_url: str = ""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _open: threading.Event = field(default_factory=threading.Event)
    _session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()
        assert self._open.wait(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()

    async def _listen(self) -> None:
        trusted = ssl.create_default_context(cafile=self.ca_file)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{rest:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}"
        self._open.set()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if what := _changes(request, body):
            self.writes.append(Seen(time.monotonic(), what, self.mine()))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        assert self._session is not None
        async with self._session.request(
            request.method, self.target + request.raw_path, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            found = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN}
            return web.Response(status=answer.status, body=await answer.read(), headers=found)


_OWN = {"host", "content-length", "transfer-encoding", "connection", "content-encoding", "accept-encoding"}


def _changes(request: web.Request, body: bytes) -> str:
    """What a request changes; empty for one that reads, or asks for a token."""
    if request.method == "GET" or "/oauth2/" in request.path:
        return ""
    if request.path.endswith("/$batch"):
        parts = json.loads(body)["requests"]
        return " ".join(sorted(f"{one['method']} {one['url']}" for one in parts if one["method"] != "GET"))
    return f"{request.method} {request.path}"
