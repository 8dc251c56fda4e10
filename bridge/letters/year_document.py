"""The preview of a school year on paper: A4, numbers first, then what has to be decided, classes, people."""

from __future__ import annotations

import logging
from datetime import date

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from bridge.core.year import YearPlan
from bridge.letters.document import FONTS, MARGIN, printable
from bridge.letters.year_rows import Table, tables
from bridge.letters.year_text import YEAR_WORDS, YearWords


class _Paper(FPDF):
    """Pages with the school at the head and the warning at the foot."""

    def __init__(self, words: YearWords, *, school: str, printed: date) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self.words, self.school, self.printed = words, school, printed

    def header(self) -> None:
        self.set_font("sans", size=9)
        self.cell(0, 5, printable(self, self.school))
        self.set_x(MARGIN)
        self.cell(0, 5, self.words.page.format(self.page_no(), "{nb}"), align="R", new_x="LMARGIN", new_y="NEXT")
        self.ln(3)

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font("sans", size=7)
        printed = self.words.printed.format(self.printed.strftime(self.words.date))
        self.cell(0, 4, f"{self.words.confidential} {printed}")


def year_document(plan: YearPlan, *, school: str, language: str, printed: date) -> bytes:
    """The PDF of a plan; ``language`` is ``de`` or ``en``."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it logs every table of a font that it cuts
    words = YEAR_WORDS[language]
    paper = _Paper(words, school=school, printed=printed)
    paper.set_margins(MARGIN, MARGIN, MARGIN)
    paper.set_auto_page_break(True, margin=16)
    paper.set_title(words.title)
    paper.set_lang("de-DE" if language == "de" else "en-GB")
    paper.add_font("sans", fname=FONTS / "DejaVuSans.ttf")
    paper.add_page()
    paper.set_font("sans", size=18)
    paper.cell(0, 10, words.title, new_x="LMARGIN", new_y="NEXT")
    for table in tables(plan, language):
        _draw(paper, table)
    return bytes(paper.output())


def _draw(paper: _Paper, table: Table) -> None:
    paper.ln(4)
    paper.set_font("sans", size=12)
    paper.cell(0, 8, table.title, new_x="LMARGIN", new_y="NEXT")
    paper.set_font("sans", size=8)
    if not table.rows:
        paper.multi_cell(0, 5, table.empty, new_x="LMARGIN", new_y="NEXT")
        return
    widths = {2: (70, 20), 4: (26, 26, 50, 78), 5: (48, 20, 20, 36, 56)}[len(table.head)]
    plain = FontFace(emphasis="", fill_color=230)
    with paper.table(
        col_widths=widths, line_height=4.5, headings_style=plain, text_align="LEFT", padding=0.6,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES, width=min(180, sum(widths)), align="LEFT",
    ) as drawn:  # fmt: skip
        for cells in (table.head, *table.rows):
            row = drawn.row()
            for cell in cells:
                row.cell(printable(paper, cell))
