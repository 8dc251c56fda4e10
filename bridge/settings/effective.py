"""What holds for a school in the end: its own file over ``bridge.yaml``'s defaults over the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, time, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS, Authority, Field, Kind, Shape
from bridge.core.model import Side
from bridge.core.policy import Policy, Tally, Threshold, policy_for
from bridge.core.waves import Calendar, Wave
from bridge.settings import models
from bridge.settings.cutover import Cutover
from bridge.settings.leaving import periods
from bridge.settings.limits import Guard
from bridge.settings.waves import spans_of, waves_of

_DAY = timedelta(days=1)
_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a school's sides are asked; all of them are spread by up to ``jitter``."""

    school_poll: timedelta = timedelta(minutes=1)
    cloud_poll: timedelta = timedelta(minutes=5)
    full_compare: time = time(2, 30)
    jitter: timedelta = timedelta(minutes=10)

    def poll(self, side: Side) -> timedelta:
        """How often ``side`` is asked."""
        return self.school_poll if side is Side.SCHOOL else self.cloud_poll


@dataclass(frozen=True, slots=True)
class SideSettings:
    """One side of a school: the connector's name and its options, validated by the connector's own model."""

    connector: str
    options: BaseModel


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """One share of a school. The options of its sides hold placeholders until they are made for an owner."""

    name: str
    owner: str
    roles: tuple[str, ...]
    named: tuple[str, ...]
    sides: Mapping[Side, SideSettings]
    permissions: str = "report"
    make: bool = False
    freeze: str = "by-hand"
    samba_share: str = ""


@dataclass(frozen=True, slots=True)
class School:
    """One school as configured. ``periods`` and ``thresholds`` are in the form that the policy wants."""

    file: Path
    code: str
    name: str
    initial_stage: Stage
    language: models.Language
    sides: Mapping[Side, SideSettings]
    attributes: Mapping[str, Mapping[str, models.Attribute]]
    owners: Mapping[tuple[str, str], models.Owners]
    naming: models.Naming
    timetable: Timetable
    window: timedelta
    pause: timedelta
    thresholds: Mapping[tuple[str, str, str, Tally], Threshold]
    periods: Mapping[tuple[str, str], tuple[timedelta, ...]]
    holding: frozenset[tuple[str, str]] = frozenset()
    shares: tuple[ShareSettings, ...] = ()
    zone: tzinfo = UTC
    calendar: Calendar = field(default_factory=lambda: Calendar(UTC))
    cutover: Cutover = field(default_factory=Cutover)

    def kinds(self) -> Mapping[str, Kind]:
        """The kind table with the columns that the allow-list adds."""
        return {
            name: kind.with_fields(
                *(
                    Field(field, Shape(one.shape), Authority(one.authority))
                    for field, one in self.attributes.get(name, {}).items()
                )
            )
            for name, kind in KINDS.items()
        }

    def policy(self, stage: Stage) -> Policy:
        """What ``stage`` allows with this school's thresholds, periods and exceptions."""
        owners = {
            name: Authority(one) for name, said in self.owners.items() if (one := _in_stage(said, stage)) is not None
        }
        policy = policy_for(stage, owners=owners, thresholds=self.thresholds, periods=self.periods)
        return replace(policy, holding=self.holding, window=self.window, zone=self.zone)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, checked. ``file`` is ``bridge.yaml``; the directories are absolute."""

    file: Path
    bridge: models.BridgeFile
    schools: tuple[School, ...]

    @property
    def runtime(self) -> Path:
        """Directory of locks and of the status file."""
        return (self.file.parent / self.bridge.runtime).absolute()

    @property
    def state_url(self) -> str:
        """URL of the state database; a relative SQLite path is taken from the directory of ``bridge.yaml``."""
        url = self.bridge.state.url
        scheme, _, path = url.partition(":///")
        if not scheme.startswith("sqlite") or not path or path.startswith(("/", ":memory:")):
            return url
        return f"{scheme}:///{(self.file.parent / path).absolute()}"

    @property
    def indexes(self) -> Path:
        """Where connectors keep what they can make again: beside a SQLite state, else in the runtime directory."""
        scheme, _, path = self.state_url.partition(":///")
        return Path(path).parent / "indexes" if scheme.startswith("sqlite") and path else self.runtime / "indexes"

    @property
    def waves(self) -> tuple[Wave, ...]:
        """The waves of the cutover in their order."""
        return waves_of(self.bridge.waves, [one.code for one in self.schools], ZoneInfo(self.bridge.time_zone))

    @property
    def kept(self) -> Path:
        """Where lies what can't be made again, the key of signatures: beside a SQLite state; never in /run."""
        scheme, _, path = self.state_url.partition(":///")
        return Path(path).parent if scheme.startswith("sqlite") and path else Path("/var/lib/schoolbridge")

    @property
    def from_hub(self) -> Path:
        """Where the schools' files lie that came from a hub, where they come from there."""
        return self.kept / "schools-from-hub"

    @property
    def samba(self) -> Path:
        """Where root keeps what it changed of Samba's shares, and answers."""
        return (self.file.parent / self.bridge.samba).absolute()

    @property
    def reports(self) -> Path:
        """Where signed reports lie, a directory a school."""
        return self.kept / "reports"

    def school(self, code: str) -> School | None:
        """The school of this code."""
        return next((school for school in self.schools if school.code == code), None)


