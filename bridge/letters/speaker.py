"""What every report says alike: its words with their values, and times as people there read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

LANGUAGES = ("de", "en")


class Speaker:
    """Says one report in one language. ``words``: those of the report, by language; ``said``: its tree."""

    def __init__(self, said: Mapping[str, Any], words: Mapping[str, Mapping[str, Any]], language: str) -> None:
        self._said, self._words = said, words[language]
        self._place, self._german = LANGUAGES.index(language), language == "de"
        self._zone = ZoneInfo(said["time_zone"])
        self._date = "%d.%m.%Y" if self._german else "%Y-%m-%d"

    def word(self, text: str, /, **values: object) -> str:
        """A text with its values."""
        return str(self._words[text]).format(**values)

    def day(self, moment: str | None) -> str:
        """The day of a time as people at the school read it."""
        return self._local(moment, self._date)

    def time(self, moment: str | None) -> str:
        """A time as people at the school read it."""
        return self._local(moment, f"{self._date} %H:%M %Z")

    def _local(self, moment: str | None, form: str) -> str:
        return self.word("none") if not moment else f"{datetime.fromisoformat(moment).astimezone(self._zone):{form}}"
