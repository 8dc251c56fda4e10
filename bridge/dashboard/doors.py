"""Logging in by a token of the status API, and out.

A wrong token is counted by address: it can't be guessed, but nobody shall try all day. The form for it is signed for
this browser, so that nobody can log somebody in unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from aiohttp import web

from bridge.dashboard.drawn import Drawer, Look
from bridge.dashboard.requests import chosen, elsewhere, local, ours, posted, same
from bridge.dashboard.sessions import Said, Session, Sessions
from bridge.web.limits import Limits
from bridge.web.requests import address as address_of
from bridge.web.sessions import LASTS
from bridge.web.sessions import Sessions as Forms


class Doors:
    """The way in and the way out."""

    def __init__(
        self, sessions: Sessions, drawer: Drawer, look: Callable[[web.Request], Look], *, secure: bool, proxied: bool
    ) -> None:
        self.sessions, self.drawer, self.look, self.secure, self.proxied = sessions, drawer, look, secure, proxied

        def seconds() -> float:
            return sessions.clock().timestamp()

        self._forms, self._limits = Forms(seconds), Limits(seconds)
        self.log = structlog.get_logger()
        # `__Host-`: over TLS only, for this host and path only (RFC 6265bis).
        prefix = "__Host-" if secure else ""
        self.cookie, self._form_cookie = f"{prefix}board", f"{prefix}board-door"

    async def session(self, request: web.Request, *, touch: bool) -> Session | None:
        """Who asks; None where nobody is logged in any more. ``touch``: a person did something."""
        told = self.sessions.told(request.headers) if self.proxied else None
        return told or await self.sessions.find(request.cookies.get(self.cookie, ""), touch=touch)

    def form(self, request: web.Request, word: str = "", *, status: int = 200, to: str | None = None) -> web.Response:
        """The page that asks for a token; afterwards it goes on where the person wanted to go: ``to``, or here."""
        if request.method == "GET" and (moved := chosen(request, secure=self.secure)):
            return moved
        look, visit = self.look(request), self._forms.begin()
        to = request.path_qs if to is None else to
        # A link in a mail leads here without the cookie, because it comes from elsewhere; a click from here has it.
        abroad = request.headers.get("Sec-Fetch-Site") == "cross-site"
        said = Said(False, look.speech.words[word]) if word else None
        response = self.drawer.draw(
            "login.html", look, None, status=status, said=said, door=visit.token, to=local(to), abroad=abroad
        )
        self._keep(response, self._form_cookie, self._forms.seal(visit), lasts=int(LASTS))
        return response

    async def page(self, request: web.Request) -> web.Response:
        """GET /login."""
        return self.form(request, to=request.query.get("to", "/"))

    async def log_in(self, request: web.Request) -> web.Response:
        """A token was pasted."""
        form, visit = await posted(request), self._forms.read(request.cookies.get(self._form_cookie, ""))
        to = form.get("to", "/") if form else "/"
        if form is None or visit is None or not same(form.get("token", ""), visit.token):
            return self.form(request, "login_stale", status=400, to=to)
        address = address_of(request, proxied=self.proxied)
        if not self._limits.allowed(address, address):
            return self.form(request, "login_slow", status=429, to=to)
        self._limits.begin(address, address)
        begun = await self.sessions.begin(form.get("secret", "").strip()[:500])
        if begun is None:
            return self.form(request, "login_wrong", status=403, to=to)
        self._limits.right(address, address)
        cookie, session = begun
        self.log.info("logged in to the dashboard", token=session.held.id)
        response = elsewhere(local(to))
        self._keep(response, self.cookie, cookie)
        response.del_cookie(self._form_cookie, path="/", secure=self.secure, httponly=True, samesite="Strict")
        return response

    async def log_out(self, request: web.Request) -> web.Response:
        """Forget the session."""
        session, form = await self.session(request, touch=True), await posted(request)
        if session is None or form is None or not ours(session, form):
            return elsewhere("/")
        self.sessions.end(request.cookies.get(self.cookie, ""))
        response = elsewhere("/login")
        response.del_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="Strict")
        return response

    def _keep(self, response: web.Response, name: str, value: str, *, lasts: int | None = None) -> None:
        response.set_cookie(name, value, max_age=lasts, path="/", secure=self.secure, httponly=True, samesite="Strict")
