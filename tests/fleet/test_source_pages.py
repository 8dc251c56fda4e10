"""The dashboard at a hub: a silent site is seen, what it alone knows is asked for, and its absence is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bridge.api.models import SchoolRow
from bridge.dashboard.arranged import Wanted, arrange
from bridge.hub.fleet import UNREADABLE, UNTOLD
from bridge.hub.honest import anew, elsewhere, of_asked, of_site
from tests.dashboard.browser import chromium, context, log_in, missing
from tests.dashboard.test_browser import complaints
from tests.fleet.hub_kit import FIRST, OTHER, THIRD, FakeSite, Hub, serving
from tests.fleet.test_source_asking import acts, looks


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(f"sqlite:///{tmp_path / 'hub.db'}") as it:
        it.sites.school("south", THIRD, held=2)
        it.clock.jump(minutes=20)
        it.sites.school("north", FIRST, held=1)
        it.sites.school("north", OTHER)
        it.look()
        yield it


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if missing():
        pytest.skip(missing())
    with chromium() as running:
        yield running


def alive(page: Page) -> None:
    page.wait_for_selector("html[data-line='live']")


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_board_with_a_silent_site(browser: Browser, hub: Hub, language: str) -> None:
    secret = hub.token("read", "names", "operate")
    words = {"de": ("Standort", "ist seit", "nicht"), "en": ("Site", "nothing heard", "does not answer")}[language]
    with context(browser, hub.root, language=language) as browsing, FakeSite(hub, "north", looks=looks, acts=acts):
        page = browsing.new_page()
        log_in(page, secret)
        alive(page)
        cards = page.locator(".card")
        expect(cards).to_have_count(3)
        expect(cards.first).to_have_attribute("id", f"card-{THIRD}")
        expect(cards.first).to_contain_text("south")
        expect(cards.first).to_contain_text(words[1])
        expect(page.locator(".card.silent")).to_have_count(1)
        assert complaints(page) == []
        if language == "en":  # the other pages are the same but for their words
            return
        page.goto("/?health=silent")
        expect(page.locator(".card")).to_have_count(1)
        page.goto(f"/school/{THIRD}")
        expect(page.locator("[data-part=away]")).to_contain_text(words[2])
        expect(page.locator("[data-part=site]")).to_contain_text("south")
        assert complaints(page) == []
        for path in ("waiting", "cutover", "timeline"):
            page.goto(f"/school/{THIRD}/{path}")
            expect(page.locator("[data-part=away]")).to_contain_text(words[2])
            assert complaints(page) == [], path
        assert page.goto(f"/school/{THIRD}/reports/r1.html").status == 503  # type: ignore[union-attr]
        expect(page.locator("main")).to_contain_text(words[2])
        page.goto(f"/school/{FIRST}/waiting")
        expect(page.locator("[data-part=held]")).to_contain_text("Annika Canary")
        expect(page.locator("[data-part=away]")).to_have_count(0)
        assert complaints(page) == []


def test_a_site_that_comes_back_is_seen_without_a_click(browser: Browser, hub: Hub) -> None:
    with context(browser, hub.root) as browsing:
        page = browsing.new_page()
        log_in(page, hub.token("read"))
        alive(page)
        expect(page.locator("[data-part=silent]")).to_contain_text("1 school")
        hub.sites.tell("south")
        expect(page.locator("[data-part=silent]")).to_have_count(0, timeout=15_000)
        expect(page.locator(".card.silent")).to_have_count(0)


def test_what_waits_for_a_site_is_said(browser: Browser, hub: Hub) -> None:
    hub.source._acts._patience = hub.source._desk._patience = 0.1
    with context(browser, hub.root) as browsing:
        page = browsing.new_page()
        log_in(page, hub.token("read", "operate"))
        page.goto(f"/school/{FIRST}")
        page.locator("#ask-pause summary").click()
        page.locator("#why-pause").fill("because of the test")
        page.locator("#ask-pause button").click()
        expect(page.locator(".told.good")).to_contain_text("it has not answered yet")
        expect(page.locator("[data-part=causes]")).to_contain_text("asked: pause, by office", timeout=15_000)
        assert complaints(page) == []


def test_thousands_of_schools_are_shown_a_hundred_at_a_time() -> None:
    rows = [
        SchoolRow(code=f"{n:05}", name=f"S{n}", stage="hybrid", health="red" if n % 7 == 0 else "green",
                  silent=n % 14 == 0, wave=f"w{n % 3}", wave_order=n % 3 + 1, site=f"s{n}")
        for n in range(1000)
    ]  # fmt: skip
    seen: list[str] = []
    first = arrange(rows, Wanted())
    assert (first.total, first.shown, first.pages, first.health["red"], first.silent) == (1000, 1000, 10, 143, 72)
    assert (first.groups[0].total, len(first.groups[0].rows)) == (334, 100)
    assert [row.silent for row in first.groups[0].rows[:24]] == [True] * 24
    for number in range(1, 11):
        page = arrange(rows, Wanted(page=number))
        seen += [row.code for group in page.groups for row in group.rows]
    assert sorted(seen) == [row.code for row in rows]
    assert arrange(rows, Wanted(page=99)).page == 10
    assert arrange(rows, Wanted(text="s77")).shown == 11
    assert Wanted.of({"page": "3", "health": "silent"}).query(page="4") == "/?health=silent&page=4"
    assert Wanted.of({"page": "3"}).query(health="red") == "/?health=red"
    assert Wanted.of({"page": "x"}).page == 1


JOURNAL = "the journal ends at row 7, 9 were told before: it was written anew, cut, or put back from a backup"


def test_what_a_wave_says_is_known_in_german_to_the_last_word() -> None:
    """By the law's own sentences, also those within others."""
    from datetime import UTC, datetime, timedelta

    from bridge.core.wave_run import Part, Run, Seen, Wave, look
    from bridge.dashboard.sayings import saying

    now = datetime(2027, 2, 1, tzinfo=UTC)
    part = Part("01", at=now, asked=now - timedelta(hours=1))
    failed = Run("r", now, ended=now, outcome="aborted")
    seen = [Seen(order=state, answer="this site looks after no school 01") for state in ("refused", "expired")]
    seen += [Seen(runs=(failed,)), Seen(heard=now - timedelta(hours=2)), Seen(), Seen(heard=now, order="done")]
    seen += [Seen(heard=now + timedelta(hours=2), order="sent"), Seen(runs=(Run("r", now),))]
    found = []
    for one in seen:
        for kept in (False, True):
            wave = Wave("w", now, (Part("01", at=now, asked=part.asked, kept=kept),))
            decided = look(wave, {"01": one}, now + timedelta(hours=2))
            found += [why for _, _, why in decided.stands] + [decided.wave.why]
    pilot = "0456: the wave pilot is not through yet; not cut over there: 0123, 0789"
    need = '"parents are told" is not attested: schoolbridge hub wave attest "n" "parents are told" --reason WHY'
    found += [f"the wave n can't begin: {pilot}; {need}; no site speaks for 01. Nothing was asked", "by anna: ill"]
    found += ["the wave n was begun by anna and is running; nothing was done"]
    found += ["01: the site s did not do it (refused): this site looks after no school 01"]
    for text in filter(None, found):
        said = saying(text, "de")
        assert said.language == "de", text
        assert re.search(r"\b(the|was|not|site|school|is)\b", said.text.replace("schoolbridge hub", "")) is None, said
    assert saying("its run ended: aborted", "de").text.endswith("abgebrochen")
    assert "Konfiguration" in saying("asked: configure, by x; waits for the site since a, expires b", "de").text


def test_all_that_a_hub_says_is_known_in_german(hub: Hub) -> None:
    from datetime import timedelta

    from bridge.dashboard.sayings import saying
    from bridge.hub.honest import Asked, Site
    from bridge.settings.hub import Silence

    now = hub.clock()
    sites = [
        Site("s", ("1",), now),
        Site("s", ("1",), now, heard=now - timedelta(hours=1), ahead=900, missing=2, missed=now),
        Site("s", ("1",), now, heard=now, ahead=-900),
        Site("s", ("1",), now, heard=now, revoked=now),
    ]
    causes = [cause for site in sites for cause in of_site(site, Silence(), now=now, epochs=3)]
    causes += of_asked([Asked("i", "s", "1", "pause", "the office", now, now)], "green")
    causes += [anew("s", now, JOURNAL), elsewhere("a", "b")]
    texts = [one.text for one in causes] + [UNREADABLE.format(site="s"), UNTOLD.format(site="s")]
    assert len(texts) == 14
    for text in texts:
        said = saying(text, "de")
        assert said.language == "de", text
        assert re.search(r"[{}]", said.text) is None
