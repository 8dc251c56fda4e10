"""The plan of waves as ``hub.yaml`` says it, over the schools that the hub knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.core.waves import Calendar, Place, Wave, blackout, may_start
from bridge.settings.hub import HubFile, WavePlan
from bridge.settings.waves import spans_of, waves_of


@dataclass(frozen=True, slots=True)
class Plan:
    """Waves in their order, blackouts, and what stands beside a wave for people."""

    waves: tuple[Wave, ...]
    calendar: Calendar
    said: Mapping[str, WavePlan]

    def wave(self, name: str) -> Wave | None:
        """The wave of this name."""
        return next((one for one in self.waves if one.name == name), None)

    def needs(self, name: str) -> Sequence[str]:
        """What has to be true before it."""
        return self.said[name].needs if name in self.said else ()

    def hindrance(self, code: str, places: Mapping[str, Place], at: datetime) -> str:
        """Why a school may not begin at a time; empty where it may."""
        return may_start(code, waves=self.waves, places=places, calendar=self.calendar, now=at)

    def hindrances(self, times: Mapping[str, datetime], places: Mapping[str, Place]) -> list[str]:
        """The same for schools of one wave. Whatever lets the first of them begin lets the others, but a blackout."""
        codes = sorted(times, key=lambda code: (times[code], code))
        found = [self.hindrance(code, places, times[code]) for code in codes[:1]]
        others = [blackout(code, self.calendar, times[code]) for code in codes[1:]]
        found += [closed.text for closed in others if closed is not None]
        return [text for text in found if text]


def plan_of(hub: HubFile, codes: Sequence[str]) -> Plan:
    """The plan in force; ``codes``: all schools that the hub knows, for ``rest``."""
    zone = ZoneInfo(hub.time_zone)
    calendar = Calendar(zone, spans_of(hub.blackouts, zone))
    return Plan(waves_of(hub.waves, codes, zone), calendar, {one.name: one for one in hub.waves})
