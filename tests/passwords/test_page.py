"""The page, by real HTTP requests, on a real Samba and the sandbox."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bridge.core.kinds import KINDS
from bridge.core.model import Side
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import draw_school
from bridge.ports import Observation, Page, Pair
from bridge.state.database import open_database
from bridge.web.app import HEADERS, build
from bridge.web.limits import FOR_ACCOUNT, Limits
from bridge.web.pages import School
from bridge.web.sessions import COOKIE, LASTS, Sessions
from bridge.web.words import WORDS
from connectors.active_directory import connect
from connectors.sandbox import Sandbox
from tests.connectors.active_directory.conftest import SMALL, context, options_of
from tests.connectors.graph.kit import connector
from tests.passwords.kit import FIRST, Pupil, desk_of, let_reset, pupil_of

NAME = "Ben <script>alert(1)</script>"


def test_a_cookie_that_was_changed_or_is_old_is_nobody() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    visit = sessions.begin("L1")
    sealed = sessions.seal(visit)
    assert sessions.read(sealed) == visit
    said, _, signature = sealed.partition(".")
    for other in ("", ".", said, f"{said}.", f"x{said}.{signature}", f"{said}.{signature[:-2]}AA", "ä.ö"):
        assert sessions.read(other) is None
    assert Sessions(lambda: now[0]).read(sealed) is None, "another process, another key"
    now[0] = LASTS + 1
    assert sessions.read(sealed) is None


def test_tries_are_limited_for_an_account_and_for_an_address() -> None:
    now = [0.0]
    limits = Limits(lambda: now[0])
    for _ in range(FOR_ACCOUNT):
        assert limits.allowed("anna", "1.2.3.4")
        limits.begin("anna", "1.2.3.4")
    for name in ("anna", "ANNA ", "SCHOOL\\anna", "anna@school"):
        assert not limits.allowed(name, "9.9.9.9")
    assert limits.allowed("ben", "1.2.3.4")
    for number in range(60):
        limits.begin(f"kind{number}", "1.2.3.4")
    assert not limits.allowed("ben", "1.2.3.4")
    now[0] = 901
    assert limits.allowed("anna", "1.2.3.4")
    limits.begin("anna", "1.2.3.4")
    limits.right("anna", "1.2.3.4")
    assert limits.allowed("anna", "1.2.3.4")


def test_both_languages_say_the_same() -> None:
    assert WORDS["de"].keys() == WORDS["en"].keys()
    assert all(WORDS["de"][name].count("{}") == text.count("{}") for name, text in WORDS["en"].items())


@pytest.fixture(scope="module")
def server() -> Iterator[SchoolServer]:
    server = SchoolServer.of(draw_school(1, SMALL))
    let_reset(server, server.layout.root)
    yield server
    server.stop()


@dataclass
class Browser:
    """As a browser: keeps the cookie and sends the token of the page that it saw last."""

    http: aiohttp.ClientSession
    root: str
    cookie: str = ""
    token: str = ""
    seen: list[aiohttp.ClientResponse] = field(default_factory=list)

    async def get(self, path: str = "/", **headers: str) -> str:
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, *, origin: str | None = None, **form: str) -> str:
        headers = {"Origin": self.root if origin is None else origin}
        return await self._ask("POST", path, {"token": self.token, **form}, headers)

    async def _ask(self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]) -> str:
        cookies = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        said = {"Accept-Language": "de", **cookies, **headers}
        async with self.http.request(method, self.root + path, data=form, headers=said) as answer:
            text = await answer.text()
            self.seen.append(answer)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        if COOKIE in answer.cookies:
            morsel = answer.cookies[COOKIE]
            assert (morsel["httponly"], morsel["secure"], morsel["samesite"]) == (True, True, "Strict")
            self.cookie = morsel.value
        if found := re.search(r'name="token" value="([^"]+)"', text):
            self.token = found[1]
        assert "<script" not in text
        return text

    async def log_in(self, login: str, password: str) -> str:
        await self.get()
        return await self.post("/login", login=login, password=password)


@dataclass
class Class5a:
    """A teacher, a pupil of the own class, and one of another."""

    teacher: Pupil
    pupil: Pupil
    stranger: Pupil
    root: str
    journal: list[str] = field(default_factory=list)


@pytest.fixture
async def school(server: SchoolServer, tls_sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Class5a]:
    people = [pupil_of(server, tls_sandbox, number=number) for number in range(3)]
    at_school = await connect(options_of(server), context(server))
    in_cloud = connector(tls_sandbox, domains=[tls_sandbox.tenant.domains[0]])
    database = open_database(f"sqlite:///{tmp_path}/state.db", clock=lambda: datetime.now(UTC))
    store = database.school("0123", KINDS)
    for number, one in enumerate(people):
        fields = {"display_name": NAME if number == 1 else f"Person {number}", "login": one.login, "enabled": True,
                  "role": "teacher" if number == 0 else "pupil"}  # fmt: skip
        seen = Page(observations=(Observation("user", one.anchor, "1", fields),), token="1")
        store.fold(Side.SCHOOL, seen, now=datetime.now(UTC))
        seen = Page(observations=(Observation("user", one.user, "1", {"display_name": "x"}),), token="1")
        store.fold(Side.CLOUD, seen, now=datetime.now(UTC))
        store.pair([Pair(f"L{number}", "user", one.anchor, one.user)])
    members = frozenset(one.anchor for one in people[:2])
    group = Observation("group", "G1", "1", {"display_name": "5a", "role": "class", "members": members})
    store.fold(Side.SCHOOL, Page(observations=(group,), token="2"), now=datetime.now(UTC))
    store.pair([Pair("LG", "group", "G1", None)])
    passwords, door = at_school.capabilities.passwords, at_school.capabilities.log_in
    cloud = in_cloud.capabilities.passwords
    assert passwords is not None
    assert door is not None
    assert cloud is not None
    desk = desk_of(database, {Side.SCHOOL: passwords, Side.CLOUD: cloud})
    served = School("Gymnasium am Ölberg", "de", store, desk, door, frozenset(Side))
    async with TestServer(build(served)) as site:
        found = Class5a(*people, root=str(site.make_url("")).rstrip("/"))
        yield found
        found.journal += [str(row.entry) for row in store.journal()]
        assert not [line for line in found.journal if FIRST in line or "Wort" in line or "script" in line]
        assert store.verify().ok
    await at_school.close()
    await in_cloud.close()
    database.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.mark.samba
async def test_a_teacher_resets_pupils_of_the_own_classes_only(school: Class5a, http: aiohttp.ClientSession) -> None:
    browser = Browser(http, school.root)
    text = await browser.log_in(school.teacher.login, FIRST)
    assert "Meine Klassen" in text
    assert "Ben &lt;script&gt;" in text, "names are escaped"
    text = await browser.post("/reset", link="L1")
    made = re.search(r'class="secret">([^<]+)<', text)
    assert made is not None, text
    assert [school.pupil.holds(side, made[1]) for side in Side] == [True, True]
    assert "Neues Kennwort für Ben" in text
    assert made[1] not in await browser.get(), "shown only once"
    assert "keine Schülerin" in await browser.post("/reset", link="L2")
    assert "keine Schülerin" in await browser.post("/reset", link="L0")
    assert [school.stranger.holds(side, FIRST) for side in Side] == [True, True]


@pytest.mark.samba
async def test_a_pupil_changes_the_own_password_and_nobody_elses(school: Class5a, http: aiohttp.ClientSession) -> None:
    browser = Browser(http, school.root)
    text = await browser.log_in(school.pupil.login, FIRST)
    assert "Meine Klassen" not in text
    assert "keine Schülerin" in await browser.post("/reset", link="L2")
    new = "Neues-Wort-88"
    assert "nicht gleich" in await browser.post("/own", old=FIRST, new=new, again=new + "x")
    assert "falsch" in await browser.post("/own", old="falsch", new=new, again=new)
    assert "mindestens 8 Zeichen" in await browser.post("/own", old=FIRST, new="kurz", again="kurz")
    assert [school.pupil.holds(side, FIRST) for side in Side] == [True, True]
    assert "Geändert" in await browser.post("/own", old=FIRST, new=new, again=new)
    assert [school.pupil.holds(side, new) for side in Side] == [True, True]
    await browser.post("/logout")
    assert "Meine" not in await browser.get()


@pytest.mark.samba
async def test_one_side_fails_and_the_page_says_which(school: Class5a, http: aiohttp.ClientSession) -> None:
    browser = Browser(http, school.root)
    await browser.log_in(school.pupil.login, FIRST)
    school.pupil.sandbox.faults.add("forbid", method="PATCH", path="/users/", count=1)
    text = await browser.post("/own", old=FIRST, new="Neues-Wort-88", again="Neues-Wort-88")
    assert "Nichts wurde geändert." in text
    school.pupil.sandbox.faults.rules.clear()
    school.pupil.sandbox.faults.add("drop-after", method="PATCH", path="/users/")
    text = await browser.post("/own", old=FIRST, new="Neues-Wort-88", again="Neues-Wort-88")
    assert "Nicht überall gesetzt" in text
    assert "unbekannt" in text


@pytest.mark.samba
async def test_what_does_not_come_from_the_page_is_refused(school: Class5a, http: aiohttp.ClientSession) -> None:
    browser = Browser(http, school.root)
    await browser.log_in(school.teacher.login, FIRST)
    good, cookie = browser.token, browser.cookie
    for origin in ("", "null", "https://evil.example", "http://127.0.0.1:1"):
        browser.token, browser.cookie = good, cookie
        await browser.post("/reset", link="L1", origin=origin)
    browser.token, browser.cookie = "made up", cookie
    await browser.post("/reset", link="L1")
    browser.token, browser.cookie = good, ""
    await browser.post("/reset", link="L1")
    assert [school.pupil.holds(side, FIRST) for side in Side] == [True, True]
    browser.token, browser.cookie = good, cookie
    assert 'class="secret"' in await browser.post("/reset", link="L1"), "the same, from the page itself"


@pytest.mark.samba
async def test_guessing_is_slowed_down_and_tells_nothing(school: Class5a, http: aiohttp.ClientSession) -> None:
    browser = Browser(http, school.root)
    texts = [await browser.log_in(school.pupil.login, f"falsch{number}") for number in range(FOR_ACCOUNT)]
    assert all("falsch." in text for text in texts)
    assert "Zu viele Versuche" in await browser.log_in(school.pupil.login, FIRST)
    assert "falsch." in await browser.log_in("niemand", FIRST)
    assert "falsch." in await browser.log_in(school.stranger.login, "")
    english = await browser.get("/?lang=en")
    assert "Log in" in english
    assert 'lang="en"' in english
