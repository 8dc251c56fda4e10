"""One school as the API shows it: made of what the state remembers and of what the daemon tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from bridge.api import models
from bridge.api.answers import ProgressView
from bridge.api.causes import cause_of
from bridge.core.cutover import STAGES, Stage
from bridge.daemon.health import Colour, Health, lateness, moment_of
from bridge.daemon.progress import Progress
from bridge.daemon.status import Remembered, progress_of, verdict
from bridge.settings import School, Settings
from bridge.settings.waves import placed
from bridge.state.glance import Glance


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one school at a moment. ``told``: the whole status tree, nameless. ``gates``: how many fail."""

    settings: Settings
    school: School
    told: Mapping[str, Any] | None
    now: datetime
    found: Remembered = field(default_factory=Remembered)
    glance: Glance = field(default_factory=Glance)
    gates: int = 0
    events: Sequence[models.EventView] = ()

    @property
    def mine(self) -> Mapping[str, Any]:
        """What the daemon tells of it."""
        return cast("Mapping[str, Any]", (self.told or {}).get("schools", {}).get(self.school.code, {}))

    @property
    def stage(self) -> Stage:
        """Where it stands; what the configuration begins with while the bridge has not met it."""
        return Stage(self.glance.stage) if self.glance.stage else self.school.initial_stage

    def health(self) -> Health:
        """The verdict."""
        return verdict(self.found, self.told, self.school.code, self.now)


def row(seen: Seen) -> models.SchoolRow:
    """Its line on the board of all schools."""
    found, health = seen.found, seen.health()
    whole, _ = progress_of(seen.settings, seen.school, seen.mine, now=seen.now)
    wave, order = placed(seen.settings.bridge.waves)(seen.school.code)
    return models.SchoolRow(
        code=seen.school.code,
        name=seen.school.name,
        stage=seen.stage.value,
        stage_since=seen.glance.since,
        wave=wave,
        wave_order=order,
        health=health.colour.value,
        causes=[models.Cause(colour=_shade(one.colour), text=one.text, since=one.since) for one in health.causes],
        held=seen.glance.held,
        conflicts=seen.glance.conflicts,
        drift=seen.glance.drift,
        records=dict(found.records),
        amounts=_amounts(whole, seen.now),
        gates_failed=seen.gates,
        appointment=seen.glance.appointment,
        last_cycle=found.last.started if found.last else None,
    )


def view(seen: Seen, line: models.SchoolRow) -> models.SchoolView:
    """Its own page. ``line``: as it stands on the board."""
    progress = progress_view(seen)
    return models.SchoolView(
        **dict(line),
        meaning=STAGES[seen.stage].meaning,
        doing=progress.doing,
        running=bool(seen.glance.run),
        freshness=progress.freshness,
        shares=progress.shares,
        errors=[
            models.ErrorGroup(
                rule=one.rule,
                kind=one.kind,
                cause=cause_of(one.rule)[0],
                remedy=cause_of(one.rule)[1],
                count=one.count,
                since=one.since,
                links=list(one.links),
            )
            for one in seen.found.groups
        ],
        events=list(seen.events),
    )


def progress_view(seen: Seen) -> ProgressView:
    """How far its files are."""
    whole, shares = progress_of(seen.settings, seen.school, seen.mine, now=seen.now)
    return ProgressView(
        school=seen.school.code,
        doing=str(seen.mine.get("doing", "")),
        amounts=_amounts(whole, seen.now),
        shares=[_share(name, seen, progress) for name, progress in shares.items()],
        freshness=list(_freshness(seen)),
    )


def _amounts(progress: Progress | None, now: datetime) -> models.Amounts:
    """Ends to the minute: they are guesses, and whoever polls is not to be told a new one each second."""
    if progress is None:
        return models.Amounts()
    earliest, latest = progress.found.earliest, progress.found.latest
    return models.Amounts(
        files=progress.files,
        files_total=progress.files_total,
        bytes=progress.bytes,
        bytes_total=progress.bytes_total,
        complete=progress.complete,
        earliest_end=earliest.replace(second=0, microsecond=0) if earliest else None,
        latest_end=latest.replace(second=0, microsecond=0) + timedelta(minutes=1) if latest else None,
        text=progress.text(now),
    )


def _share(name: str, seen: Seen, progress: Progress) -> models.ShareView:
    told = seen.mine.get("shares", {}).get(name, {})
    windows = (told.get("progress") or {}).get("windows") or [[None, 0, 0, 0, 0]]
    _, seconds, _, up, down = windows[-1]
    return models.ShareView(
        name=name,
        roots=told.get("roots", 0),
        complete=told.get("complete", 0),
        busy=told.get("busy", 0),
        waiting=told.get("waiting", 0),
        stopped=told.get("stopped", 0),
        unfit=told.get("unfit", 0),
        amounts=_amounts(progress, seen.now),
        speed_up=up / seconds if seconds else 0.0,
        speed_down=down / seconds if seconds else 0.0,
    )


def _freshness(seen: Seen) -> Iterator[models.Freshness]:
    mine = seen.mine
    started = moment_of(mine.get("since")) or seen.now
    observed = mine.get("observed", True)
    for side, facts in mine.get("sides", {}).items():
        period, complete = timedelta(seconds=float(facts["period"])), moment_of(facts.get("complete"))
        judged = observed and not mine.get("standby")
        colour = lateness(complete, seen.now, period=period, started=started) if judged else Colour.GREEN
        yield models.Freshness(
            side=side, period_seconds=period.total_seconds(), complete=complete, colour=_shade(colour)
        )


def _shade(colour: Colour) -> models.Colour:
    return colour.value
