"""What a request says: how its browser wants pages, and whether what it posts comes from a page of ours."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, tzinfo
from urllib.parse import urlencode

from aiohttp import web

from bridge.dashboard.drawn import THEMES, Look
from bridge.dashboard.sessions import Session
from bridge.dashboard.speech import Speech
from bridge.dashboard.words import LANGUAGES
from bridge.web.requests import accepted, from_here

YEAR = 365 * 86400


def look_of(request: web.Request, *, default: str, zone: tzinfo, now: datetime) -> Look:
    """As chosen, else as the browser prefers, else as the bridge is set."""
    wishes = (request.query.get("lang"), request.cookies.get("board-lang"), *accepted(request), default, "en")
    theme = request.query.get("theme") or request.cookies.get("board-theme", "")
    return Look(
        Speech(next(str(one) for one in wishes if one in LANGUAGES), zone, now),
        theme if theme in THEMES else "auto",
        wall="wall" in request.query,
        fragment="Fragment" in request.headers,
        path=request.path,
        query=urlencode([(name, value) for name, value in request.query.items() if name not in {"lang", "theme"}]),
    )


def chosen(request: web.Request, *, secure: bool) -> web.Response | None:
    """``?lang=`` and ``?theme=`` are remembered, and leave the address."""
    kept = [(name, value) for name, value in request.query.items() if name not in {"lang", "theme"}]
    if len(kept) == len(request.query):
        return None
    response = elsewhere(local(request.path + (f"?{urlencode(kept)}" if kept else "")))
    for name, known in (("lang", tuple(LANGUAGES)), ("theme", THEMES)):
        if (value := request.query.get(name)) in known:
            response.set_cookie(
                f"board-{name}", str(value), max_age=YEAR, path="/", secure=secure, httponly=True, samesite="Lax"
            )
    return response


async def posted(request: web.Request) -> dict[str, str] | None:
    """A form; None where it was not sent by a page of this very host."""
    if not from_here(request) or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return None
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def ours(session: Session, form: dict[str, str]) -> bool:
    """Whether the form holds the session's token."""
    return same(form.get("token", ""), session.token)


def same(given: str, known: str) -> bool:
    """Compared without telling by the time it takes where they differ."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), known.encode())


def local(path: str) -> str:
    """A path of this host; whatever else it is, the board."""
    fits = path.startswith("/") and not path.startswith("//") and path.isprintable() and len(path) < 500
    return path if fits and "\\" not in path and not path.startswith(("/login", "/logout", "/live")) else "/"


def elsewhere(path: str) -> web.Response:
    """Go there by GET."""
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})


def tagged(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """A fragment that did not change costs the line nothing."""
    if not isinstance(response, web.Response) or response.status != 200 or not isinstance(response.body, bytes):
        return response
    tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-store"})
    response.headers["ETag"] = tag
    return response
