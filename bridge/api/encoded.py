"""Answers as bytes with their ETag. What a survey hands to everybody is written out once only; it alone is remembered,
because everything else is made anew for each request."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from bridge.api.models import SchoolRow, SchoolView
from bridge.api.routes import JSON, Route
from bridge.api.values import matches

_MOST = 512
#: Bytes from which on an answer is worth the work of making it small.
LARGE = 64 * 1024
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
        #: By the row's own id: a row of the board, kept alive, how it is written, and a digest of that.
        self._rows: dict[int, tuple[Any, bytes, bytes]] = {}
        self._small: tuple[str, bytes] = "", b""

    def encode(self, route: Route, path: str, answer: Any) -> tuple[bytes, str]:
        """The bytes of an answer and their ETag."""
        known = self._known.get(path)
        if known is not None and known[0] is answer:
            return known[1], known[2]
        if route.name == "schools":
            body, tag = self._board(answer)
        else:
            body = self._whole(route, answer)
            tag = tag_of(body)
        if isinstance(answer, _SHARED):
            self._known[path] = (answer, body, tag)
            self._known.move_to_end(path)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return body, tag

    def squeezed(self, body: bytes, tag: str) -> tuple[bytes, str, str]:
        """The same by gzip, with a tag of its own (RFC 9110, 8.8.3.3). Takes a while: in a thread."""
        known, small = self._small
        if known != tag:
            small = gzip.compress(body, 1, mtime=0)
            self._small = tag, small
        return small, f'{tag[:-1]}-gzip"', "gzip"

    def _whole(self, route: Route, answer: Any) -> bytes:
        adapter = self._adapters.get(route.name)
        if adapter is None:
            adapter = self._adapters[route.name] = TypeAdapter(route.answer)
        return adapter.dump_json(list(answer) if isinstance(answer, Sequence) else answer)

    def _board(self, rows: Sequence[SchoolRow]) -> tuple[bytes, str]:
        """The bytes and their ETag. Each row is written, and digested, once as long as it is the same object:
        thousands of schools, of which few change."""
        known, written, digests = self._rows, [], []
        for row in rows:
            found = known.get(id(row))
            if found is None:
                text = row.model_dump_json().encode()
                found = known[id(row)] = (row, text, hashlib.blake2b(text, digest_size=16).digest())
            written.append(found[1])
            digests.append(found[2])
        if len(known) > 2 * len(rows) + _MOST:
            kept = set(map(id, rows))
            self._rows = {name: one for name, one in known.items() if name in kept}
        return b"[" + b",".join(written) + b"]", tag_of(b"".join(digests))


def tag_of(body: bytes) -> str:
    """A strong ETag: the same bytes, the same tag."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def respond(request: web.Request, body: bytes, tag: str, encoding: str = "") -> web.Response:
    """The answer, or 304 where it is known already."""
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding"}
    if encoding:
        headers["Content-Encoding"] = encoding
    if matches(request.headers.get("If-None-Match", ""), tag, weak=True):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=JSON, headers=headers)


def plain(tree: Any) -> bytes:
    """JSON of a plain tree."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
