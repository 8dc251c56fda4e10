"""A small hub over real TLS sockets, in a thread of its own: applies by the law, keeps what it is told, asks all."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.core.fleet import Mark, Told, Verdict, take
from bridge.daemon import threads
from bridge.fleet import certificates, paths
from bridge.fleet.messages import Answer, Enrolled, Enrolment, Look, Message, Order, Receipt, Report, Signed
from bridge.fleet.orders import sign
from bridge.fleet.sealed import Opener

SECRET = "the-secret-of-a-ticket"
STATES = ("school", "cutover", "configuration", "head")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class FakeHub:
    """``with FakeHub(folder) as hub``: enrolled sites may talk until the end of the block."""

    folder: Path
    names: tuple[str, ...] = ("127.0.0.1",)
    schools: list[str] = field(default_factory=lambda: ["0123"])
    mark: Mark = field(default_factory=Mark)
    missing: int = 0
    days: int = 90
    #: What stands in place of an answer: a status, or None.
    status: int | None = None
    #: What it takes of no report: (status, faults of the problem) where there is something, else None.
    refuses: Callable[[Report], tuple[int, list[str]] | None] = lambda report: None
    #: The answer is lost after the report was applied.
    deaf: bool = False
    renew: bool = False
    ahead: timedelta = timedelta(0)
    port: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    serials: list[str] = field(default_factory=list)
    orders: list[Signed] = field(default_factory=list)
    questions: list[Signed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        key, pem = certificates.new_authority(now())
        self.authority = certificates.Authority(key, pem)
        self.key = Ed25519PrivateKey.generate()
        self.opener = Opener()
        self._paper("authority.pem", pem)
        self.show(self.authority)

    def show(self, authority: certificates.Authority, *, days: int = 90, begins: datetime | None = None) -> None:
        """The certificate that connections see from the next start on, with the authority in its chain."""
        key, issued = authority.server(self.names, now=begins or now(), days=days)
        self._paper("server.key", key)
        self._paper("server.pem", (issued.pem + authority.pem).encode())

    def _paper(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ticket(self, site: str = "s1") -> str:
        from bridge.uplink.papers import fingerprint

        return f"{site}.{SECRET}.{fingerprint(self.authority.pem)}"

    # -- what it was told

    def states(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(school, kind) -> the newest state."""
        return {(one.school, one.kind): one.body for one in list(self.messages) if one.kind in STATES}

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [one.body for one in list(self.messages) if one.kind == kind]

    def until(self, probe: Callable[[], Any], *, seconds: float = 30) -> Any:
        end = time.monotonic() + seconds
        while True:
            with suppress(KeyError, IndexError):
                if found := probe():
                    return found
            assert time.monotonic() < end, f"not in {seconds} s: {self.verdicts[-3:]}, {list(self.states())}"
            time.sleep(0.02)

    # -- what it asks

    def order(self, action: dict[str, Any] | None = None, **more: Any) -> Order:
        """An order; not asked yet."""
        fields: dict[str, Any] = {
            "id": secrets.token_hex(8), "site": "s1", "school": "0123", "actor": "council",
            "scopes": ["read", "operate"], "issued": now(), "expires": now() + timedelta(hours=1), "action": action,
        }  # fmt: skip
        return Order(**{**fields, **more})

    def ask(self, action: dict[str, Any] | None = None, *, key: Ed25519PrivateKey | None = None, **more: Any) -> str:
        """Ask for an action; the order's id."""
        order = self.order({"reason": "because of the test", **action} if action else None, **more)
        self.orders.append(sign(order, key or self.key))
        return order.id

    def answer(self, command: str) -> dict[str, Any]:
        """What became of it."""
        return self.until(lambda: [one for one in self.events("answer") if one["command"] == command])[-1]

    def look(self, what: str, *, scopes: tuple[str, ...] = ("read",), **more: Any) -> Any:
        """Ask, wait, open."""
        look = Look(what=what, key=self.opener.public, **more)  # type: ignore[arg-type]
        order = self.order(look=look, scopes=list(scopes))
        self.questions.append(sign(order, self.key))
        found = self.until(lambda: self.answers[order.id])
        if found.problem:
            return found.problem
        return json.loads(self.opener.open(found.sealed, purpose=order.id))

    # -- the server

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, at the same port as before."""
        self._loop, self._ending, began = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

        async def run() -> None:
            app = web.Application(client_max_size=8 << 20)
            app.router.add_post(paths.ENROL, self._enrol)
            app.router.add_post(paths.RENEW, self._enrol)
            app.router.add_post(paths.REPORT, self._report)
            app.router.add_post(paths.ANSWERS, self._answer)
            app.router.add_get(paths.WAIT, self._wait)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            files = [self.folder / name for name in ("server.pem", "server.key", "authority.pem")]
            context = certificates.server_context(*files)
            await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True).start()
            self.port = runner.addresses[0][1]
            began.set()
            await self._ending.wait()
            await runner.cleanup()

        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(run()), name="hub")
        self._thread.start()
        assert began.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(20)
        self._loop.run_until_complete(threads.end(asyncio.all_tasks(self._loop)))
        self._loop.close()

    async def _enrol(self, request: web.Request) -> web.Response:
        asked = Enrolment.model_validate_json(await request.read())
        peer = certificates.site_of(request.get_extra_info("peercert"))
        renewing = request.path == paths.RENEW
        if (peer is None or peer[0] != asked.site) if renewing else asked.ticket != SECRET:
            return web.json_response({"title": "no", "detail": "the ticket is not good"}, status=403)
        issued = self.authority.site(asked.site, asked.request, now=now(), days=self.days)
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        body = Enrolled(certificate=issued.pem, authority=self.authority.pem, key=public, schools=self.schools)
        return web.Response(body=body.model_dump_json(), content_type="application/json")

    async def _report(self, request: web.Request) -> web.Response:
        site = certificates.site_of(request.get_extra_info("peercert"))
        if site is None or self.status is not None:
            status = 401 if site is None else self.status
            return web.json_response({"title": "no", "detail": "not today"}, status=status or 500)
        self.serials.append(site[1])
        report = Report.model_validate_json(await request.read())
        self.reports.append(report)
        if refused := self.refuses(report):
            faults = [{"where": where, "what": "no"} for where in refused[1]]
            return web.json_response({"title": "no", "detail": "not this", "faults": faults}, status=refused[0])
        seqs = [one.seq for one in report.messages]
        taken = take(self.mark, Told(report.epoch, report.last, report.oldest, seqs))
        self.mark, self.missing = taken.mark, self.missing + taken.missing
        self.verdicts.append(taken.verdict)
        if taken.verdict is Verdict.APPLIED:
            self.messages += [one for one in report.messages if one.seq >= taken.first]
        if self.deaf:
            assert request.transport is not None
            request.transport.close()
        return self._receipt(taken.verdict.value, missing=self.missing)

    def _receipt(self, verdict: Any, *, missing: int = 0) -> web.Response:
        questions, self.questions = self.questions, []
        receipt = Receipt(
            verdict=verdict, epoch=self.mark.epoch, seq=self.mark.seq, now=now() + self.ahead, commands=self._waiting(),
            questions=questions, renew=self.renew, missing=missing,
        )  # fmt: skip
        return web.Response(body=receipt.model_dump_json(), content_type="application/json")

    def _waiting(self) -> list[Signed]:
        """All that were not answered yet, again and again."""
        answered = {one["command"] for one in self.events("answer")}
        return [one for one in self.orders if json.loads(one.text)["id"] not in answered]

    def _due(self) -> bool:
        return bool(self.questions or self._waiting() or self.status is not None)

    async def _wait(self, request: web.Request) -> web.Response:
        end = time.monotonic() + float(request.query["seconds"])
        while time.monotonic() < end and not self._due():  # noqa: ASYNC110 - tests change it from other threads
            await asyncio.sleep(0.02)
        if self.status is not None:
            return web.Response(status=self.status)
        await asyncio.sleep(0.1)
        return self._receipt("none")

    async def _answer(self, request: web.Request) -> web.Response:
        answer = Answer.model_validate_json(await request.read())
        assert answer.id not in self.answers, "the same question was answered twice"
        self.answers[answer.id] = answer
        return web.Response(status=204)
