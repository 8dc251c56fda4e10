"""The school's line in ``bridge.yaml``: how much of it the bridge may use, at which time of which day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from bridge.settings.words import TimeOfDay

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(rf"({'|'.join(DAYS)})(?:\.\.({'|'.join(DAYS)}))?")
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(kbit|Mbit|Gbit)/s")
_BITS = {"kbit": 1e3, "Mbit": 1e6, "Gbit": 1e9}
#: Slower than this a transfer runs into the time-outs of the cloud.
_LEAST = 64_000.0


def _rate(text: Any) -> float:
    """``1 Mbit/s`` in bytes a second."""
    if isinstance(text, float):
        return text
    found = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError('not a speed|write a number and a unit: "500 kbit/s", "1 Mbit/s" or "1.5 Mbit/s"')
    bits = float(found[1]) * _BITS[found[2]]
    if bits < _LEAST:
        raise ValueError("too slow for any transfer to get through|write at least 64 kbit/s")
    return bits / 8


def _told(rate: float) -> str:
    bits = rate * 8
    unit = next(name for name in ("Gbit", "Mbit", "kbit") if bits >= _BITS[name] or name == "kbit")
    return f"{bits / _BITS[unit]:g} {unit}/s"


def _days(said: Any) -> Any:
    """``[mon..fri, sun]`` as all the days that are meant, Monday first."""
    if not isinstance(said, list | tuple) or not said:
        raise ValueError("not a list of days|write `days: [mon..fri]` or `days: [mon, wed]`, or leave it out for all")
    meant: set[int] = set()
    for one in said:
        found = _SPAN.fullmatch(one) if isinstance(one, str) else None
        if found is None:
            raise ValueError(f"not a day|write one of {', '.join(DAYS)}, or from one to another: `mon..fri`")
        first, last = DAYS.index(found[1]), DAYS.index(found[2] or found[1])
        meant |= {place % len(DAYS) for place in range(first, last + (1 if last >= first else 1 + len(DAYS)))}
    return tuple(DAYS[place] for place in sorted(meant))


Rate = Annotated[
    float,
    BeforeValidator(_rate),
    PlainSerializer(_told),
    WithJsonSchema({"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["500 kbit/s", "4 Mbit/s"]}),
]
Days = Annotated[
    tuple[str, ...],
    BeforeValidator(_days),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": f"^{_SPAN.pattern}$"}, "minItems": 1}),
]


class BandwidthRule(BaseModel):
    """How much of the line all transfers together may use while it holds. The first rule that holds now counts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    begins: TimeOfDay = Field(alias="from", default=time(0, 0), description="From when on, local time.")
    ends: TimeOfDay = Field(
        alias="to", default=time(0, 0), description="Until when; at or before `from`: until then on the next day."
    )
    days: Days = Field(default=DAYS, description="Days on which it begins: `[mon..fri]`, `[sat, sun]`; all by default.")
    up: Rate | None = Field(default=None, description="To the cloud: `1 Mbit/s`; without it as fast as it goes.")
    down: Rate | None = Field(default=None, description="From the cloud.")

    @model_validator(mode="after")
    def _limits(self) -> BandwidthRule:
        if self.up is None and self.down is None:
            raise ValueError("it limits nothing|say `up`, `down` or both")
        return self

    def holds(self, local: datetime) -> bool:
        """Whether it holds at a local time."""
        today, yesterday = (DAYS[moment.weekday()] in self.days for moment in (local, local - timedelta(days=1)))
        now = local.time().replace(tzinfo=None)
        if self.begins < self.ends:
            return today and self.begins <= now < self.ends
        return (today and now >= self.begins) or (yesterday and now < self.ends)


def limit_of(rules: Sequence[BandwidthRule], direction: Literal["up", "down"], local: datetime) -> float | None:
    """Bytes a second at a local time; None for no limit."""
    for rule in rules:
        if rule.holds(local):
            return rule.up if direction == "up" else rule.down
    return None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The rules in the time zone that they are meant in; times that come in and go out are aware."""

    rules: Sequence[BandwidthRule] = ()
    zone: tzinfo = UTC

    def limit(self, direction: Literal["up", "down"], at: datetime) -> float | None:
        """Bytes a second at this time; None for no limit."""
        return limit_of(self.rules, direction, at.astimezone(self.zone))

    def until(self, at: datetime) -> datetime | None:
        """A later time up to which the limits stay as they are; None where they always do."""
        if not self.rules:
            return None
        local = at.astimezone(self.zone)
        said = {time(0, 0), *(moment for rule in self.rules for moment in (rule.begins, rule.ends))}
        # In the night in which the clocks are put back, some of them come twice.
        moments = [moment.replace(fold=fold) for moment in said for fold in (0, 1)]
        days = (local.date(), local.date() + timedelta(days=1))
        edges = (datetime.combine(day, moment, self.zone).astimezone(UTC) for day in days for moment in moments)
        next_ = min(edge for edge in edges if edge > at)
        if next_.astimezone(self.zone).utcoffset() == local.utcoffset():
            return next_
        # The clocks are changed in between, at some full quarter of an hour.
        quarter = timedelta(minutes=15)
        start = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return min(next_, start + ((at - start) // quarter + 1) * quarter)
