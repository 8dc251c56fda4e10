"""What the docs repeat from the code is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.draw import DOCS, PARTS, drawn

PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_drawn_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert drawn(text) == text, f"run: python -m tests.docs.draw (page {page.name})"


def test_every_part_is_shown_somewhere() -> None:
    everything = "".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in PARTS if f"drawn from the code: {name}" not in everything] == []


def test_a_stale_part_is_noticed() -> None:
    stale = "<!-- drawn from the code: stages -->\n| old |\n<!-- /drawn -->"
    assert drawn(stale) != stale
