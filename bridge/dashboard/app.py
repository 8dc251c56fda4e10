"""The dashboard as routes of an application: who asks, what they may, and what every answer carries.

1. The session's cookie is looked up, and its token: ended ones see the login.
2. A school that this person may not see is not there, exactly like one that does not exist.
3. What is posted has to come from a page of ours: by its origin and by the session's token.
4. Whatever goes wrong becomes a page in the reader's language, without anything of the inside.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, tzinfo
from http import HTTPStatus

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bridge.api.actions import SCOPES
from bridge.api.source import ASKING, Away, Denied, Source, Unknown
from bridge.dashboard.acts import Amiss, action_of, none_more
from bridge.dashboard.doors import Doors
from bridge.dashboard.drawn import HEADERS, Drawer, Look
from bridge.dashboard.files import STATIC, VERSION
from bridge.dashboard.live import Streams
from bridge.dashboard.pages import Pages, Shown
from bridge.dashboard.requests import YEAR, chosen, elsewhere, look_of, ours, posted, tagged
from bridge.dashboard.sessions import Said, Session, Sessions, Tokens
from bridge.dashboard.speech import Speech
from bridge.ports import BridgeError

Clock = Callable[[], datetime]
Routes = Sequence[web.RouteDef]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PAGES = {"waiting", "cutover", "timeline"}
_SCHOOL = "/school/{code:[A-Za-z0-9][A-Za-z0-9._-]{0,31}}"


def _now() -> datetime:
    return datetime.now(UTC)


def add_to(
    app: web.Application, source: Source, tokens: Tokens, *, zone: tzinfo = UTC, language: str = "en",
    secure: bool = False, proxied: bool = False, clock: Clock = _now, more: Callable[[Dashboard], Routes] | None = None,
) -> None:  # fmt: skip
    """Add the dashboard to an application, below its root. Add it last: it answers what nobody else does.

    ``secure``: browsers reach it by TLS, here or at a proxy. ``proxied``: a proxy on this machine tells addresses.
    ``more``: pages beside those of a bridge.
    """
    board = Dashboard(source, tokens, zone=zone, language=language, secure=secure, proxied=proxied, clock=clock)
    app.add_routes([*(more(board) if more is not None else ()), *board.routes()])
    app.on_shutdown.append(board.close)


class Dashboard:
    """All of it, over one source."""

    def __init__(
        self, source: Source, tokens: Tokens, *, zone: tzinfo, language: str, secure: bool, proxied: bool, clock: Clock
    ) -> None:
        self.source, self.zone, self.default, self.secure, self.clock = source, zone, language, secure, clock
        self.drawer, self.streams = Drawer(), Streams(source)
        self.pages = Pages(source, self.drawer)
        self.doors = Doors(Sessions(tokens, clock), self.drawer, self.look, secure=secure, proxied=proxied)
        self.log = structlog.get_logger()

    def routes(self) -> list[web.RouteDef]:
        """All addresses; the last answers for every page that is not there."""
        pages = self.pages
        return [
            web.get("/", self.shown(pages.board)),
            web.get(_SCHOOL, self.shown(pages.school)),
            web.get(f"{_SCHOOL}/waiting", self.shown(pages.waiting)),
            web.get(f"{_SCHOOL}/cutover", self.shown(pages.cutover)),
            web.get(f"{_SCHOOL}/timeline", self.shown(pages.timeline)),
            web.get(f"{_SCHOOL}/reports/{{report:[^/.]+}}.{{form:[^/]+}}", self.shown(pages.report)),
            web.post(f"{_SCHOOL}/act", self.caught(self.act)),
            web.get("/live", self.live),
            web.get("/static/{name}", self.caught(self.static)),
            web.get("/login", self.caught(self.doors.page)),
            web.post("/login", self.caught(self.doors.log_in)),
            web.post("/logout", self.caught(self.doors.log_out)),
            web.get("/{rest:(?!api/|static/).*}", self.caught(self.nothing)),
        ]

    async def close(self, _: web.Application) -> None:
        """End what would go on."""
        await self.streams.close()

    def look(self, request: web.Request) -> Look:
        """How this browser wants its pages."""
        return look_of(request, default=self.default, zone=self.zone, now=self.clock())

    # --- what is asked

    async def act(self, request: web.Request) -> web.StreamResponse:
        """A form of a school's page was sent."""
        look, session = self.look(request), await self.doors.session(request, touch=True)
        if session is None:
            to = request.path.removesuffix("/act")
            return self.doors.form(request, "login_over", status=401, to=to)
        form = await posted(request)
        if form is None or not ours(session, form):
            return self.wrong(look, session, HTTPStatus.FORBIDDEN, "error_foreign")
        code, action = request.match_info["code"], form.get("action", "")
        if not session.held.who.may("read", code):
            raise Unknown(code)
        if action not in SCOPES or not session.held.who.may(SCOPES[action], code):
            return self.wrong(look, session, HTTPStatus.FORBIDDEN, "error_scope")
        if not session.twice(form, self.clock()):
            done = False
            try:
                said = await self._asked(look.speech, session, code, form)
                session.said.append(said)
                done = said.good
            finally:
                if not done:
                    session.forget(form)
        page = form.get("to", "")
        return elsewhere(f"/school/{code}" + (f"/{page}" if page in _PAGES else ""))

    async def _asked(self, speech: Speech, session: Session, code: str, form: dict[str, str]) -> Said:
        try:
            action = action_of(form, code, self.zone)
            if action.action == "release-all":
                none_more(action, form.get("seen", ""), (await self.source.school(code)).errors)
            answer = await self.source.act(code, action, session.held.who)
        except Amiss as error:
            return Said(False, speech.fill(error.word, **error.values))
        except (Denied, Unknown, Away, BridgeError) as error:
            return Said(False, speech.words["not_done"], str(error))
        if answer.pending:
            return Said(True, speech.words["asked_pending"], answer.text)
        text = speech.of("done", action.action) if answer.done else speech.words["not_done"]
        return Said(answer.done, text, answer.text)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The stream of what changes."""
        session = await self.doors.session(request, touch=False)
        if session is None:
            return web.Response(status=401, headers=HEADERS)

        async def still() -> bool:
            return await self.doors.session(request, touch=False) is not None

        return await self.streams.answer(request, session, still)

    async def static(self, request: web.Request) -> web.StreamResponse:
        """Style, script and icons; with a version in the address they never change."""
        found = STATIC.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        kept = {"Cache-Control": f"public, max-age={YEAR}, immutable"} if request.query_string == VERSION else {}
        return web.Response(body=found[0], content_type=found[1], charset="utf-8", headers={**HEADERS, **kept})

    async def nothing(self, request: web.Request) -> web.StreamResponse:
        """No such page."""
        if await self.doors.session(request, touch=True) is None:
            return self.doors.form(request)
        raise web.HTTPNotFound

    # --- around every page

    def shown(self, page: Shown) -> Answer:
        """A page for who is logged in and may see it."""

        async def shown(request: web.Request) -> web.StreamResponse:
            look = self.look(request)
            session = await self.doors.session(request, touch=not look.fragment)
            if session is None:
                if look.fragment:
                    return web.Response(status=401, headers=HEADERS)
                return self.doors.form(request, "login_over" if self.doors.cookie in request.cookies else "")
            if moved := chosen(request, secure=self.secure):
                return moved
            code = request.match_info.get("code")
            if code is not None and not session.held.who.may("read", code):
                raise Unknown(code)
            ASKING.set(session.held.who)
            answer = await page(request, session, look)
            return tagged(request, answer) if look.fragment else answer

        return self.caught(shown)

    def caught(self, answer: Answer) -> Answer:
        """Whatever goes wrong becomes a page."""

        async def caught(request: web.Request) -> web.StreamResponse:
            look = self.look(request)
            try:
                return await answer(request)
            except (Unknown, web.HTTPNotFound):
                session = await self.doors.session(request, touch=False)
                return self.wrong(look, session, HTTPStatus.NOT_FOUND, "error_404")
            except Away as error:
                session = await self.doors.session(request, touch=False)
                said = Said(False, look.speech.away(error.site, error.heard))
                return self.wrong(look, session, HTTPStatus.SERVICE_UNAVAILABLE, "error_away", said=said)
            except web.HTTPRequestEntityTooLarge:
                return self.wrong(look, None, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "error_413")
            except (BridgeError, SQLAlchemyError, OSError) as error:
                self.log.warning("a page can't be shown", path=request.path, reason=type(error).__name__)
                return self.wrong(look, None, HTTPStatus.SERVICE_UNAVAILABLE, "error_503")
            except Exception:
                number = secrets.token_hex(4)
                self.log.exception("a page can't be shown", path=request.path, number=number)
                return self.wrong(look, None, HTTPStatus.INTERNAL_SERVER_ERROR, "error_500", number=number)

        return caught

    def wrong(
        self, look: Look, session: Session | None, status: HTTPStatus, word: str, number: str = "",
        said: Said | None = None,
    ) -> web.Response:  # fmt: skip
        return self.drawer.draw(
            "error.html", look, session, status=status, word=word, code=int(status), number=number, said=said
        )
