"""Readiness and completion reports for people: headings, lines and tables, drawn from the signed report alone.

The same parts become a page for a browser and pages of paper; the signed file stays what counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bridge.core.cutover import Event, Gate, Stage
from bridge.core.gates import GERMAN, LAW, Person
from bridge.letters.document import FONTS
from bridge.letters.evidence_text import (
    EVENTS,
    KINDS,
    NUMBERS,
    OUTCOMES,
    RESULTS,
    STAGES,
    WORDS,
)
from bridge.letters.report import Part, report
from bridge.letters.speaker import Speaker

#: Rows of a table that are drawn; the file has all of them.
_DRAWN = 100
_TEMPLATES = Environment(
    loader=FileSystemLoader(FONTS.parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def html(said: Mapping[str, Any], *, language: str, foot: str) -> bytes:
    """One page that needs nothing else: no script, no style or picture from elsewhere; printable."""
    title, parts = _drawn(said, language)
    return page(title, parts, school=str(said["name"]), language=language, foot=foot)


def page(title: str, parts: Sequence[Part], *, school: str, language: str, foot: str) -> bytes:
    """Any report as such a page."""
    template = _TEMPLATES.get_template("report.html")
    return template.render(lang=language, title=title, school=school, parts=parts, foot=foot).encode()


def pdf(said: Mapping[str, Any], *, language: str, foot: str) -> bytes:
    """The same on paper."""
    title, parts = _drawn(said, language)
    return report(title, parts, school=str(said["name"]), language=language, foot=foot)


def foot(language: str, *, key: str, file: str, sha256: str) -> str:
    """What stands at the end of each page: who signed, and how to check it."""
    return str(WORDS[language]["foot"]).format(key=key, file=file, sha256=sha256)


def _drawn(said: Mapping[str, Any], language: str) -> tuple[str, Sequence[Part]]:
    speaker = _Speaker(said, WORDS, language)
    if said["format"].startswith("schoolbridge-readiness/"):
        return speaker.word("readiness"), list(speaker.readiness())
    return speaker.word("completion"), list(speaker.completion())


class _Speaker(Speaker):
    """Says one report in one language."""

    def readiness(self) -> Iterable[Part]:
        """For the head teacher: what is open first, with who does it until when."""
        said, gates = self._said, self._said["gates"]
        missing = [one for one in gates if not one["holds"]]
        event = self._event(said["event"])
        yield Part(
            self.word("open"),
            (
                self._made(),
                self.word("not_ready", open=len(missing), all=len(gates), event=event)
                if missing
                else self.word("ready", event=event),
                self.word("appointment", at=self.time(said["appointment"]))
                if said["appointment"]
                else self.word("no_appointment"),
                *([] if missing else [self.word("nothing_open")]),
            ),
            (self._words["todo"], *(self._todo(one) for one in missing)) if missing else (),
        )
        done = [one for one in gates if one["holds"]]
        if done:
            yield Part(self.word("done"), (), self._gates(done))
        yield from self._proof()

    def completion(self) -> Iterable[Part]:
        """For the authority and for auditors: all that the signed file says, long lists cut."""
        said = self._said
        yield Part(self.word("run"), (self._made(), *self._runs()), self._moves())
        yield from self._mirrored()
        yield Part(
            self.word("verification"),
            [
                f"{NUMBERS[name][self._place]}: {value:.15g}"
                for name, value in said["verification"]["numbers"].items()
                if name in NUMBERS
            ],
            self._gates(said["verification"]["gates"]),
        )
        yield from self._skipped()
        for event, gates in said["gates"].items():
            at = self.time(said["gates_as_of"][event])
            yield Part(self.word("event", event=self._event(event), at=at), (), self._gates(gates))
        rows = [
            (self._event(one["event"]), one["actor"], self.time(one["at"]), one["reason"]) for one in said["approvals"]
        ]
        yield Part(self.word("approvals"), () if rows else (self._words["none"],), self._table("approval_rows", rows))
        yield Part(self.word("back"), (self.word("back_open" if said["rollback"]["possible"] else "back_closed"),))
        yield from self._proof()

    def _made(self) -> str:
        said = self._said
        stage = STAGES[Stage(said["stage"]["now"])][self._place]
        return self.word("made", made=self.time(said["made"]), name=said["name"], school=said["school"], stage=stage)

    def _runs(self) -> Iterable[str]:
        run = self._said["run"]
        if run is None:
            yield self.word("no_run")
            return
        times = {name: self.time(run[name]) for name in ("started", "deadline")}
        ended = self.time(run["ended"]) if run["ended"] else self.word("still")
        outcome = OUTCOMES[run["outcome"]][self._place] if run["outcome"] in OUTCOMES else run["step"]
        yield self.word("run_line", id=run["id"], actor=run["actor"], ended=ended, outcome=outcome, **times)

    def _moves(self) -> Sequence[Sequence[str]]:
        rows = [
            (
                self.time(one["at"]), *(STAGES[Stage(one[end])][self._place] for end in ("from", "to")),
                one["actor"], one["reason"], str(one["journal"]["row"]),
            )
            for one in self._said["moves"]
        ]  # fmt: skip
        return self._table("moves", rows)

    def _mirrored(self) -> Iterable[Part]:
        said = self._said["mirrored"]
        lines = [self._numbers(said["objects"])]
        lines += [self.word("share", share=name, numbers=self._numbers(one)) for name, one in said["shares"].items()]
        lines += [self.word(f"only_{side}", numbers=self._numbers(one)) for side, one in said["one_sided"].items()]
        tree = self._said["manifest"]
        yield Part(self.word("mirrored"), [*lines, self.word("root", leaves=tree["leaves"], root=tree["root"])])

    def _skipped(self) -> Iterable[Part]:
        said = self._said["skipped"]
        numbers = {"held": "held", "conflicts": "conflicts", "without": "without_folder", "waived": "waived"}
        counts = {name: len(said[key]) for name, key in numbers.items()}
        rows = [
            (
                *(one["code"], f"{one['kind']}\n{one['link']}", one["side"], one["rule"]),
                *(self.time(one["since"]), self._released(one["released"])),
            )
            for one in said["held"]
        ]
        lines = [self.word("held", **counts)]
        if len(rows) > _DRAWN:
            lines.append(self.word("more", more=len(rows) - _DRAWN))
        lines += [f"{one['share']} {one['owner']}: {one['why']}" for one in said["without_folder"][:_DRAWN]]
        yield Part(self.word("skipped"), lines, self._table("held_rows", rows[:_DRAWN]))

    def _released(self, one: Mapping[str, Any] | None) -> str:
        if one is None:
            return str(self._words["none"])
        return self.word("by", actor=one["by"], reason=one["why"], at=self.time(one["at"]))

    def _proof(self) -> Iterable[Part]:
        said = self._said
        lines = [
            self.word("configuration", **said["configuration"]),
            self.word("software", **said["software"]),
            self.word("journal", head=said["journal"]["school"]),
        ]
        if "roots" in said["journal"]:
            unsound = ", ".join(said["journal"]["unsound"]) or self._words["none"]
            lines.append(self.word("journals", roots=len(said["journal"]["roots"]), unsound=unsound))
        yield Part(self.word("proof"), lines)

    def _todo(self, one: Mapping[str, Any]) -> Sequence[str]:
        until = self._said["appointment"]
        return (self._gate(one), self._result(one), one["found"], one["fix"], self._person(one), self.time(until))

    def _gates(self, gates: Sequence[Mapping[str, Any]]) -> Sequence[Sequence[str]]:
        rows = [
            (
                self._gate(one), self._result(one), one["found"], self.time(one["measured"]),
                self.time(one["valid_until"]), self._vouched(one["vouched"]),
            )
            for one in gates
        ]  # fmt: skip
        return self._table("gates", rows)

    def _vouched(self, one: Mapping[str, Any] | None) -> str:
        if one is None:
            return str(self._words["none"])
        return self.word("by", actor=one["actor"], reason=one["reason"], at=self.time(one["at"]))

    def _table(self, name: str, rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        return (self._words[name], *rows) if rows else ()

    def _gate(self, one: Mapping[str, Any]) -> str:
        meaning = LAW[Gate(one["gate"])].meaning[self._german]
        return meaning[0].upper() + meaning[1:]

    def _person(self, one: Mapping[str, Any]) -> str:
        person = Person(one["person"])
        return GERMAN[person] if self._german else person.value

    def _result(self, one: Mapping[str, Any]) -> str:
        return RESULTS[one["result"]][self._place]

    def _event(self, name: str) -> str:
        return EVENTS.get(Event(name), (name, name))[self._place]

    def _numbers(self, numbers: Mapping[str, int]) -> str:
        said = [f"{KINDS.get(kind, (kind, kind))[self._place]}: {number}" for kind, number in numbers.items()]
        return ", ".join(said) or str(self._words["none"])
