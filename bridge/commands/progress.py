"""How far the files of a school and of its shares are, out of the status file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bridge.daemon.progress import Progress, read
from bridge.settings import School, Settings
from bridge.settings.line import Calendar


def calendar_of(settings: Settings) -> Calendar:
    """When how much of the line may be used."""
    bridge = settings.bridge
    return Calendar(tuple(bridge.bandwidth), ZoneInfo(bridge.time_zone))


def progress_of(
    settings: Settings, school: School, told: Mapping[str, Any], *, now: datetime
) -> tuple[Progress | None, dict[str, Progress]]:
    """The school's and each share's; None for a school without shares. ``told``: the school in the status file."""
    if not school.shares:
        return None, {}
    calendar, shown = calendar_of(settings), told.get("shares", {})
    shares = {one.name: read(shown.get(one.name, {}).get("progress"), now, calendar) for one in school.shares}
    everything = all(one.name in shown for one in school.shares)
    return read(told.get("progress"), now, calendar, complete=everything), shares
