"""Waves and blackouts in the configuration: in which order schools are cut over, and when none is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from bridge.core import local_time
from bridge.core.waves import Span, Wave
from bridge.settings.limits import Strict
from bridge.settings.words import Duration, matching

REST = "rest"
#: Of this century: at the ends of the calendar a clock can't be moved.
_DAY = r"20\d{2}-\d{2}-\d{2}"
_MOMENT = rf"{_DAY}[T ]\d{{2}}:\d{{2}}"


def _read(text: str) -> date | datetime:
    """A day or a time without a zone; ValueError for everything else."""
    try:
        if re.fullmatch(_DAY, text):
            return date.fromisoformat(text)
        if re.fullmatch(_MOMENT, text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(
        'not a day or time|write one in quotes, in the bridge\'s time zone: "2026-07-27" or "2026-07-27 08:00"'
    )


def _moment(text: str) -> str:
    _read(text)
    return text


def _day(text: str) -> str:
    try:
        if re.fullmatch(_DAY, text) and date.fromisoformat(text):
            return text
    except ValueError:
        pass
    raise ValueError('not a day|write it in quotes: "2026-09-14"')


Moment = Annotated[
    str,
    AfterValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DAY}([T ]\d{{2}}:\d{{2}})?$",
                    "examples": ["2026-07-27", "2026-07-27 08:00"]}),
]  # fmt: skip
Day = Annotated[
    str,
    AfterValidator(_day),
    WithJsonSchema({"type": "string", "pattern": f"^{_DAY}$", "examples": ["2026-09-14"]}),
]
WaveName = Annotated[
    str, *matching(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}", "no name of a wave", "write one like `pilot` or `wave 2`")
]


class Blackout(Strict):
    """A time in which no cutover begins: holidays, exams. One that runs is not stopped by it."""

    begins: Moment = Field(alias="from", description="First day, or day and hour, in the bridge's time zone.")
    ends: Moment = Field(alias="to", description="Last day (that day included), or day and hour.")
    reason: str = Field(
        min_length=3, max_length=100, description="Shown where a cutover may not begin; no names of people."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Blackout:
        first, last = _read(self.begins), _read(self.ends)
        days = type(first) is date and type(last) is date
        if (first > last) if days else (_naive(first) >= _naive(last, end=True)):
            raise ValueError(f"it ends before it begins ({self.begins} … {self.ends})|exchange `from` and `to`")
        return self

    def span(self, zone: tzinfo) -> Span:
        """The same on a clock. An hour that comes twice or never is taken so that the blackout is the longer one."""
        first, last = _read(self.begins), _read(self.ends)
        begins = (
            min(local_time.readings(first, zone)) if isinstance(first, datetime) else local_time.day_begins(first, zone)
        )
        ends = max(local_time.readings(last, zone)) if isinstance(last, datetime) else local_time.day_ends(last, zone)
        return Span(begins, ends, self.reason)


def _naive(said: date | datetime, *, end: bool = False) -> datetime:
    if isinstance(said, datetime):
        return said
    return datetime.combine(said, time(23, 59) if end else time(0))


class WaveFile(Strict):
    """Schools that are cut over together. The next wave begins when all of this one are cut over."""

    name: WaveName = Field(description="What it is called in status and messages.")
    schools: Annotated[list[str], Field(min_length=1)] | Literal["rest"] = Field(
        description="Codes of the schools; `rest`: all that are in no other wave, only for the last one."
    )
    stop_after: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="So many schools failed: no other of the wave begins until they are through.",
    )
    not_before: Day | None = Field(default=None, description="The first day on which a school of it may begin.")
    pause: Duration | None = Field(
        default=None, description="How long the next wave waits after the last school of this one was cut over."
    )


def waves_of(said: Sequence[WaveFile], codes: Sequence[str], zone: tzinfo) -> tuple[Wave, ...]:
    """The waves with ``rest`` filled in; codes that are not known are told by ``problems``."""
    taken = {code for one in said if one.schools != REST for code in one.schools}
    return tuple(
        Wave(
            name=one.name,
            schools=tuple(code for code in codes if code not in taken) if one.schools == REST else tuple(one.schools),
            stop_after=one.stop_after,
            not_before=local_time.day_begins(date.fromisoformat(one.not_before), zone) if one.not_before else None,
            **({"pause": one.pause} if one.pause is not None else {}),
        )
        for one in said
    )


def placed(said: Sequence[WaveFile]) -> Callable[[str], tuple[str, int]]:
    """By the code of a school: its wave and its place among the waves; empty when it is in none."""
    rest, found = ("", 0), dict[str, tuple[str, int]]()
    for order, wave in enumerate(said, start=1):
        if wave.schools == REST:
            rest = (wave.name, order)
        else:
            found |= dict.fromkeys(wave.schools, (wave.name, order))
    return lambda code: found.get(code, rest)


def problems(said: Sequence[WaveFile], codes: Sequence[str]) -> list[tuple[tuple[str | int, ...], str, str]]:
    """(place, what is wrong, what would be right) of all waves together."""
    found: list[tuple[tuple[str | int, ...], str, str]] = []
    first: dict[str, str] = {}
    names: set[str] = set()
    for place, one in enumerate(said):
        if one.name in names:
            found.append((("waves", place, "name"), f'a wave "{one.name}" is there already', "give it another name"))
        names.add(one.name)
        if one.schools == REST:
            if place != len(said) - 1:
                wrong = "`rest` is all schools that are in no other wave: nothing can come after it"
                found.append((("waves", place, "schools"), wrong, "write it in the last wave"))
            continue
        for number, code in enumerate(one.schools):
            where = ("waves", place, "schools", number)
            if code not in codes:
                right = f"write one of {', '.join(codes[:20])}" if codes else "write the school's file first"
                found.append((where, f'no school has the code "{code[:40]}"', right))
            elif code in first:
                found.append((where, f"the school {code} is in the wave {first[code]} already", "name it once"))
            first.setdefault(code, one.name)
    return found


def spans_of(said: Sequence[Blackout], zone: tzinfo) -> tuple[Span, ...]:
    """Blackouts on a clock, the first one first."""
    return tuple(sorted((one.span(zone) for one in said), key=lambda span: (span.begins, span.ends)))


def shown_spans(spans: Sequence[Span]) -> list[Mapping[str, Any]]:
    """For ``check --json``."""
    return [
        {
            "from": one.begins.astimezone(UTC).isoformat(),
            "to": one.ends.astimezone(UTC).isoformat(),
            "reason": one.reason,
        }
        for one in spans
    ]
