"""Values written as people say them: durations, times of day, references to secrets; and how strictly they count."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from bridge.settings.secrets import REFERENCE


def matching(pattern: str, wrong: str, right: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Annotations of a text that has to match a pattern, with words for a person instead of the pattern."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{wrong}|{right}")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


class Strict(BaseModel):
    """Unknown keys are errors; values are not bent into shape."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=False)


_UNITS = {
    "s": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
    "week": 604800.0, "weeks": 604800.0,
}  # fmt: skip
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?([a-z]{1,7})")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_LONGEST = timedelta(days=3660)


def duration(text: Any) -> timedelta:
    """``30s``, ``5m``, ``1.5 hours``, ``10 days``; ValueError for everything else."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f'the unit is missing|say which: "{text}s", "{text} minutes" or "{text} days"')
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or found[2] not in _UNITS:
        raise ValueError('not a duration|write a number and a unit: "30s", "5m", "2 hours" or "10 days"')
    length = timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    if length > _LONGEST:
        raise ValueError("longer than ten years|write less")
    return length


def in_words(length: timedelta) -> str:
    """A duration as it would be written, in the largest unit that holds it exactly."""
    seconds = length.total_seconds()
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name if count != 1 else name[:-1]}"
    return f"{seconds:g}s"


def _time_of_day(text: Any) -> time:
    if isinstance(text, time):
        return text
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError('not a time of day|write hours and minutes in quotes: "02:30"')
    return time(int(found[1]), int(found[2]))


def _reference(text: str) -> str:
    if not REFERENCE.fullmatch(text):
        raise ValueError('not a reference to a secret|write "credential:NAME", "file:PATH" or "env:NAME"')
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise ValueError('not a time zone that this machine knows|write one like "Europe/Berlin"') from None
    return text


def _short(length: timedelta, least: timedelta) -> timedelta:
    if length < least:
        raise ValueError(f"shorter than {in_words(least)}|write at least {in_words(least)}")
    return length


DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^\d{1,6}(\.\d{1,3})? ?(s|seconds?|m|min|minutes?|h|hours?|d|days?|weeks?)$",
    "examples": ["30s", "5m", "10 days"],
}

Duration = Annotated[timedelta, BeforeValidator(duration), PlainSerializer(in_words), WithJsonSchema(DURATION_SCHEMA)]
#: A duration of at least a second: how often something is asked.
Pause = Annotated[Duration, AfterValidator(lambda length: _short(length, timedelta(seconds=1)))]
TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    PlainSerializer(lambda moment: f"{moment:%H:%M}"),
    WithJsonSchema({"type": "string", "pattern": f"^{_TIME.pattern}$", "examples": ["02:30"]}),
]
#: ``credential:NAME``, ``file:PATH`` or ``env:NAME``.
SecretReference = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema({"type": "string", "pattern": f"^({REFERENCE.pattern})$", "examples": ["credential:ad"]}),
]
TimeZone = Annotated[str, AfterValidator(_zone)]


def _state_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] not in {"sqlite", "postgresql"} or not rest:
        raise ValueError("!not the URL of a state database|write sqlite:///PATH or postgresql://USER@HOST/NAME")
    if ":" in rest.rpartition("@")[0] or "password=" in rest.casefold():
        raise ValueError("!a password stands in the URL|leave it out and set state.password to a reference")
    return url


StateUrl = Annotated[str, AfterValidator(_state_url)]
