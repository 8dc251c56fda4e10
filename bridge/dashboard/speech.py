"""How times, amounts and the words of the glossary are said in one language, at one moment, in one time zone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bridge.api.models import Amounts
from bridge.daemon import plain_words
from bridge.dashboard.sayings import Saying, saying
from bridge.dashboard.words import LANGUAGES

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
#: (seconds, word): an age is said in the largest unit of which there are at least two, or one minute.
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


@dataclass(frozen=True, slots=True)
class Speech:
    """One language. ``now`` is when the page is made."""

    language: str
    zone: tzinfo
    now: datetime

    @property
    def words(self) -> Mapping[str, str]:
        """The words of the pages."""
        return LANGUAGES[self.language]["page"]

    def fill(self, word: str, **values: object) -> str:
        """A sentence with its gaps filled."""
        return self.words[word].format(**values)

    def many(self, word: str, number: int) -> str:
        """``3 schools``, ``1 school``."""
        return self.words[f"{word}_{'one' if number == 1 else 'many'}"].format(n=self.count(number))

    def of(self, table: str, name: str) -> str:
        """What a name of the glossary is called; the name itself where there is no word."""
        return LANGUAGES[self.language][table].get(name, name)

    def saying(self, text: str) -> Saying:
        """A sentence of the bridge, said in this language where it is known."""
        return saying(text, self.language)

    def cause(self, rule: str, text: str) -> Saying:
        """Why a rule holds something: in the words for teachers where the text is one of these."""
        if self.language == "de" and text == plain_words.words(rule, "en"):
            return Saying(plain_words.words(rule, "de"), "de")
        return saying(text, self.language)

    def away(self, site: str, heard: datetime | None) -> str:
        """A site does not answer; since when."""
        if heard is None:
            return self.fill("away_never", site=site)
        return self.fill("away_since", site=site, span=self.span((self.now - heard).total_seconds()))

    # --- times

    def age(self, moment: datetime) -> str:
        """``4 min ago``."""
        return self.fill("ago", span=self.span((self.now - moment).total_seconds()))

    def ahead(self, moment: datetime) -> str:
        """``in 32 min``, or that it is past."""
        seconds = (moment - self.now).total_seconds()
        return self.fill("within", span=self.span(seconds)) if seconds > 0 else self.words["due"]

    def span(self, seconds: float) -> str:
        """A length of time, rounded down."""
        for size, word in _UNITS:
            if seconds >= (2 * size if size > 60 else 60):
                return self.fill(word, n=int(seconds // size))
        return self.words["moments"]

    def moment(self, moment: datetime) -> str:
        """Day and time in the bridge's zone; a moment of today by its time."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        clock = f"{local:%H:%M}"
        if local.date() == today.date():
            return self.fill("today", clock=clock)
        day = self.words["days"].split()[local.weekday()]
        year = "" if local.year == today.year else f" {local.year}"
        month = self.words["months"].split()[local.month - 1]
        return self.fill("day_at", day=day, number=local.day, month=month, year=year, clock=clock)

    def exact(self, moment: datetime) -> str:
        """To the second, with the zone."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"

    # --- amounts

    def count(self, number: float) -> str:
        """``508.112`` or ``508,112``."""
        text = f"{int(number):,}"
        return text.replace(",", ".") if self.language == "de" else text

    def size(self, number: float) -> str:
        """Bytes in the largest fitting unit."""
        step = 0
        while number >= 1000 and step < len(_SIZES) - 1:
            number, step = number / 1000, step + 1
        text = f"{number:.1f}" if step > 0 and number < 100 else f"{number:.0f}"
        return f"{text.replace('.', ',') if self.language == 'de' else text} {_SIZES[step]}"

    def part(self, amounts: Amounts) -> int:
        """Per cent that are done, never 100 before the end; by bytes, else by files."""
        done, total = (
            (amounts.bytes, amounts.bytes_total) if amounts.bytes_total else (amounts.files, amounts.files_total)
        )
        if not total:
            return 0
        return min(99 if amounts.files < amounts.files_total or done < total else 100, int(100 * done / total))

    def range(self, amounts: Amounts, *, short: bool = False) -> str:
        """When it will be through: always from and to."""
        first, last = amounts.earliest_end, amounts.latest_end
        if first is not None and last is not None:
            word = "end_short" if short else "end_between"
            return self.fill(word, first=self.moment(first), last=self.moment(last))
        if first is not None:
            return self.fill("end_from", first=self.moment(first))
        return self.fill("end_until", last=self.moment(last)) if last is not None else self.words["end_unknown"]
