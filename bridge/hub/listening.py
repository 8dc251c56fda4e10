"""The socket of the sites' door: TLS, so many connections and no more, and none that says nothing for long."""

from __future__ import annotations

import asyncio
import resource
import ssl
from asyncio import sslproto
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import web

from bridge.api.problems import Proceed
from bridge.api.talk import Runner

#: Connections at a time: two for each of 10,000 sites. Fewer, where this process may not have so many files.
MOST = 20_000
#: Seconds for the handshake and for the first request; that a connection stays open between requests; at the end.
HANDSHAKE, FIRST, KEPT, GRACE = 15.0, 20.0, 120.0, 2.0


#: Bytes of the buffer that asyncio gives each TLS connection: a record is 16 KiB at most (RFC 8446 section 5.1), and
#: asyncio's own 256 KiB would be gigabytes for 10,000 sites that wait.
BUFFER = 32 << 10


class Listening:
    """Serves one application on one address."""

    def __init__(self, app: web.Application, secure: ssl.SSLContext) -> None:
        self._runner = Runner(app, access_log=None, shutdown_timeout=GRACE, keepalive_timeout=KEPT)
        around: Any = self._heard
        app.middlewares.insert(0, around)
        self._secure = secure
        self._silent: set[asyncio.BaseProtocol] = set()
        self._server: asyncio.Server | None = None
        self._most, self._full = MOST, False

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; where really, for port 0 is any. Raises OSError."""
        self._most = min(MOST, _files() - 100)
        sslproto.SSLProtocol.max_size = BUFFER
        await self._runner.setup()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._connection, host, port, ssl=self._secure, backlog=1024, ssl_handshake_timeout=HANDSHAKE,
                ssl_shutdown_timeout=GRACE,
            )  # fmt: skip
        except BaseException:
            await self._runner.cleanup()
            raise
        where: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return where

    async def stop(self) -> None:
        """Take no more connections; end those that are open."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    @property
    def count(self) -> int:
        """Connections that are open, also those that are in the middle of their handshake: only asyncio knows them."""
        return int(getattr(self._server, "_active_count", 0))

    def _connection(self) -> asyncio.BaseProtocol:
        """What speaks on a new connection. Raises ConnectionAbortedError for one too many: asyncio ends it at once,
        before a handshake takes its time."""
        full = self.count >= self._most
        if full != self._full:
            self._full = full
            structlog.get_logger().warning("connections of sites", full=full, most=self._most)
        if full:
            raise ConnectionAbortedError
        server = self._runner.server
        assert server is not None  # noqa: S101
        made = server()
        self._silent.add(made)
        asyncio.get_running_loop().call_later(FIRST, self._ended, made)
        return made

    @web.middleware
    async def _heard(self, request: web.Request, **given: Proceed) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        return await given["handler"](request)

    def _ended(self, made: asyncio.BaseProtocol) -> None:
        if made in self._silent:
            self._silent.discard(made)
            with suppress(Exception):
                made.force_close()  # type: ignore[attr-defined]


def _files() -> int:
    """How many files this process may open; as many as it is allowed to allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
