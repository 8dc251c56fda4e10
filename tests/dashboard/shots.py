"""Draws the pictures of docs/dashboard.md: `python -m tests.dashboard.shots [folder]`."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.dashboard.browser import chromium, context, log_in
from tests.dashboard.served import served

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
#: name -> (path, language, dark, width, height, whole page)
SHOTS = {
    "board": ("/", "en", False, 1600, 1000, False),
    "board-dark-german": ("/", "de", True, 1600, 1000, False),
    "school": ("/school/1255", "en", False, 1280, 1100, False),
    "cutover": ("/school/1051/cutover", "de", False, 1280, 1100, False),
    "phone": ("/school/1255", "de", True, 360, 780, False),
}
MORE = {
    "wall": ("/?wall", "de", True, 1920, 1080, False),
    "waiting": ("/school/1136/waiting", "en", False, 1280, 1400, True),
    "timeline": ("/school/1136/timeline", "de", True, 1280, 1000, False),
    "final": ("/school/1017/cutover", "en", True, 1280, 1200, True),
    "ready": ("/school/1085/cutover", "de", False, 1280, 1200, True),
    "phone-board": ("/", "en", False, 360, 780, False),
    "phone-cutover": ("/school/1051/cutover", "en", False, 360, 780, True),
}


def _keep(picture: bytes, path: Path) -> None:
    """With few colours: a page has no more, and the picture is a third as large."""
    few = (
        Image.open(BytesIO(picture))
        .convert("RGB")
        .quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    )
    few.save(path, optimize=True)


def main(folder: Path, shots: dict[str, tuple[str, str, bool, int, int, bool]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with served() as server, chromium() as browser:
        server.tokens.make("schulamt")
        for name, (path, language, dark, width, height, whole) in shots.items():
            with context(browser, server.root, language=language, dark=dark, width=width, height=height) as browsing:
                page = browsing.new_page()
                log_in(page, "schulamt")
                page.goto(path)
                page.wait_for_selector("[data-line='live']")
                _keep(page.screenshot(full_page=whole), folder / f"{name}.png")
                print(name, page.evaluate("window.violations"), page.evaluate("document.documentElement.scrollWidth"))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    main(target, SHOTS | MORE if len(sys.argv) > 1 else SHOTS)
