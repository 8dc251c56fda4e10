"""The dashboard of the real daemon, a child process, with a token of the real command, in a real Chromium."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.daemon.embedded import Embedded
from tests.daemon.test_api import address, configured
from tests.daemon.test_service import daemon
from tests.dashboard.browser import chromium, context, log_in, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def made(school: Embedded, *more: str) -> str:
    answer = school.run("token", "make", "--label", "it", "--json", *more)
    assert answer.code == 0, answer.err
    return str(json.loads(answer.out)["token"])


def test_a_school_of_the_real_daemon_is_shown_paused_and_followed(tmp_path: Path) -> None:
    school = configured(tmp_path, "{listen: '127.0.0.1:0'}")
    token = made(school, "--scopes", "read,operate,names")
    with daemon(school) as child, chromium() as browser, context(browser, address(school)) as browsing:
        page = browsing.new_page()
        log_in(page, token)
        expect(page.locator(".card")).to_have_count(1)
        page.locator(".card h3 a").click()
        page.wait_for_selector("html[data-line='live']")
        expect(page.locator("[data-part=fresh]")).to_contain_text("ago", timeout=120_000)
        code = page.locator("h1 .code").inner_text()
        for tab in ("To decide", "Cutover", "Timeline"):
            page.locator(".tabs").get_by_text(tab).click()
            expect(page.locator(".tabs [aria-current]")).to_contain_text(tab)
            assert page.evaluate("window.violations") == []
        page.goto(f"/school/{code}")
        page.locator("#ask-pause > summary").click()
        page.locator("#why-pause").fill("the line is needed")
        page.locator("#ask-pause button").click()
        expect(page.get_by_role("status").filter(has_text="Paused")).to_be_visible()
        expect(page.locator(".heading .pill")).to_have_text("Hybrid, paused")
        page.goto(f"/school/{code}/timeline")
        expect(page.locator(".staged").first).to_contain_text("api:it")
        expect(page.locator(".staged").first).to_contain_text("the line is needed")
        answer = school.run("stage", code, "resume", "--reason", "goes on")
        assert answer.code == 0, answer.err
        expect(page.locator(".heading .pill")).to_have_text("Hybrid", timeout=120_000)
        listed = school.run("token", "list", "--json")
        name = json.loads(listed.out)["tokens"][0]["id"]
        assert school.run("token", "revoke", name, "--reason", "lost").code == 0
        expect(page.locator("#banner")).to_contain_text("logged out", timeout=120_000)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0, "an open stream does not hold the daemon up"
