"""What each address does. Whoever is not logged in sees the login page, whatever was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bridge.core.model import Link, Side
from bridge.core.password_rules import said
from bridge.daemon.password_people import account_of
from bridge.daemon.passwords import Desk, Outcome, set_password
from bridge.ports import BridgeError, LogIn
from bridge.state.store import SchoolStore
from bridge.web.limits import Limits
from bridge.web.people import by_anchor, classes_of, is_teacher, person_of, pupil_of
from bridge.web.requests import accepted, from_here
from bridge.web.requests import address as address_of
from bridge.web.sessions import COOKIE, LASTS, Sessions, Visit
from bridge.web.words import WORDS

_HERE = Path(__file__).parent
_CSS = (_HERE / "static" / "page.css").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class School:
    """What the page is for: ``writable`` are the sides whose passwords may be set now."""

    name: str
    language: str
    store: SchoolStore
    desk: Desk
    door: LogIn
    writable: frozenset[Side]


class Pages:
    """One school's page. ``proxied``: addresses are told by a proxy on this machine."""

    def __init__(self, school: School, *, sessions: Sessions, limits: Limits, proxied: bool = False) -> None:
        self.school, self.sessions, self.limits, self.proxied = school, sessions, limits, proxied
        # Everything that is shown is escaped; a name in a template that is not given is a mistake.
        loader = FileSystemLoader(_HERE / "templates")
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    def routes(self) -> list[web.RouteDef]:
        """All addresses."""
        return [
            web.get("/", self.home), web.get("/page.css", self.style), web.post("/login", self.log_in),
            web.post("/logout", self.log_out), web.post("/own", self.own), web.post("/reset", self.reset),
            *(web.get(path, self.home) for path in ("/login", "/logout", "/own", "/reset")),  # a reload
        ]  # fmt: skip

    async def style(self, _: web.Request) -> web.Response:
        """The style sheet."""
        return web.Response(text=_CSS, content_type="text/css")

    async def home(self, request: web.Request) -> web.Response:
        """The own page, or the login."""
        visit, who = self._who(request)
        return self._shown(request, visit, who) if who else self._door(request)

    async def log_in(self, request: web.Request) -> web.Response:
        """Bind as the person who says to be one."""
        form = await self._posted(request, self._visit(request))
        if form is None:
            return self._door(request, "stale")
        link, trouble = await self._proved(request, form.get("login", ""), form.get("password", ""))
        if link is None:
            return self._door(request, trouble)
        return self._shown(request, self.sessions.begin(link.id), link)

    async def log_out(self, request: web.Request) -> web.Response:
        """Forget the visit."""
        if await self._posted(request, self._visit(request)) is None:
            return await self.home(request)
        return self._door(request)

    async def own(self, request: web.Request) -> web.Response:
        """Change the own password; the present one is proved again."""
        visit, who = self._who(request)
        form = await self._posted(request, visit)
        if who is None or form is None:
            return self._door(request, "stale")
        login = person_of(who).login
        if form.get("new") != form.get("again"):
            return self._shown(request, visit, who, message="unequal")
        link, trouble = await self._proved(request, login, form.get("old", ""))
        if link is None or link.id != who.id:
            return self._shown(request, visit, who, message=trouble)
        return await self._set(request, visit, who, whose=who, secret=form.get("new", ""))

    async def reset(self, request: web.Request) -> web.Response:
        """A teacher gives a pupil of the own classes a new password."""
        visit, who = self._who(request)
        form = await self._posted(request, visit)
        if who is None or form is None:
            return self._door(request, "stale")
        pupil = pupil_of(self.school.store, who, form.get("link", ""))
        if pupil is None:
            return self._shown(request, visit, who, message="forbidden")
        return await self._set(request, visit, who, whose=pupil, secret=None)

    # --- who is there -----------------------------------------------------------------------------------------------

    def _visit(self, request: web.Request) -> Visit:
        return self.sessions.read(request.cookies.get(COOKIE, "")) or Visit()

    def _who(self, request: web.Request) -> tuple[Visit, Link | None]:
        """The visit, and the person as the school has it now: whoever left meanwhile is nobody."""
        visit = self._visit(request)
        links = self.school.store.links([visit.link]) if visit.link else ()
        alive = [one for one in links if one.school.record and one.school.record.fields.get("enabled") is not False]
        return visit, next(iter(alive), None)

    async def _posted(self, request: web.Request, visit: Visit) -> dict[str, str] | None:
        """What was posted; None where it does not come from this page: by its origin and by the token."""
        if not from_here(request):
            return None
        form = {name: str(value) for name, value in (await request.post()).items()}
        return form if visit.token and form.get("token") == visit.token else None

    async def _proved(self, request: web.Request, login: str, secret: str) -> tuple[Link | None, str]:
        """Whose login and password these are; else the word that says why not, the same for all who are refused."""
        address = address_of(request, proxied=self.proxied)
        if not self.limits.allowed(login, address):
            return None, "slow"
        self.limits.begin(login, address)
        try:
            anchor = await self.school.door.log_in(login, secret)
        except BridgeError:
            return None, "away"
        link = by_anchor(self.school.store, anchor) if anchor else None
        if link is None:
            return None, "wrong"
        self.limits.right(login, address)
        return link, ""

    # --- what is shown ----------------------------------------------------------------------------------------------

    async def _set(
        self, request: web.Request, visit: Visit, who: Link, *, whose: Link, secret: str | None
    ) -> web.Response:
        desk = replace(self.school.desk, actor=f"page {who.id}")
        try:
            account = account_of(whose, self.school.writable)
            outcome = await set_password(desk, account, secret, must_change=False)
        except BridgeError:
            return self._shown(request, visit, who, message="away")
        made = person_of(whose) if secret is None and outcome.ok else None
        message = "" if made else "changed" if outcome.ok else "apart" if outcome.differs else "nothing"
        return self._shown(request, visit, who, message=message, outcome=outcome, made=made)

    def _shown(
        self, request: web.Request, visit: Visit, who: Link, *, message: str = "", outcome: Outcome | None = None,
        made: Any = None,
    ) -> web.Response:  # fmt: skip
        language = self.language(request)
        rules = said(outcome.faults, language) if outcome else ()
        words = WORDS[language]
        sides = []
        if outcome and not outcome.ok and outcome.differs:
            sides = [(words[side], words[f"holds_{holds}"]) for side, holds in outcome.sides.items()]
        return self._page(
            request, "home.html", visit, message="rules" if rules else message, rules=rules, sides=sides, made=made,
            secret=outcome.secret if outcome and made else "", person=person_of(who), teacher=is_teacher(who),
            classes=classes_of(self.school.store, who),
        )  # fmt: skip

    def _door(self, request: web.Request, message: str = "") -> web.Response:
        return self._page(request, "login.html", self.sessions.begin(), message=message, rules=(), sides=())

    def _page(self, request: web.Request, template: str, visit: Visit, *, message: str, **more: Any) -> web.Response:
        language = self.language(request)
        words = WORDS[language]
        text = self._templates.get_template(template).render(
            lang=language, w=words, school=self.school.name, visit=visit, message=words[message] if message else "",
            **more,
        )  # fmt: skip
        response = web.Response(text=text, content_type="text/html")
        sealed = self.sessions.seal(visit)
        response.set_cookie(COOKIE, sealed, max_age=int(LASTS), path="/", secure=True, httponly=True, samesite="Strict")
        if request.query.get("lang") in WORDS:
            response.set_cookie("lang", language, path="/", httponly=True, samesite="Strict")
        return response

    def language(self, request: web.Request) -> str:
        """As chosen, else as the browser prefers, else the school's."""
        for one in (request.query.get("lang"), request.cookies.get("lang"), *accepted(request), self.school.language):
            if one in WORDS:
                return str(one)
        return "de"