def school(
    file: Path,
    said: models.SchoolFile,
    bridge: models.BridgeFile,
    sides: Mapping[Side, SideSettings],
    shares: Sequence[Mapping[Side, SideSettings]] = (),
) -> School:
    """Put a school together from its file and the defaults."""
    defaults, zone = bridge.defaults, ZoneInfo(bridge.time_zone)
    return School(
        file=file,
        code=said.school,
        name=said.name,
        initial_stage=Stage(said.initial_stage),
        language=said.language or bridge.language,
        sides=sides,
        attributes={kind: said.attributes_of(kind) for kind in KINDS},
        owners={(kind, name): one for kind, names in said.authority.items() for name, one in names.items()},
        holding=frozenset(
            (kind, name) for kind, names in said.drift.items() for name, one in names.items() if one == "hold"
        ),
        naming=said.naming,
        timetable=Timetable(**{**_said(defaults.schedule), **_said(said.schedule)}),
        window=said.guard.window or defaults.guard.window or _DAY,
        pause=_first(said.guard.pause, defaults.guard.pause, _PAUSE),
        thresholds={**_thresholds(defaults.guard), **_thresholds(said.guard)},
        periods=periods(defaults.leavers, said.leavers),
        shares=tuple(
            ShareSettings(
                name=one.name,
                owner=one.owner,
                roles=tuple(one.roles),
                named=tuple(one.named),
                sides=ends,
                make=one.make,
                freeze=one.freeze or ("permissions" if one.school.connector == "folder" else "by-hand"),
                samba_share=one.samba_share or "",
                permissions=one.permissions or ("mirror" if one.owner == "group" else "report"),
            )
            for one, ends in zip(said.shares, shares, strict=True)
        ),
        zone=zone,
        calendar=Calendar(zone, spans_of([*bridge.blackouts, *said.blackouts], zone)),
        cutover=Cutover.of(defaults.cutover, said.cutover),
    )


def _in_stage(said: models.Owners, stage: Stage) -> models.Owner | None:
    """What was said for a stage; while a person has paused it, what holds in the stage itself."""
    return said if isinstance(said, str) else said.get(stage.value.removeprefix("paused-"))  # type: ignore[call-overload]


def _first(*choices: timedelta | None) -> timedelta:
    return next(one for one in choices if one is not None)


def _said(block: BaseModel) -> dict[str, Any]:
    return {name: getattr(block, name) for name in type(block).model_fields if getattr(block, name) is not None}


def _thresholds(guard: Guard) -> dict[tuple[str, str, str, Tally], Threshold]:
    return {(one.side, one.kind, one.role, one.tally): Threshold(one.count, one.percent) for one in guard.thresholds}
