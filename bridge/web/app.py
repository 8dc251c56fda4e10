"""The page as an HTTP application, and what every answer of it carries."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from bridge.web import requests
from bridge.web.limits import Limits
from bridge.web.pages import Pages, School
from bridge.web.sessions import Sessions

_LARGEST = 16 * 1024  # bytes of a form
#: No script at all, nothing from elsewhere, in nobody's frame (CSP level 3).
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    **requests.HEADERS,
}


async def _careful(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def build(school: School, *, clock: Callable[[], float] = time.monotonic, proxied: bool = False) -> web.Application:
    """The application for one school."""
    pages = Pages(school, sessions=Sessions(clock), limits=Limits(clock), proxied=proxied)
    app = web.Application(client_max_size=_LARGEST)
    app.on_response_prepare.append(_careful)  # errors too
    app.add_routes(pages.routes())
    return app
