"""A picture of a page of the dashboard, by a real Chromium. Needs what the tests need: `make setup-dev`."""

from __future__ import annotations

import shutil
from pathlib import Path

from bridge.lab.processes import Unavailable

_ARGUMENTS = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def take(root: str, secret: str, path: Path, *, page: str = "/", width: int = 1600, height: int = 1000) -> None:
    """Log in at ``root`` with a token, open ``page``, and draw it into a PNG file. Raises Unavailable."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise Unavailable("playwright is not installed (make setup-dev)") from None
    found = shutil.which("chromium")
    if found is None:
        raise Unavailable("no chromium (as root: python -m bridge.lab.packages browser)")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
            opened = browser.new_context(
                base_url=root, locale="de-DE", viewport={"width": width, "height": height}
            ).new_page()
            opened.set_default_timeout(60_000)
            opened.goto("/login")
            opened.locator("#secret").fill(secret)
            opened.locator("main button").click()
            opened.wait_for_url("**/")
            opened.goto(page)
            opened.wait_for_selector("[data-line='live']")
            opened.screenshot(path=path)
            browser.close()
    except Error as error:
        raise Unavailable(f"the browser could not draw {page}: {error}") from None
