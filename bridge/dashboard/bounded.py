"""Makes any text fit to be shown: what hides or turns a line around is replaced, and nothing is endless. Pure."""

from __future__ import annotations

import unicodedata

#: Characters that turn the direction of what follows, or hide.
_TURNING = frozenset(
    "\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
#: The first of the signs that stand on another letter; what hides or turns and comes before it is not printable.
_ACCENTS = "\u0300"
_MARKS = 3  # accents on one letter; more of them grow over the lines around
LONGEST = 160


def bounded(text: object, longest: int = LONGEST) -> str:
    """``text`` as it may stand on a page: one line, no control characters, no longer than ``longest``."""
    if type(text) is str and len(text) <= longest and text.isprintable() and (text.isascii() or max(text) < _ACCENTS):
        return text  # nearly all of them: a page has thousands
    shown: list[str] = []
    marks = 0
    for sign in str(text)[: longest * 4]:
        kind = unicodedata.category(sign)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if marks > _MARKS:
            continue
        shown.append(" " if sign in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" if _hides(sign, kind) else sign)
    whole = "".join(shown)
    return whole if len(whole) <= longest else whole[: longest - 1].rstrip() + "…"


def _hides(sign: str, kind: str) -> bool:
    return sign in _TURNING or kind in {"Cc", "Cs", "Co", "Cn"}
