"""The dashboard in a real Chromium: seen, heard, used by keys alone, live, without script, and under attack."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browser import chromium, context, log_in, missing
from tests.dashboard.district import HOSTILE
from tests.dashboard.served import Served, served

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

PAGES = (
    "/", "/?by=stage&health=red", "/?q=nobody", "/?wall", "/school/1255", "/school/1085", "/school/1136/waiting",
    "/school/1051/cutover", "/school/1017/cutover", "/school/1136/cutover", "/school/1136/timeline",
    "/school/1136/timeline?part=cycles", "/school/1646", "/nothing",
)  # fmt: skip
ALL_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOURS = ("color-contrast", "link-in-text-block")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as running:
        for name in ("anna", "ben"):
            running.tokens.make(name)
        yield running


@pytest.fixture
def page(browser: Browser, server: Served) -> Iterator[Page]:
    with context(browser, server.root) as browsing:
        one = browsing.new_page()
        log_in(one, "anna")
        yield one


def live(page: Page) -> None:
    page.wait_for_selector("html[data-line='live']")


@pytest.mark.parametrize(
    ("language", "dark", "rules"),
    [("de", False, ALL_RULES), ("en", False, ALL_RULES), ("de", True, COLOURS)],
    ids=["light-de", "light-en", "dark-de"],
)
def test_axe_finds_nothing(browser: Browser, server: Served, language: str, dark: bool, rules: tuple[str, ...]) -> None:
    """Also with every form opened; and nothing was refused by the policy. In the dark, colours alone are different."""
    found = {}
    with context(browser, server.root, language=language, dark=dark) as browsing:
        page = browsing.new_page()
        page.goto("/login")
        found["/login"] = complaints(page, rules)
        log_in(page, "anna")
        for path in PAGES:
            page.goto(path)
            assert page.locator("html").get_attribute("lang") == language
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            found[path] = complaints(page, rules)
    assert [f"{path} {one}" for path, wrong in found.items() for one in wrong] == []


def complaints(page: Page, rules: tuple[str, ...] = ALL_RULES) -> list[str]:
    answer = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": list(rules)}).response
    wrong = [
        f"{one['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for one in answer["violations"]
        for node in one["nodes"]
    ]
    return wrong + page.evaluate("window.violations")


def test_axe_would_find_something(page: Page) -> None:
    page.evaluate("document.querySelector('.foot').innerHTML = '<img src=x>'")
    assert any("image-alt" in one for one in complaints(page))


def test_s15_hostile_names_are_shown_and_do_nothing(page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda one: (dialogs.append(one.message), one.dismiss()))
    for path in PAGES:
        page.goto(path)
        assert "owned" not in page.title() or "<script>" in page.title(), path
        assert page.locator("main img, main script, main style").count() == 0
        assert page.evaluate("window.violations") == [], path
        text = page.locator("body").inner_text()
        assert not set(text) & set("\u202e\u2067\x00"), path
    page.goto("/school/1085")
    expect(page.locator("h1")).to_contain_text(HOSTILE[:60])
    page.goto("/school/1136/waiting")
    assert page.locator("#held ~ ul, .waitings").first.inner_text().count("<script>") >= 1
    assert max(len(one) for one in page.locator("bdi").all_inner_texts()) <= 160
    assert dialogs == []


def test_s15_the_policy_stops_what_got_in_all_the_same(page: Page) -> None:
    """Were there ever a hole in the escaping: script, handler and foreign address are refused by the browser."""
    page.evaluate("""() => {
      const main = document.querySelector('main');
      const script = document.createElement('script'); script.textContent = 'window.owned = 1'; main.append(script);
      main.insertAdjacentHTML('beforeend', '<a id="bad" href="#" onclick="window.owned = 2">x</a>');
      main.insertAdjacentHTML('beforeend', '<p style="color:red">y</p>');
      document.getElementById('bad').click();
    }""")
    page.evaluate("fetch('https://evil.example/').catch(() => 0)")
    assert page.evaluate("window.owned") is None
    assert {one.split()[0] for one in page.evaluate("window.violations")} >= {
        "script-src-elem",
        "script-src-attr",
        "style-src-attr",
        "connect-src",
    }


def test_a_report_runs_no_script(page: Page) -> None:
    page.goto("/school/1017/reports/completion-2026-11-12.html")
    assert page.title() == "Nachweis"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(18, 52, 86)"


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what is called so, as a screen reader would say it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        said = page.evaluate("(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()")
        if said.startswith(name):
            shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert shown != "none", f"the focus can't be seen on {name}"
            return
    raise AssertionError(f"{name} can't be reached by keys")


def test_two_people_approve_by_keys_alone(browser: Browser, server: Served) -> None:
    for number, name in enumerate(("anna", "ben"), start=1):
        with context(browser, server.root) as browsing:
            page = browsing.new_page()
            page.goto("/school/1017/cutover")
            page.locator("#secret").focus()
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            expect(page.locator(".track")).to_be_visible()
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            page.keyboard.press("Enter")
            tab_to(page, "Approve")
            page.keyboard.press("Enter")
            tab_to(page, "Type the school's code")
            page.keyboard.type("9999")
            tab_to(page, "Reason")
            page.keyboard.type("the teachers agreed")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert").filter(has_text="Nothing was done")).to_contain_text("not this school's")
            tab_to(page, "Approve")
            page.keyboard.press("Enter")
            tab_to(page, "Type the school's code")
            page.keyboard.type("1017")
            tab_to(page, "Reason")
            page.keyboard.type("the teachers agreed")
            tab_to(page, "Approve")
            page.keyboard.press("Space")
            expect(page.get_by_role("status").filter(has_text="Your approval is recorded")).to_be_visible()
            expect(page.locator(".approvers .past")).to_have_count(number)
    assert [one.actor for one in server.district.approvals] == ["api:anna", "api:ben"]


def test_the_page_follows_what_happens(page: Page, server: Served) -> None:
    live(page)
    expect(page.locator("#card-1136 .badge").first).to_contain_text("12")
    server.district.rows["1136"].held = 77
    server.do(server.district.tell("1136", "journal"))
    expect(page.locator("#card-1136 .badge").first).to_contain_text("77", timeout=60_000)
    page.goto("/school/1136")
    live(page)
    server.district.rows["1136"] = server.district.rows["1136"].model_copy(update={"health": "red"})
    server.do(server.district.tell("1136", "school"))
    expect(page.locator(".heading .health")).to_contain_text("red", timeout=60_000)
    expect(page.locator("#spoken")).to_have_text("1136: health red, stage Hybrid")


def test_what_is_being_written_is_left_alone(page: Page, server: Served) -> None:
    page.goto("/school/1136")
    live(page)
    page.locator("#ask-pause > summary").click()
    page.locator("#why-pause").fill("half a sen")
    server.district.rows["1136"] = server.district.rows["1136"].model_copy(update={"gates_failed": 8, "health": "red"})
    server.do(server.district.tell("1136", "school"))
    expect(page.locator(".heading .health")).to_contain_text("red", timeout=60_000)
    assert page.locator("#why-pause").input_value() == "half a sen"
    assert page.evaluate("document.activeElement.id") == "why-pause"
    page.locator("#why-pause").fill("")
    page.locator("h1").click()
    server.do(server.district.tell("1136", "school"))
    expect(page.locator("#stage-now ~ .fix")).to_contain_text("8 gates", timeout=60_000)
    assert page.locator("#ask-pause").get_attribute("open") is not None, "what was opened stays open"


def test_an_opened_form_stays_with_what_it_is_about(page: Page, server: Served) -> None:
    """Somebody else decides the first one meanwhile: the form of the second must not move onto the third."""
    page.goto("/school/1136/waiting")
    live(page)
    forms = page.locator("[data-part=held] .ask")
    link = forms.nth(1).locator("[name=link]").input_value()
    forms.nth(1).locator("summary").click()
    server.district.decided.add("L00000")
    server.do(server.district.tell("1136", "journal"))
    expect(forms).to_have_count(11, timeout=60_000)
    opened = page.locator("[data-part=held] .ask[open]")
    expect(opened).to_have_count(1)
    assert opened.locator("[name=link]").input_value() == link == "L00001"


def test_focus_and_place_stay_when_a_part_is_replaced(page: Page, server: Served) -> None:
    live(page)
    page.locator("#card-1680 h3 a").focus()
    before = page.evaluate("scrollY")
    server.district.rows["1000"].held = 3
    server.do(server.district.tell("1000", "journal"))
    expect(page.locator("#card-1000 .badge").first).to_contain_text("3", timeout=60_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/school/1680"
    assert page.evaluate("scrollY") == before


def test_a_page_whose_bridge_is_gone_says_so(browser: Browser) -> None:
    with served() as server:
        server.tokens.make("anna")
        with context(browser, server.root) as browsing:
            page = browsing.new_page()
            log_in(page, "anna")
            live(page)
            server.stop()
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            expect(page.locator("#banner")).to_contain_text("No connection to the bridge", timeout=90_000)


def test_a_session_that_ended_is_told_on_the_open_page(page: Page, server: Served) -> None:
    live(page)
    server.tokens.revoked.add("id-anna")
    server.do(server.district.tell("1136", "school"))
    expect(page.locator("#banner")).to_contain_text("logged out", timeout=90_000)


def test_all_of_it_works_without_script(browser: Browser, server: Served) -> None:
    with context(browser, server.root, script=False) as browsing:
        page = browsing.new_page()
        log_in(page, "anna")
        page.locator("#health").select_option("red")
        page.get_by_role("button", name="Show").click()
        expect(page.locator(".card")).to_have_count(3)
        page.goto("/school/1136")
        page.locator("#ask-pause > summary").click()
        page.locator("#why-pause").fill("the line is needed")
        page.locator("#ask-pause button").click()
        expect(page.get_by_role("status").filter(has_text="Paused")).to_be_visible()
        expect(page.locator(".heading .pill")).to_have_text("Hybrid, paused")
        page.goto("/school/1119/cutover")
        page.locator("#ask-schedule > summary").click()
        page.locator("#at").fill("2026-12-21T16:00")
        page.locator("#why-schedule").fill("the last school day")
        page.locator("#ask-schedule button").click()
        expect(page.locator("[data-part=appointment]")).to_contain_text("Mon 21 Dec, 16:00")
        page.goto("/school/1136/waiting")
        page.locator("#ask-conflict-K0 > summary").click()
        page.locator("#ask-conflict-K0").get_by_label("the school's version").check()
        page.locator("#why-conflict-K0").fill("the newer one")
        page.locator("#ask-conflict-K0 button").click()
        expect(page.get_by_role("status").filter(has_text="Decided")).to_be_visible()
    asked = [(code, one.action, one.keep) for code, one, _ in server.district.asked]
    assert asked == [("1136", "pause", None), ("1119", "schedule", None), ("1136", "resolve-conflict", "school")]


@pytest.mark.parametrize("width", [360, 768, 1366, 2560])
def test_nothing_is_cut_off_sideways(browser: Browser, server: Served, width: int) -> None:
    with context(browser, server.root, language="de", width=width) as browsing:
        page = browsing.new_page()
        log_in(page, "anna")
        wide = {}
        for path in PAGES:
            page.goto(path)
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide[path] = page.evaluate("document.documentElement.scrollWidth")
        assert wide == {}


def test_on_paper_there_are_no_buttons(page: Page) -> None:
    page.goto("/school/1085/cutover")
    page.emulate_media(media="print")
    assert page.locator(".acts, .looks, .tabs").evaluate_all("all => all.every(one => !one.checkVisibility())")
    assert page.get_by_role("heading", name="Gates").is_visible()


def test_how_long_a_page_takes(browser: Browser, server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured and printed; the only thing required is that the page is ready at all."""
    told = []
    with context(browser, server.root) as browsing:
        page = browsing.new_page()
        log_in(page, "anna")
        for path in PAGES[:-1]:
            page.goto(path)
            ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
            begun = time.process_time()
            for _ in range(10):
                page.evaluate("fetch(location.href, {headers: {Fragment: '1'}}).then(one => one.text())")
            cost = (time.process_time() - begun) / 10
            told.append(f"{path:40} ready after {ready:5.0f} ms, a fragment costs at most {cost * 1000:4.0f} ms of CPU")
            assert page.locator("h1").is_visible()
    with capsys.disabled():
        print("\n" + "\n".join(told))
