"""The page of waves at the hub's real door: who sees what, who may begin and stop, and that nobody else can."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from bridge.hub.wave_steps import Start, Waves
from bridge.state.fleet_tables import hub_command, hub_wave
from tests.dashboard.browser import chromium, context, log_in, missing
from tests.dashboard.test_browser import complaints
from tests.fleet.hub_kit import FIRST, OTHER, THIRD, Hub, hub_file, serving

WAVES = [
    {"name": "pilot", "schools": [FIRST], "owner": "office 40"},
    {"name": "rest", "schools": "rest", "needs": ["parents <told>"]},
]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(f"sqlite:///{tmp_path / 'hub.db'}", hub=hub_file(waves=WAVES)) as it:
        for site, code in (("north", FIRST), ("north", OTHER)):
            it.sites.school(site, code)
        yield it


@dataclass
class Browser:
    """Keeps its cookie, and says where it comes from."""

    hub: Hub
    cookie: str = ""

    def ask(self, path: str, **form: str) -> tuple[int, str, str]:
        """(status, where it leads, page)."""
        host = self.hub.root.removeprefix("http://")
        line = http.client.HTTPConnection(host, timeout=30)
        headers = {"Cookie": self.cookie, "Accept-Language": "en"}
        if form:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.hub.root}
        line.request("POST" if form else "GET", path, urlencode(form) if form else None, headers)
        answer = line.getresponse()
        if said := answer.getheader("Set-Cookie"):
            self.cookie = said.partition(";")[0]
        found = answer.status, answer.getheader("Location", ""), answer.read().decode()
        line.close()
        return found

    def act(self, **form: str) -> tuple[int, str]:
        """Send the form of a wave, as the page holds it; what is said then."""
        token = re.search(r'name="token" value="([^"]+)"', self.ask("/waves")[2])
        assert token
        status, where, _ = self.ask("/waves/act", token=token[1], **form)
        return status, self.ask(where)[2] if where else ""


def browser(hub: Hub, *scopes: str, schools: tuple[str, ...] = ()) -> Browser:
    found = Browser(hub)
    page = found.ask("/login")[2]
    more = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    status, where, _ = found.ask("/login", **more, secret=hub.token(*scopes, schools=schools))
    assert status == 303, where
    return found


def test_the_plan_is_shown_to_whom_it_concerns(hub: Hub) -> None:
    status, _, page = browser(hub, "read", "approve").ask("/waves")
    assert status == 200
    for words in ("office 40", "parents &lt;told&gt;", f"School {FIRST}", "not attested yet", "Begin the wave"):
        assert words in page
    status, _, page = browser(hub, "read").ask("/waves")
    assert "Begin the wave" not in page
    _, _, page = browser(hub, "read", "approve", schools=(OTHER,)).ask("/waves")
    assert f"School {OTHER}" in page
    assert FIRST not in page
    assert THIRD not in page
    assert "Begin the wave" not in page  # not for all schools
    assert 'href="/waves"' in browser(hub, "read").ask("/")[2]
    assert "Access token" in Browser(hub).ask("/waves")[2]


def test_begin_stop_and_resume_with_a_reason(hub: Hub) -> None:
    mine = browser(hub, "read", "approve")
    assert "reason" in mine.act(wave="pilot", action="start", reason="x")[1]
    assert states(hub) == {}
    _, page = mine.act(wave="rest", action="start", reason="as planned")
    assert "the wave pilot is not through yet" in page
    _, page = mine.act(wave="pilot", action="start", at="2020-01-01T10:00", every="5", reason="as planned")
    assert "is over" in page
    assert states(hub) == {}
    _, page = mine.act(wave="pilot", action="start", reason="as planned")
    assert "pilot: under way" in page
    assert states(hub) == {"pilot": "running"}
    with hub.database.read() as connection:
        order = connection.execute(select(hub_command)).one()
    assert json.loads(json.loads(order.order)["text"])["actor"] == "office"  # the site journals it as hub:office
    assert (order.school, order.wave, order.reason) == (FIRST, "pilot", "wave pilot: as planned")
    assert "as planned" in page
    mine.act(wave="pilot", action="stop", reason="the line is cut")
    assert states(hub) == {"pilot": "stopped"}
    mine.act(wave="pilot", action="resume", reason="mended")
    assert states(hub) == {"pilot": "running"}


def test_a_gap_between_schools_without_a_time_begins_nobody(hub: Hub) -> None:
    """Half an hour between two schools was wished: that all are frozen at once instead would be bad."""
    _, page = browser(hub, "read", "approve").act(wave="pilot", action="start", every="30", reason="as planned")
    assert "all would begin at once" in page
    assert states(hub) == {}


def test_what_people_typed_is_for_who_sees_all_schools(hub: Hub) -> None:
    waves = Waves(lambda: hub.settings.hub, hub.database, hub.key)
    waves.attest("rest", "parents <told>", actor="anna", reason="Mrs Miller wrote")
    waves.start("pilot", Start(), actor="anna", reason="Mr Smith is ill")
    all_, one = browser(hub, "read"), browser(hub, "read", schools=(FIRST, OTHER))
    for words in ("Mrs Miller wrote", "Mr Smith is ill"):
        assert words in all_.ask("/waves")[2]
        assert words not in one.ask("/waves")[2]
    assert "attested by anna" in one.ask("/waves")[2]


def test_of_a_school_that_was_never_told_of_nothing_is_claimed(hub: Hub) -> None:
    """Neither that it is classic, nor that nothing is held or no share is configured."""
    hub.source._desk._patience = 0.1  # nobody answers
    mine = browser(hub, "read")
    board = mine.ask("/")[2]
    assert "nothing told yet" in board
    assert 'class="chip stage-classic"' not in board
    assert THIRD not in mine.ask("/?stage=classic")[2]
    for tab in ("", "/waiting", "/cutover"):
        page = mine.ask(f"/school/{THIRD}{tab}")[2]
        assert "only its site knows how it is" in page
        assert "was never heard" in page
        assert not re.search("stage-classic|Nothing waits for you|No reports yet|No shares are set up", page)
    hub.sites.school("south", THIRD)
    hub.look()
    page = mine.ask(f"/school/{THIRD}")[2]
    assert "stage-hybrid" in page
    assert "only its site knows" not in page
    hub.clock.jump(minutes=20)
    hub.look()
    page = mine.ask(f"/school/{THIRD}/cutover")[2]
    assert "can&#39;t be asked of the site" in page or "can't be asked of the site" in page
    assert "No reports yet" not in page


def test_nobody_else_can(hub: Hub) -> None:
    for scopes, schools in ((("read", "operate"), ()), (("read", "approve"), (FIRST,))):
        other = browser(hub, *scopes, schools=schools)
        token = re.search(r'name="token" value="([^"]+)"', other.ask("/waves")[2])
        assert token
        form = {"wave": "pilot", "action": "start", "reason": "as planned"}
        assert other.ask("/waves/act", token=token[1], **form)[0] == 403
        assert other.ask("/waves/act", token="wrong", **form)[0] == 403
    assert Browser(hub).ask("/waves/act", wave="pilot", action="start", reason="as planned")[0] == 401
    assert states(hub) == {}


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_in_a_browser_nothing_is_amiss_for_anybody(hub: Hub) -> None:
    """WCAG by axe, with the forms open, light and dark; and nothing was refused by the policy."""
    with chromium() as real:
        for language, dark in (("de", False), ("en", True)):
            with context(real, hub.root, language=language, dark=dark, width=420) as browsing:
                page = browsing.new_page()
                log_in(page, hub.token("read", "approve"))
                page.goto("/waves")
                page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
                assert page.locator("form[action='/waves/act']").count() == 2
                assert complaints(page) == []


def states(hub: Hub) -> dict[str, str]:
    with hub.database.read() as connection:
        return {row.name: row.state for row in connection.execute(select(hub_wave))}
