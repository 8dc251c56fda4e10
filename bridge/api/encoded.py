"""Answers as bytes with their ETag. What a survey hands to everybody is written out once only; it alone is remembered,
because everything else is made anew for each request."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from bridge.api.models import SchoolView
from bridge.api.routes import JSON, Route
from bridge.api.values import matches

_MOST = 512
#: What a survey makes: it stays the same object as long as nothing changes.
_SHARED = (tuple, SchoolView)
#: Nobody may guess a type, frame an answer or run anything in it.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "schoolbridge",
}


class Encoder:
    """Writes out answers."""

    def __init__(self) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._known: OrderedDict[str, tuple[Any, bytes, str]] = OrderedDict()

    def encode(self, route: Route, path: str, answer: Any) -> tuple[bytes, str]:
        """The bytes of an answer and their ETag."""
        known = self._known.get(path)
        if known is not None and known[0] is answer:
            return known[1], known[2]
        adapter = self._adapters.get(route.name)
        if adapter is None:
            adapter = self._adapters[route.name] = TypeAdapter(route.answer)
        listed = list(answer) if isinstance(answer, Sequence) else answer
        body = adapter.dump_json(listed)
        tag = tag_of(body)
        if isinstance(answer, _SHARED):
            self._known[path] = (answer, body, tag)
            self._known.move_to_end(path)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return body, tag


def tag_of(body: bytes) -> str:
    """A strong ETag: the same bytes, the same tag."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def respond(request: web.Request, body: bytes, tag: str) -> web.Response:
    """The answer, or 304 where it is known already."""
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if matches(request.headers.get("If-None-Match", ""), tag, weak=True):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=JSON, headers=headers)


def plain(tree: Any) -> bytes:
    """JSON of a plain tree."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
