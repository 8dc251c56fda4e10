"""What is no HTTP at all is answered by a problem, too: aiohttp's own answer to it is plain text."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from bridge.api import problems
from bridge.api.encoded import HEADERS
from bridge.daemon.trouble import place

_TEXTS = {400: "the request is not well formed HTTP", 431: "the request's line or header fields are too long"}


class _Talk(RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What was read up to here is not repeated, and nothing of it is logged."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was begun already")
        if status >= 500 and exc is not None:
            structlog.get_logger().error("status API: internal error", error=type(exc).__name__, place=place(exc))
        detail = _TEXTS.get(status, "the request could not be answered")
        response = problems.answer(status, detail, headers=HEADERS)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Talk(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application whose every error is a problem."""

    async def _make_server(self) -> web.Server:
        usual = await super()._make_server()
        return _Server(
            usual.request_handler,
            request_factory=usual.request_factory,
            loop=asyncio.get_running_loop(),
            **usual._kwargs,
        )
