"""The A4 pages of a report in the making; loaded when one is drawn, for the PDF writer takes a while to load."""

from __future__ import annotations

from collections.abc import Sequence

from fpdf import FPDF
from fpdf.fonts import FontFace

from bridge.letters.document import MARGIN, WIDTH, printable

_PAGE = {"de": "Seite {} von {{nb}}", "en": "Page {} of {{nb}}"}


class Sheet(FPDF):
    """A4 pages in the making."""

    def __init__(self, language: str, foot: str) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._language, self._foot = language, foot

    def footer(self) -> None:
        """What proves the report, and the page's number."""
        self.set_y(-16)
        self.set_font("sans", size=6)
        self.multi_cell(WIDTH * 0.8, 3, self._plain(self._foot), align="L", new_x="RIGHT", new_y="TOP")
        self.set_xy(MARGIN + WIDTH * 0.8, -16)
        self.cell(WIDTH * 0.2, 3, _PAGE[self._language].format(self.page_no()), align="R")

    def write_line(self, text: str, size: float) -> None:
        """A paragraph over the whole width."""
        self.set_font("sans", size=size)
        self.multi_cell(WIDTH, size * 0.5, self._plain(text), align="L", new_x="LMARGIN", new_y="NEXT")

    def draw_table(self, rows: Sequence[Sequence[str]], size: float) -> None:
        """A table; columns as wide as their longest values want, within reason."""
        self.set_font("sans", size=size)
        plain = FontFace(emphasis="NONE")  # the font comes in one weight
        widest = [[max(map(len, cell.split("\n"))) for cell in row] for row in rows]
        widths = tuple(min(max(*column, 6), 36) for column in zip(*widest, strict=True))
        with self.table(
            col_widths=widths, line_height=size * 0.6, text_align="LEFT", width=int(WIDTH), headings_style=plain
        ) as table:
            for row in rows:
                cells = table.row()
                for text in row:
                    cells.cell(self._plain(text))

    def _plain(self, text: str) -> str:
        return printable(self, text, "sans", lines=True)
