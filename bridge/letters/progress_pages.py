"""The report of progress for the council, as a page for a browser and as pages of paper: drawn from its tree alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.core.cutover import Stage
from bridge.core.forecast import Bottleneck
from bridge.letters import evidence_pages
from bridge.letters.evidence_text import STAGES
from bridge.letters.progress_text import REASONS, SEVERITIES, STATES, WAITS, WORDS
from bridge.letters.report import Part, report
from bridge.letters.speaker import Speaker

#: Rows of a table that are printed.
_DRAWN = 200


def html(said: Mapping[str, Any], *, language: str, version: str) -> bytes:
    """One page that needs nothing else; printable."""
    speaker = _Speaker(said, WORDS, language)
    return evidence_pages.page(
        speaker.word("title"),
        list(speaker.parts()),
        school=speaker.word("whose"),
        language=language,
        foot=speaker.foot(version),
    )


def pdf(said: Mapping[str, Any], *, language: str, version: str) -> bytes:
    """The same on paper."""
    speaker = _Speaker(said, WORDS, language)
    return report(
        speaker.word("title"),
        speaker.parts(),
        school=speaker.word("whose"),
        language=language,
        foot=speaker.foot(version),
        size=8,  # read at a table, by people of every age
    )


class _Speaker(Speaker):
    """Says the report in one language."""

    def foot(self, version: str) -> str:
        """At the end of each page."""
        heard = self.time(self._said["last_heard"])
        return self.word("foot", version=version, made=self.time(self._said["made"]), heard=heard)

    def parts(self) -> Iterable[Part]:
        """What the council wants to know, the most important first."""
        yield self._summary()
        yield self._waves()
        yield self._forecast()
        yield self._delays()
        yield self._counts("stages", "stage_rows", self._said["stages"], self._stage)
        people = (self.word("people", count=self._said["people"]),)
        yield self._counts("waits", "waits_rows", self._open(), self._waits, people)
        yield self._incidents()

    def _summary(self) -> Part:
        said, waves = self._said, self._said["waves"]
        percent = round(100 * said["through"] / said["schools"]) if said["schools"] else 0
        over = sum(one["state"] == "through" for one in waves)
        lines = [
            self.word("made", made=self.time(said["made"])),
            self.word("done", through=said["through"], schools=said["schools"], percent=percent),
        ]
        if waves:
            ends = [one["ends"] for one in waves]
            last = [None if any(end[place] is None for end in ends) else max(end[place] for end in ends)
                    for place in (0, 1)]  # fmt: skip
            lines += [
                self.word("waves_line", through=over, waves=len(waves)),
                self.word("end", range=self._range(last)),
            ]
        stopped = [one["name"] for one in waves if one["state"] == "stopped"]
        lines += [self.word("stopped", names=", ".join(stopped))] if stopped else []
        lines += [self.word("silent", count=said["silent"]) if said["silent"] else self.word("none_silent")]
        lines += [self.word("untold", count=said["untold"])] if said["untold"] else []
        lines += [self.word("without", count=said["without_wave"])] if said["without_wave"] else []
        return Part(self.word("summary"), lines)

    def _waves(self) -> Part:
        rows = [
            (
                one["name"], one["owner"] or self.word("none"), STATES[one["state"]][self._place],
                str(one["schools"]), str(one["through"]), str(one["schools"] - one["through"]),
                self.day(one["begun"]),
                self.word("needs", **one) if one["needs"] else self.word("none"),
            )
            for one in self._said["waves"]
        ]  # fmt: skip
        return self._table("waves", "wave_rows", rows)

    def _forecast(self) -> Part:
        said = self._said
        least, most = said["cutover_hours"]
        name = "measured" if said["cutovers_measured"] else "assumed"
        length = self.word(name, least=f"{least:g}", most=f"{most:g}", count=said["cutovers_measured"])
        rows = [
            (
                one["name"], self._range(one["begins"]), self._range(one["ends"]), self._named(one),
                self._waits(one["waits_for"]) if one["last"] else self.word("none"),
            )
            for one in said["waves"]
        ]  # fmt: skip
        return self._table("forecast", "forecast_rows", rows, (self.word("forecast_text"), length))

    def _delays(self) -> Part:
        rows = [
            (
                one["wave"], f"{one['school']} {one['name']}", self.day(one["planned"]),
                REASONS.get(one["why"], (one["why"], one["why"]))[self._place],
            )
            for one in self._said["delays"]
        ]  # fmt: skip
        return self._table("delays", "delay_rows", rows)

    def _incidents(self) -> Part:
        said = self._said["incidents"]
        counts = ", ".join(f"{SEVERITIES[name][self._place]}: {count}" for name, count in said["notices"].items())
        lines = (self.word("notices", counts=counts),) if counts else ()
        rows = [
            (
                self.time(one["at"]), f"{one['school']} {one['name']}",
                REASONS.get(one["outcome"], (one["outcome"], one["outcome"]))[self._place],
            )
            for one in sorted(said["runs"], key=lambda one: one["at"], reverse=True)
        ]  # fmt: skip
        return self._table("incidents", "incident_rows", rows, lines, days=said["days"])

    def _table(
        self, heading: str, head: str, rows: Sequence[Sequence[str]], lines: Sequence[str] = (), **values: object
    ) -> Part:
        title = self.word(heading, **values)
        if not rows:
            return Part(title, lines or (self.word("nothing"),))
        more = [self.word("more", shown=_DRAWN, count=len(rows))] if len(rows) > _DRAWN else []
        return Part(title, [*lines, *more], (self._words[head], *rows[:_DRAWN]))

    def _counts(
        self, heading: str, head: str, counts: Mapping[str, int], name: Any, lines: Sequence[str] = ()
    ) -> Part:  # fmt: skip
        rows = [(name(one), str(count)) for one, count in counts.items()]
        return self._table(heading, head, rows, lines)

    def _named(self, wave: Mapping[str, Any]) -> str:
        return f"{wave['last']} {wave['last_name']}" if wave["last"] else self.word("none")

    def _open(self) -> dict[str, int]:
        return {name: count for name, count in self._said["waits"].items() if name != Bottleneck.THROUGH}

    def _stage(self, stage: str) -> str:
        return STAGES[Stage(stage)][self._place]

    def _waits(self, name: str) -> str:
        return WAITS[name][self._place]

    def _range(self, both: Sequence[str | None]) -> str:
        earliest, latest = both
        if earliest is None:
            return self.word("unknown")
        if latest is None:
            return self.word("least", earliest=self.day(earliest))
        first, last = self.day(earliest), self.day(latest)
        return first if first == last else self.word("between", earliest=first, latest=last)
