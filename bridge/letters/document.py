"""Draws the letters: pages by class, on each page strips in the order of the names.

sort    classes as people count (5a, 5b, 10a), names as in a German telephone book
draw    a page head, then strips with a dashed line to cut along
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from anyascii import anyascii

from bridge.core.naming import ascii_letters
from bridge.letters.text import WORDS, Words

if TYPE_CHECKING:
    from fpdf import FPDF

FONTS = Path(__file__).parent / "fonts"
MARGIN = 15.0
WIDTH = 210.0 - 2 * MARGIN
HEAD = 34.0
STRIP = 31.0
PER_PAGE = 8


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person gets. The password is not shown by ``repr``."""

    group: str
    surname: str
    given_name: str
    login: str
    password: str = field(repr=False)

    @property
    def name(self) -> str:
        """Surname first, as lists at school are sorted."""
        return ", ".join(part for part in (self.surname, self.given_name) if part) or self.login


def order(letter: Letter) -> tuple[object, ...]:
    """Sorting key: class as a number and its letter, then names with umlauts as two letters."""
    parts = [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in _parts(letter.group)]
    return (not letter.group, parts, _plain(letter.surname), _plain(letter.given_name), letter.login)


def _parts(group: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", group) if part.strip()]


def _plain(name: str) -> str:
    return ascii_letters(name, transliterate=anyascii).casefold()


def document(letters: Iterable[Letter], *, school: str, language: str, printed: date, change: bool = True) -> bytes:
    """The PDF of all letters. ``language`` is ``de`` or ``en``; an empty list gives one page that says so.

    ``change``: they are first passwords, which have to be changed at the first login.
    """
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it logs every table of a font that it cuts
    words = WORDS[language]
    pages = [
        (group, len(people), people[start : start + PER_PAGE])
        for group, people in _groups(sorted(letters, key=order))
        for start in range(0, len(people), PER_PAGE)
    ] or [("", 0, [])]
    sheet = _Sheet(words, school=school, printed=printed, pages=len(pages), change=change)
    for group, people, strips in pages:
        sheet.page(group, people, strips)
    return bytes(sheet.pdf.output())


def _groups(letters: Sequence[Letter]) -> list[tuple[str, list[Letter]]]:
    return [(group, list(people)) for group, people in groupby(letters, key=lambda letter: letter.group)]


class _Sheet:
    """A4 pages in the making."""

    def __init__(self, words: Words, *, school: str, printed: date, pages: int, change: bool) -> None:
        from fpdf import FPDF  # only here: it takes a while to load, and the program starts more often than it prints

        self.words, self.school, self.printed, self.pages, self.change = words, school, printed, pages, change
        self.pdf = FPDF(orientation="portrait", unit="mm", format="A4")
        self.pdf.set_auto_page_break(False)
        self.pdf.set_title(words.title)
        self.pdf.set_lang("de-DE" if words is WORDS["de"] else "en-GB")
        self.pdf.add_font("sans", fname=FONTS / "DejaVuSans.ttf")
        self.pdf.add_font("mono", fname=FONTS / "DejaVuSansMono.ttf")

    def page(self, group: str, people: int, strips: Sequence[Letter]) -> None:
        """One page: head, strips, foot."""
        pdf, words = self.pdf, self.words
        pdf.add_page()
        self.text(MARGIN, MARGIN, self.school, size=10, width=WIDTH * 0.6)
        self.text(MARGIN, MARGIN + 6, heading(words, group), size=16, width=WIDTH * 0.6)
        number = words.page.format(pdf.page_no(), self.pages)
        for line, text in enumerate((words.title, words.people.format(people), number)):
            self.text(MARGIN + WIDTH * 0.6, MARGIN + 5 * line, text, size=9, width=WIDTH * 0.4, align="R")
        pdf.set_draw_color(120)
        for place, letter in enumerate(strips):
            self.strip(HEAD + place * STRIP, letter)
        if strips:
            self.cut(HEAD + len(strips) * STRIP)
        printed = words.printed.format(self.printed.strftime(words.date))
        self.text(MARGIN, 287, f"{words.confidential} {printed}", size=7, width=WIDTH)

    def strip(self, top: float, letter: Letter) -> None:
        """One person's strip: name and class, login and password, what to do."""
        words, half = self.words, WIDTH / 2
        self.cut(top)
        self.text(MARGIN, top + 3, letter.name, size=12, width=WIDTH * 0.75)
        self.text(MARGIN + WIDTH * 0.75, top + 3, letter.group, size=12, width=WIDTH * 0.25, align="R")
        self.text(MARGIN, top + 10, words.login, size=7, width=half)
        self.text(MARGIN, top + 14, letter.login, size=11, width=half + 10, font="mono")
        password, todo = (words.password, words.change) if self.change else (words.set_password, words.keep)
        self.text(MARGIN + half + 15, top + 10, password, size=7, width=half - 15)
        self.text(MARGIN + half + 15, top + 14, letter.password, size=13, width=half - 15, font="mono")
        self.text(MARGIN, top + 23, todo, size=7, width=WIDTH)

    def cut(self, top: float) -> None:
        """A dashed line across the page."""
        self.pdf.set_line_width(0.1)
        self.pdf.set_dash_pattern(dash=1.5, gap=1.5)
        self.pdf.line(0, top, 210, top)
        self.pdf.set_dash_pattern()

    def text(
        self, x: float, y: float, text: str, *, size: float, width: float, align: str = "L", font: str = "sans"
    ) -> None:
        """One line that always fits its width: a long name is set smaller."""
        shown = printable(self.pdf, text, font)
        self.pdf.set_font(font, size=size)
        natural = self.pdf.get_string_width(shown)
        if natural > width - 1:
            self.pdf.set_font(font, size=size * (width - 1) / natural)
        self.pdf.set_xy(x, y)
        self.pdf.cell(width, size * 0.45, shown, align=align)


def heading(words: Words, group: str) -> str:
    """What stands above a class: most directories call it ``Klasse 5a`` already."""
    named = words.group.format("").strip().casefold()
    said = group.casefold().startswith(("klasse", "class", named))
    return (group if said else words.group.format(group)) if group else words.without


def printable(paper: FPDF, text: str, font: str = "sans", *, lines: bool = False) -> str:
    """``text`` composed, control characters dropped (``lines``: but line ends), what the font lacks transliterated."""
    known = paper.fonts[font].cmap  # type: ignore[union-attr]
    kept = "\n" if lines else ""
    flat = (one for one in unicodedata.normalize("NFC", text) if one.isprintable() or one in kept)
    return "".join(one if ord(one) in known or one in kept else anyascii(one) or "?" for one in flat)
