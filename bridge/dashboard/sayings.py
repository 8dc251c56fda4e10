"""Sentences of the bridge in German. The bridge says them in English: what is not known here is shown as it is.

A gap of a sentence is a group of the pattern. ``said``: sentences of the bridge in turn, one after the other with a
semicolon. One that is called like a table of words holds a word of it. Whatever else is in a gap is kept as it is.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bridge.dashboard.words import LANGUAGES

_TABLE = tomllib.loads((Path(__file__).parent / "words" / "sayings.toml").read_text("utf-8"))
_PATTERNS = [(re.compile(one["en"]), str(one["de"])) for one in _TABLE["saying"]]
_GAPS = {str(key): str(value) for key, value in _TABLE["gaps"].items()}


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence and the language it is in."""

    text: str
    language: str


@lru_cache(maxsize=4096)  # a board of red schools says the same hundred sentences again and again
def saying(text: str, language: str) -> Saying:
    """``text`` in ``language`` where it is known, else in English."""
    if language == "en":
        return Saying(text, "en")
    for pattern, german in _PATTERNS:
        if found := pattern.fullmatch(text):
            gaps = {name: _gap(name, value or "") for name, value in found.groupdict().items()}
            return Saying(german.format(**gaps), "de")
    return Saying(text, "en")


def _gap(name: str, value: str) -> str:
    if name != "said":
        return LANGUAGES["de"].get(name, {}).get(value) or _GAPS.get(value, value)
    told, parts = list[str](), value.split("; ")
    while parts:  # a sentence may hold semicolons of its own: the longest that is known counts
        ends = range(len(parts), 0, -1)
        end = next((end for end in ends if saying("; ".join(parts[:end]), "de").language == "de"), 1)
        told.append(saying("; ".join(parts[:end]), "de").text)
        del parts[:end]
    return "; ".join(told)
