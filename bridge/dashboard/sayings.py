"""Sentences of the bridge in German. The bridge says them in English: what is not known here is shown as it is.

A gap of a sentence is a group of the pattern; whatever is in a gap is kept as it is.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_TABLE = tomllib.loads((Path(__file__).parent / "words" / "sayings.toml").read_text("utf-8"))
_PATTERNS = [(re.compile(one["en"]), str(one["de"])) for one in _TABLE["saying"]]
_GAPS = {str(key): str(value) for key, value in _TABLE["gaps"].items()}


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence and the language it is in."""

    text: str
    language: str


def saying(text: str, language: str) -> Saying:
    """``text`` in ``language`` where it is known, else in English."""
    if language == "en":
        return Saying(text, "en")
    for pattern, german in _PATTERNS:
        if found := pattern.fullmatch(text):
            gaps = {name: _GAPS.get(value or "", value or "") for name, value in found.groupdict().items()}
            return Saying(german.format(**gaps), "de")
    return Saying(text, "en")
