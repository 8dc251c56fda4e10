"""What pages for people ask of a request and put on every answer: shared by all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from aiohttp import web

#: On every answer, beside a policy of its own: in nobody's frame, nothing kept by browser or proxy.
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def address(request: web.Request, *, proxied: bool) -> str:
    """Where it comes from; ``proxied``: a proxy on this machine tells it."""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if proxied else ""
    return told or request.remote or ""


def from_here(request: web.Request) -> bool:
    """Whether it was sent by a page of this very host."""
    return urlsplit(request.headers.get("Origin", "")).netloc == request.host


def accepted(request: web.Request) -> Sequence[str]:
    """The languages that the browser prefers, the best first."""
    return [part.strip()[:2].lower() for part in request.headers.get("Accept-Language", "").split(",")]
