"""The status API as an HTTP application.

name     is it asked for under a name of its own? (DNS rebinding)
who      a token, or what the proxy tells; wrong ones are counted, too many requests refused
what     the table of routes: scope and school first, then query, headers and body
answer   with an ETag; whatever goes wrong is a problem
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiohttp import web
from prometheus_client.registry import Collector

from bridge.api import asked, values
from bridge.api.actions import SCOPES
from bridge.api.cursors import Cursors
from bridge.api.document import document
from bridge.api.door import BY, Door
from bridge.api.encoded import HEADERS, LARGE, Encoder, plain, respond, tag_of
from bridge.api.keyring import Keyring, Visitor
from bridge.api.metrics import Metrics, Schools
from bridge.api.models import Page
from bridge.api.passwords import Setting
from bridge.api.problems import Proceed, Refused, problems
from bridge.api.repeated import Acted, Repeated
from bridge.api.routes import ROUTES, Call, Route
from bridge.api.source import ASKING, Source, Unknown
from bridge.api.stream import Streams
from bridge.daemon import logs
from bridge.settings.api import Api

#: Seconds in which the state has to answer when it is asked whether this is ready.
READY = 10.0
Run = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Kin:
    """In what a hub differs from a bridge: the command that makes a token, its metrics, and what signs its cursors,
    which several processes of one hub have in common."""

    making: str = "schoolbridge token make"
    figures: Callable[[], Collector] | None = None
    cursors: bytes = b""


def build(
    source: Source,
    keyring: Keyring,
    *,
    api: Api | None = None,
    run: Run = asyncio.to_thread,
    clock: Callable[[], float] = time.monotonic,
    kin: Kin | None = None,
) -> web.Application:
    """The application. ``run`` runs what blocks; the dashboard may add its own addresses before it is started."""
    front = Front(source, keyring, api=api or Api(), run=run, clock=clock, kin=kin or Kin())
    around: list[Any] = [front.watched, problems, front.named]
    app = web.Application(client_max_size=values.LARGEST, middlewares=around)
    app[FRONT] = front
    app.on_response_prepare.append(_careful)
    app.on_shutdown.append(front.end)
    for route in ROUTES:
        app.router.add_route(route.method, _pattern(route), front.serving(route), name=route.name)
    app.router.add_route("*", "/api/{rest:.*}", _nothing)
    return app


async def _nothing(request: web.Request) -> web.StreamResponse:
    """What is not in the table: 405 where the address is, else 404; whatever else the application serves."""
    for resource in request.app.router.resources():
        match, allowed = await resource.resolve(request)
        if match is None and allowed:
            raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise web.HTTPNotFound


async def _careful(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]


def _pattern(route: Route) -> str:
    """An id holds no dot, its form may."""
    return route.path.replace("{id}.{form}", r"{id:[^/.]+}.{form:[^/]+}")


class Front:
    """What stands between a request and the source. The dashboard asks it, too, who somebody is."""

    def __init__(
        self, source: Source, keyring: Keyring, *, api: Api, run: Run, clock: Callable[[], float], kin: Kin
    ) -> None:
        self.source, self.keyring, self.api, self.run, self.clock = source, keyring, api, run, clock
        self.metrics, self.streams = Metrics(), Streams(source)
        self.repeated = Repeated(keyring, run)
        self._kin, self._encoder, self._cursors = kin, Encoder(), Cursors(kin.cursors)
        self.door = Door(keyring, api=api, run=run, clock=clock, making=kin.making)
        self._passwords = Setting(source, clock)
        self._hosts = self.api.hosts  # compared with each request
        self._log = structlog.get_logger()

    async def end(self, _: web.Application) -> None:
        """The daemon stops."""
        self.streams.end()

    # -- around every request

    @web.middleware
    async def watched(self, request: web.Request, **given: Proceed) -> web.StreamResponse:
        """How long it took, and a line in the log without query and token."""
        begun, status = self.clock(), 500
        try:
            response = await given["handler"](request)
            status = response.status
        finally:
            seconds = self.clock() - begun
            name = request.match_info.route.name or "other"
            if name != "events":
                self.metrics.note(name, status, seconds)
            who = request.get(BY, "")  # a stranger must not be able to fill the log
            told = (who and request.method == "POST") or status >= 500
            if told or logs.detailed():  # a line that nobody reads would cost as much as the answer
                note = self._log.info if told else self._log.debug
                note("api", method=request.method, path=request.path, status=status, by=who, seconds=round(seconds, 4))
        return response

    @web.middleware
    async def named(self, request: web.Request, **given: Proceed) -> web.StreamResponse:
        """Only under names of its own: a page of another name in a browser must not reach it."""
        host = request.headers.get("Host", "").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.rstrip(".") not in self._hosts and host not in self._hosts:
            raise Refused(421, "asked for under a name that is not this bridge's; add it to api.allowed_hosts")
        return await given["handler"](request)

    def serving(self, route: Route) -> Proceed:
        """What answers a route."""

        async def serve(request: web.Request) -> web.StreamResponse:
            if not route.scopes:
                return await self._public(route, request)
            visitor = await self.door.visitor(request)
            self._may(visitor, route, request)
            ASKING.set(visitor.who)
            if route.name == "actions":
                return await self._action(request, visitor)
            if route.name == "passwords":
                return await self._passwords.answer(request, visitor)
            if route.name == "events":
                return await self._events(request, visitor)
            if route.name == "metrics":
                return await self._metrics(request, visitor)
            if route.name == "report":
                return await self._report(request)
            return await self._read(route, request, visitor)

        return serve

    def _may(self, visitor: Visitor, route: Route, request: web.Request) -> None:
        """First the scope, then the school: a school without right and one that does not exist look alike."""
        if not any(visitor.who.may(scope) for scope in route.scopes):
            raise Refused(403, f"this token lacks the scope {' or '.join(route.scopes)}")
        code = request.match_info.get("code")
        if code is not None and not any(visitor.who.may(scope, code) for scope in route.scopes):
            raise Unknown(f"no school has the code {code}" if values.is_code(code) else "no school has this code")

    # -- what

    async def _read(self, route: Route, request: web.Request, visitor: Visitor) -> web.Response:
        known = [name for name, used in (("limit", route.limited), ("before", route.paged)) if used]
        said = values.query(request, known)
        limit = values.number(said.get("limit"), "limit", least=1, most=values.MOST) or values.LIMIT
        before = self._position(request.path, said.get("before"))
        if request.match_info.get("event", "observe") not in values.EVENTS:
            raise Unknown("the cutover knows no such event")
        assert route.get is not None  # noqa: S101 - the table says so
        answer = await route.get(Call(self.source, visitor, dict(request.match_info), limit, before))
        if isinstance(answer, Page) and answer.next is not None:
            answer = answer.model_copy(update={"next": self._cursors.sign(request.path, answer.next)})
        body, tag = self._encoder.encode(route, request.path, answer)
        return respond(request, *await self._squeezed(request, body, tag))

    async def _squeezed(self, request: web.Request, body: bytes, tag: str) -> tuple[bytes, str, str]:
        """What is large is sent small to who asks for it."""
        if len(body) < LARGE or not values.takes_gzip(request.headers.get("Accept-Encoding", "")):
            return body, tag, ""
        return await self.run(self._encoder.squeezed, body, tag)  # type: ignore[no-any-return]

    def _position(self, path: str, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        position = self._cursors.read(path, cursor)
        if position is None:
            raise Refused(
                400, "this cursor was not given out here, or before the daemon's last start; begin without one"
            )
        return position

    async def _action(self, request: web.Request, visitor: Visitor) -> web.Response:
        code, key = request.match_info["code"], values.key(request)
        values.query(request, ())
        model, mark = await values.body(request, asked.Action)
        action = cast("asked.Action", model)
        if not visitor.who.may(SCOPES[action.action], code):
            raise Refused(403, f"this token lacks the scope {SCOPES[action.action]} for {action.action}")

        async def act() -> Acted:
            await self._as_seen(request, code, names=visitor.who.may("names", code))
            answer = await self.source.act(code, action, visitor.who, key=known)
            return Acted(200, answer.model_dump_json().encode(), settled=not answer.pending)

        # The same key and request: the same name for it, wherever it is asked in turn.
        known = hashlib.sha256(f"{visitor.id}\n{key}\n{mark}".encode()).hexdigest() if key else ""

        status, body = await self.repeated.once(code, visitor, key=key, mark=mark, act=act)
        media = "application/json" if status < 400 else "application/problem+json"
        return web.Response(status=status, body=body, content_type=media, headers={"Cache-Control": "no-store"})

    async def _as_seen(self, request: web.Request, code: str, *, names: bool) -> None:
        """If-Match: what the caller saw of the cutover still holds."""
        header = request.headers.get("If-Match")
        if header is None:
            return
        route = next(one for one in ROUTES if one.name == "cutover")
        _, tag = self._encoder.encode(route, "", await self.source.cutover(code, names=names))
        if not values.matches(header, tag):
            raise Refused(412, "the cutover is not as it was seen; read it again, then decide", headers={"ETag": tag})

    async def _events(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        said = values.query(request, ("after", "once"))
        header = request.headers.get("Last-Event-ID") or None
        after = values.number(header or said.get("after"), "after", least=0, most=2**53)

        async def still() -> bool:
            with suppress(Refused):
                return (await self.door.visitor(request)).who.may("read")
            return False

        once = values.flag(said.get("once"), "once")
        return await self.streams.serve(request, visitor, after=after, once=once, still=still)

    async def _report(self, request: web.Request) -> web.Response:
        values.query(request, ())
        place = request.match_info
        body, media = await self.source.report(place["code"], place["id"], place["form"])
        response = respond(request, body, tag_of(body))
        if response.status == 200:
            response.headers["Content-Type"] = media
        policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
        response.headers["Content-Security-Policy"] = policy
        return response

    async def _metrics(self, request: web.Request, visitor: Visitor) -> web.Response:
        values.query(request, ())
        if not visitor.who.everywhere("read"):
            raise Refused(403, "metrics are for tokens of all schools")
        board = await self.source.board()
        figures = self._kin.figures
        made = figures() if figures else Schools([await self.source.school(one.code) for one in board])
        body = await self.run(self.metrics.render, made)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _public(self, route: Route, request: web.Request) -> web.Response:
        values.query(request, ())
        if route.name == "document":
            body = plain(document())
            return respond(request, body, tag_of(body))
        if route.name == "healthz":
            return web.Response(text="alive\n", headers={"Cache-Control": "no-store"})
        with suppress(Exception):
            async with asyncio.timeout(READY):  # a state that hangs fails nothing
                await self.source.board()
        ready, why = self.source.ready()
        text = "ready\n" if ready else f"{why}\n"
        return web.Response(status=200 if ready else 503, text=text, headers={"Cache-Control": "no-store"})


#: Where the application keeps it.
FRONT = web.AppKey("front", Front)
