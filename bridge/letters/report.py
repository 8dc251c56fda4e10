"""A report on paper: headings, lines and tables on A4 pages, with what proves it at the foot of each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.letters.document import FONTS, MARGIN


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a report: a heading, lines of text, and a table whose first row are its headings."""

    heading: str
    lines: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()


def report(
    title: str, parts: Iterable[Part], *, school: str, language: str, foot: str, size: float = 6
) -> bytes:  # fmt: skip
    """The PDF. ``language`` is ``de`` or ``en``; ``foot`` stands at the foot of every page; ``size``: of tables."""
    from bridge.letters.sheet import Sheet

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it logs every table of a font that it cuts
    sheet = Sheet(language, foot)
    sheet.set_title(title)
    sheet.set_lang("de-DE" if language == "de" else "en-GB")
    sheet.add_font("sans", fname=FONTS / "DejaVuSans.ttf")
    sheet.set_margins(MARGIN, MARGIN)
    sheet.set_auto_page_break(True, margin=20)
    sheet.add_page()
    sheet.write_line(school, 10)
    sheet.write_line(title, 16)
    for part in parts:
        sheet.ln(4)
        sheet.write_line(part.heading, 12)
        for line in part.lines:
            sheet.write_line(line, 9)
        if part.table:
            sheet.draw_table(part.table, size)
    return bytes(sheet.output())
