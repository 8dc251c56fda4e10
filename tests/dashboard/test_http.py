"""The dashboard by real HTTP: who gets in, who may what, where requests must come from, what goes wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import Morsel
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web

from bridge.api.models import ApprovalView, DriftView
from bridge.api.source import Unknown
from bridge.dashboard.app import add_to
from bridge.dashboard.drawn import HEADERS
from bridge.dashboard.files import STATIC, VERSION
from bridge.ports import BridgeError
from bridge.web.limits import FOR_ACCOUNT
from tests.dashboard.district import HOSTILE, NOW, District
from tests.dashboard.served import ALL, Served, served

PAGES = ("/", "/school/1136", "/school/1136/waiting", "/school/1136/cutover", "/school/1136/timeline")
ASK = {"action": "pause", "reason": "the line is needed", "to": "school"}


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as running:
        running.tokens.make("all")
        running.tokens.make("reader", frozenset({"read"}))
        running.tokens.make("operator", frozenset({"read", "operate"}))
        running.tokens.make("own", ALL, frozenset({"1136"}))
        yield running


@dataclass
class Visitor:
    """A browser as far as HTTP knows it."""

    http: aiohttp.ClientSession
    root: str
    token: str = ""
    answer: aiohttp.ClientResponse | None = None

    async def get(self, path: str, **headers: str) -> str:
        return await self._ask("GET", path, None, {"Accept-Language": "en", **headers})

    async def post(self, path: str, form: dict[str, str], **headers: str) -> str:
        return await self._ask("POST", path, {"token": self.token, **form}, {"Origin": self.root, **headers})

    async def log_in(self, secret: str) -> str:
        await self.get("/login")
        text = await self.post("/login", {"secret": secret, "to": "/"})
        if self.status == 200:
            await self.get("/school/1136")
        return text

    @property
    def status(self) -> int:
        assert self.answer is not None
        return self.answer.status

    async def _ask(self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]) -> str:
        async with self.http.request(method, self.root + path, data=form, headers=headers) as answer:
            text = await answer.text()
        self.answer = answer
        if found := re.search(r'name="token" value="([^"]+)"', text):
            self.token = found[1]
        return text


@asynccontextmanager
async def visitor(server: Served, secret: str = "") -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        one = Visitor(http, server.root)
        if secret:
            await one.log_in(secret)
            assert one.status == 200
        yield one


async def test_nobody_sees_anything_without_a_token(server: Served) -> None:
    async with visitor(server) as one:
        for path in (*PAGES, "/nothing", "/school/9999", "/school/1136/reports/readiness-2026-11-29.html"):
            text = await one.get(path)
            assert 'name="secret"' in text
            assert "Sophie-Scholl" not in text
        assert await one.get("/", Fragment="1") == ""
        assert one.status == 401
        await one.get("/live")
        assert one.status == 401
        await one.post("/school/1136/act", ASK)
        assert one.status == 401
    assert server.district.asked == []


async def test_every_answer_is_careful(server: Served) -> None:
    async with visitor(server, "all") as one:
        for path in (*PAGES, "/nothing", "/school/9999", "/login", *(f"/static/{name}" for name in STATIC)):
            await one.get(path)
            assert one.answer is not None
            assert {name: one.answer.headers[name] for name in HEADERS} == HEADERS, path
            assert "Server" not in one.answer.headers or "bridge" not in one.answer.headers["Server"].lower()
        policy = HEADERS["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")


async def test_a_file_is_kept_under_its_own_version_only(server: Served) -> None:
    async with visitor(server) as one:
        for query, kept in ((f"?{VERSION}", "immutable"), ("?older", "no-store"), ("", "no-store")):
            await one.get(f"/static/live.js{query}")
            assert one.answer is not None
            assert kept in one.answer.headers["Cache-Control"], query


async def test_no_page_holds_script_or_style_of_its_own(server: Served) -> None:
    async with visitor(server, "all") as one:
        for path in (*PAGES, "/nothing", "/login"):
            text = await one.get(path)
            assert re.findall(r"<script(?! type=\"module\" src=\"/static/live\.js\?)", text) == []
            assert re.findall(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", text.replace("&lt;", "")) == []


async def test_the_cookie_is_for_this_site_and_no_script(server: Served) -> None:
    async with visitor(server) as one:
        await one.get("/login")
        async with one.http.post(
            f"{server.root}/login", data={"token": one.token, "secret": "all", "to": "//evil.example"},
            headers={"Origin": server.root}, allow_redirects=False,
        ) as answer:  # fmt: skip
            assert answer.status == 303
            assert answer.headers["Location"] == "/"
            morsel: Morsel[str] = answer.cookies["board"]
            assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (
                True,
                "Strict",
                "/",
                "",
            )
            assert "all" not in morsel.value


async def test_with_tls_the_cookie_is_secure() -> None:
    app = web.Application()
    with served() as running:
        add_to(app, District(), running.tokens, zone=ZoneInfo("Europe/Berlin"), secure=True, clock=lambda: NOW)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as answer:
            morsel = answer.cookies["__Host-board-door"]
            assert (morsel["httponly"], morsel["secure"], morsel["samesite"]) == (True, True, "Strict")
        await runner.cleanup()


async def test_wrong_tokens_are_counted(server: Served) -> None:
    async with visitor(server) as one:
        for _ in range(FOR_ACCOUNT):
            assert "not good" in await one.log_in("guess") or one.status == 403
        assert one.status == 403
        await one.log_in("all")
        assert one.status == 429


async def test_after_a_wrong_token_it_still_goes_on_where_one_wanted_to_go(server: Served) -> None:
    async with visitor(server) as one:
        assert 'name="to" value="/school/1136/waiting"' in await one.get("/school/1136/waiting")
        text = await one.post("/login", {"secret": "wrong", "to": "/school/1136/waiting"})
        assert one.status == 403
        assert 'name="to" value="/school/1136/waiting"' in text
        assert "Conflicts" in await one.post("/login", {"secret": "all", "to": "/school/1136/waiting"})
        server.tokens.revoked.add("id-all")
        assert 'name="to" value="/school/1136"' in await one.post("/school/1136/act", ASK), "no page, only a form"


async def test_a_form_for_the_token_is_good_for_its_own_browser_only(server: Served) -> None:
    async with visitor(server) as one, visitor(server) as other:
        await one.get("/login")
        await other.get("/login")
        await other.post("/login", {"token": one.token, "secret": "all"})
        assert other.status == 400


async def test_s15_what_is_asked_must_come_from_a_page_of_the_dashboard(server: Served) -> None:
    async with visitor(server, "all") as one, visitor(server, "operator") as other:
        mine = one.token
        for form, headers in (
            ({**ASK, "token": ""}, {}), ({**ASK, "token": other.token}, {}), (ASK, {"Origin": "https://evil.example"}),
            (ASK, {"Origin": "null"}), (ASK, {"Sec-Fetch-Site": "cross-site"}), (ASK, {"Sec-Fetch-Site": "same-site"}),
        ):  # fmt: skip
            text = await one.post("/school/1136/act", {"token": mine, **form}, **headers)
            assert one.status == 403, (form, headers)
            assert "Nothing was changed" in text or "Verändert wurde nichts" in text
        assert server.district.asked == []
        await one.post("/school/1136/act", {**ASK, "token": mine})
        assert one.status == 200
        assert [(code, asked.action) for code, asked, _ in server.district.asked] == [("1136", "pause")]


async def test_a_double_click_is_asked_once(server: Served) -> None:
    async with visitor(server, "all") as one:
        await asyncio.gather(*(one.post("/school/1136/act", {"token": one.token, **ASK}) for _ in range(4)))
        assert len(server.district.asked) == 1


async def test_what_went_wrong_may_be_asked_again_at_once(server: Served) -> None:
    async with visitor(server, "all") as one:
        server.district.refusing = OSError("the disk is full")
        await one.post("/school/1136/act", ASK)
        assert one.status == 503
        server.district.refusing = Unknown("the gate is not there any more")
        text = await one.post("/school/1136/act", ASK)
        assert one.status == 200
        assert "the gate is not there any more" in text
        server.district.refusing = None
        assert "Paused." in await one.post("/school/1136/act", ASK)
        assert len(server.district.asked) == 1


async def test_scopes_hold_for_each_action(server: Served) -> None:
    async with visitor(server, "reader") as one:
        await one.post("/school/1136/act", ASK)
        assert one.status == 403
        assert 'name="reason"' not in await one.get("/school/1136") + await one.get("/school/1136/cutover")
    async with visitor(server, "operator") as one:
        await one.post("/school/1017/act", {"action": "finalise", "reason": "over", "typed": "1017", "to": "cutover"})
        assert one.status == 403
        await one.post("/school/1136/act", {**ASK, "action": "drop"})
        assert one.status == 403
    assert server.district.asked == []


async def test_only_what_can_succeed_is_offered(server: Served) -> None:
    def offered(text: str) -> set[str]:
        return set(re.findall(r'name="action" value="([^"]+)"', text))

    async with visitor(server, "all") as one:
        assert "finalise" not in offered(await one.get("/school/1017/cutover"))
        for name in ("anna", "ben"):
            server.district.approvals.append(ApprovalView(event="finalise", actor=name, at=NOW))
        assert {"finalise", "roll-back"} <= offered(await one.get("/school/1017/cutover"))
        await one.post(
            "/school/1017/act", {"action": "finalise", "reason": "it soaked", "typed": "1034", "to": "cutover"}
        )
        assert server.district.asked == []
        server.district.rows["1017"].gates_failed = 3
        text = await one.get("/school/1017/cutover")
        assert "finalise" not in offered(text), "another gate does not hold"
        assert "pause" in offered(await one.get("/school/1017"))
        server.district.runs.add("1017")
        assert "pause" not in offered(await one.get("/school/1017")), "nor on its first page"
        assert not {"roll-back", "pause"} & offered(await one.get("/school/1017/cutover")), "a run goes on"
        server.district.rows["1136"].gates_failed = 3
        assert {"rehearse-roll-back"} == offered(await one.get("/school/1136/cutover")) & {
            "rehearse-roll-back",
            "freeze",
        }
        server.district.rows["1136"].gates_failed = 4
        assert not offered(await one.get("/school/1136/cutover")) & {"rehearse-roll-back", "freeze"}


async def test_drift_that_waits_is_not_behind_what_was_decided(server: Served) -> None:
    async with visitor(server, "all") as one:
        (waiting,) = await server.district.drift("1136", names=True)
        newer = [waiting.model_copy(update={"handle": f"newer:{n}", "state": "reverted"}) for n in range(60)]

        async def many(code: str, *, names: bool) -> list[DriftView]:
            return [*newer, waiting]

        server.district.drift = many  # type: ignore[method-assign]
        text = await one.get("/school/1136/waiting")
        assert f'name="drift" value="{waiting.handle}"' in text
        assert "and 11 more" in text


async def test_release_all_means_those_that_the_page_showed(server: Served) -> None:
    ask = {"action": "release-all", "reason": "they left", "to": "school", "rule": "user:retire"}
    async with visitor(server, "all") as one:
        assert 'name="seen" value="9"' in await one.get("/school/1136")
        server.district.rows["1136"].held += 400
        assert "409 are held" in await one.post("/school/1136/act", {**ask, "seen": "9"})
        assert "409 are held" in await one.post("/school/1136/act", ask)
        assert server.district.asked == []
        await one.post("/school/1136/act", {**ask, "seen": "409"})
        assert [asked.rule for _, asked, _ in server.district.asked] == ["user:retire"]


async def test_a_school_of_others_is_not_there(server: Served) -> None:
    async with visitor(server, "own") as one:
        board = await one.get("/")
        assert board.count('class="card ') == 1
        others = [await one.get(path.replace("1136", "1017")) for path in PAGES[1:]]
        assert one.status == 404
        unknown = [await one.get(path.replace("1136", "4242")) for path in PAGES[1:]]
        clean = [re.sub(r"1017|4242", "", text) for text in (*others, *unknown)]
        assert len({re.sub(r'href="[^"]*"', "", text) for text in clean}) == 1, "both look alike"
        await one.post("/school/1017/act", ASK)
        assert one.status == 404
        await one.get("/school/1017/reports/completion-2026-11-12.html")
        assert one.status == 404
    assert server.district.asked == []


async def test_names_are_shown_to_those_who_may_see_them(server: Served) -> None:
    async with visitor(server, "all") as one, visitor(server, "operator") as other:
        for path in ("/school/1136/waiting", "/school/1136/timeline"):
            assert "alert(1)" in await one.get(path)
            text = await other.get(path)
            assert "alert(1)" not in text
            assert "Anna Lang" not in text


async def test_a_revoked_token_ends_the_session_at_once(server: Served) -> None:
    async with visitor(server, "all") as one:
        assert "Sophie-Scholl" in await one.get("/school/1136")
        server.tokens.revoked.add("id-all")
        text = await one.get("/school/1136")
        assert "Your session has ended" in text
        assert "Sophie-Scholl" not in text


async def test_whoever_logs_out_is_out(server: Served) -> None:
    async with visitor(server, "all") as one:
        await one.post("/logout", {"token": "wrong"})
        assert "41 schools" in await one.get("/")
        await one.post("/logout", {"token": one.token})
        assert 'name="secret"' in await one.get("/")


async def test_a_fragment_that_did_not_change_costs_nothing(server: Served) -> None:
    async with visitor(server, "all") as one:
        text = await one.get("/", Fragment="1")
        assert "<html" not in text
        assert one.answer is not None
        tag = one.answer.headers["ETag"]
        assert await one.get("/", Fragment="1", **{"If-None-Match": tag}) == ""
        assert one.status == 304
        server.district.rows["1136"].held += 1
        assert await one.get("/", Fragment="1", **{"If-None-Match": tag})


async def test_the_stream_tells_of_own_schools_only_and_ends_with_the_session(server: Served) -> None:
    async with visitor(server, "own") as one, one.http.get(f"{server.root}/live") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        server.do(server.district.tell("1017", "stage"))
        server.do(server.district.tell("1136", "stage"))
        told = b""
        while b"data:" not in told:
            told += await asyncio.wait_for(stream.content.readline(), 60)
        assert told.splitlines()[-1] == b'data: {"school": "1136", "kind": "stage"}'
        server.tokens.revoked.add("id-own")
        server.do(server.district.tell("1136", "stage"))
        rest = await asyncio.wait_for(stream.content.read(), 60)
        assert b"data:" not in rest, "whoever is logged out is told nothing more"


@pytest.mark.parametrize(("accept", "word"), [("de", "schiefgegangen"), ("en", "Something went wrong")])
async def test_what_goes_wrong_is_said_without_the_inside(server: Served, accept: str, word: str) -> None:
    async with visitor(server, "all") as one:
        server.district.broken = RuntimeError(f"secret path /etc/{HOSTILE}")
        text = await one.get("/", **{"Accept-Language": accept})
        assert one.status == 500
        assert word in text
        assert "RuntimeError" not in text
        assert "/etc/" not in text
        server.district.broken = BridgeError("the state can't be read")
        await one.get("/", **{"Accept-Language": accept})
        assert one.status == 503


async def test_too_much_is_refused(server: Served) -> None:
    async with visitor(server, "all") as one:
        await one.post("/school/1136/act", {**ASK, "reason": "x" * 20_000})
        assert one.status == 413
    assert server.district.asked == []


async def test_a_report_is_handed_out_on_its_own(server: Served) -> None:
    async with visitor(server, "reader") as one:
        await one.get("/school/1017/reports/completion-2026-11-12.html")
        assert one.answer is not None
        assert "sandbox" in one.answer.headers["Content-Security-Policy"]
        await one.get("/school/1017/reports/completion-2026-11-12.pdf")
        assert one.answer.headers["Content-Disposition"].startswith("attachment")
        for name in ("nothing.html", "completion-2026-11-12.exe", "..%2f..%2fetc.html"):
            await one.get(f"/school/1017/reports/{name}")
            assert one.status == 404


async def test_language_and_colours_are_remembered(server: Served) -> None:
    async with visitor(server, "all") as one:
        assert '<html lang="en" data-theme="auto"' in await one.get("/?stage=hybrid")
        assert '<html lang="de" data-theme="auto"' in await one.get("/?lang=de&stage=hybrid")
        assert one.answer is not None
        assert str(one.answer.url.relative()) == "/?stage=hybrid"
        assert '<html lang="de" data-theme="dark"' in await one.get("/?theme=dark")
        assert '<html lang="de" data-theme="dark"' in await one.get("/?theme=pink&lang=xx")


async def test_whom_a_proxy_logged_in_needs_no_token() -> None:
    with served(proxied=True) as running:
        proof = {"X-Schoolbridge-Proxy": "proof", "X-Forwarded-User": "anna"}
        async with visitor(running) as one:
            assert "41 schools" in await one.get("/", **proof)
            await one.get("/school/1136", **proof)
            await one.post("/school/1136/act", {**ASK, "token": "wrong"}, **proof)
            assert one.status == 403
            await one.post("/school/1136/act", ASK, **proof)
            assert one.status == 200
            await one.post("/school/1017/act", {**ASK, "action": "finalise"}, **proof)
            assert one.status == 403
            assert 'name="secret"' in await one.get("/", **{"X-Forwarded-User": "anna"})
            assert 'name="secret"' in await one.get("/", **{**proof, "X-Schoolbridge-Proxy": "guess"})
        assert [(asked.action, who.label) for _, asked, who in running.district.asked] == [("pause", "proxy:anna")]


async def test_without_a_proxy_nobodys_header_is_believed(server: Served) -> None:
    async with visitor(server) as one:
        text = await one.get("/", **{"X-Schoolbridge-Proxy": "proof", "X-Forwarded-User": "anna"})
        assert 'name="secret"' in text
