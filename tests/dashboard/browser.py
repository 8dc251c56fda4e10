"""A real Chromium for tests and pictures; where it can't be had, the reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",    "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: Noted in the page before anything of it runs.
_LISTEN = """
window.violations = [];
document.addEventListener('securitypolicyviolation', one => window.violations.push(
  `${one.violatedDirective} ${one.blockedURI} ${one.sourceFile}:${one.lineNumber}`));
"""


def missing() -> str:
    """Why there is no browser; empty when there is one."""
    return "" if shutil.which("chromium") else "no chromium: python -m bridge.lab.packages browser"


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def context(
    browser: Browser,
    root: str,
    *,
    language: str = "en",
    dark: bool = False,
    width: int = 1366,
    height: int = 900,
    script: bool = True,
    **more: object,
) -> BrowserContext:
    found = browser.new_context(
        base_url=root, locale={"de": "de-DE", "en": "en-GB"}[language], color_scheme="dark" if dark else "light",
        viewport={"width": width, "height": height}, java_script_enabled=script, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    found.set_default_timeout(60_000)
    found.add_init_script(_LISTEN)
    return found


def log_in(page: Page, secret: str) -> None:
    page.goto("/login")
    page.locator("#secret").fill(secret)
    page.locator("main button").click()
    page.wait_for_url("**/")
