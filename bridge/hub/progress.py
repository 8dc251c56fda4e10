"""The report of progress for the council, as a tree: counts, dates, reasons by their sort. No name of a person.

Reasons that people typed, labels of who asked, and what sites answered in their own words stay out of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from bridge.core.changeover import Course
from bridge.core.cutover import Stage
from bridge.core.wave_run import REHEARSED, SWITCHED, Stand
from bridge.core.waves import THROUGH
from bridge.hub.foreseen import Foreseen, foresee
from bridge.hub.known import Known, known
from bridge.hub.wave_shown import shown_plan
from bridge.settings.hub import HubFile
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_event

FORMAT = "schoolbridge-progress/1"
#: Incidents of so many days are told.
DAYS = 90
#: How a run may have ended, by words of ours: a site's own never stand in the report.
_OUTCOMES = frozenset(course.value for course in Course)
OTHERWISE = "ended otherwise"
_TROUBLE = frozenset({Stand.FAILED.value, Stand.UNKNOWN.value})


def progress(hub: HubFile, database: Database) -> dict[str, Any]:
    """All of the report; times in ISO 8601."""
    now = database.clock()
    with database.read() as connection:
        schools = known(connection)
        since = now - timedelta(days=DAYS)
        notices = select(hub_event.c.body).where(hub_event.c.kind == "notice", hub_event.c.received >= since)
        severities = Counter(_severity(row.body) for row in connection.execute(notices))
        last = connection.scalar(select(func.max(hub_event.c.received)))
    plan, ahead = shown_plan(hub, database, schools), foresee(hub, database, schools)
    stages = Counter(one.stage.value for one in schools.values() if one.view)
    return {
        "format": FORMAT,
        "made": now.isoformat(),
        "time_zone": hub.time_zone,
        "schools": len(schools),
        "through": sum(one.stage in THROUGH for one in schools.values()),
        "silent": sum(one.silent(now, longest=hub.silence.red) for one in schools.values()),
        "untold": sum(not one.view for one in schools.values()),
        "stages": {stage.value: stages[stage.value] for stage in Stage if stages[stage.value]},
        "waves": [_wave(one, ahead) for one in plan["waves"]],
        "without_wave": len(plan["others"]),
        "delays": [row for one in plan["waves"] for row in _delays(one)],
        "waits": dict(Counter(one.bottleneck.value for one in ahead.schools.values())),
        "people": sum(one.people for one in ahead.schools.values()),
        "cutover_hours": [round(one.total_seconds() / 3600, 1) for one in ahead.runs],
        "cutovers_measured": ahead.measured,
        "incidents": {
            "days": DAYS,
            "notices": {name: severities[name] for name in ("critical", "warning", "notice") if severities[name]},
            "runs": [row for one in schools.values() for row in _ended_badly(one, since)],
        },
        "last_heard": last.isoformat() if isinstance(last, datetime) else None,
    }


def _severity(body: str) -> str:
    said = json.loads(body)
    return str(said.get("severity", "")) if isinstance(said, Mapping) and not said.get("over") else ""


def _wave(one: Mapping[str, Any], ahead: Foreseen) -> dict[str, Any]:
    found = next(wave for wave in ahead.waves if wave.name == one["name"])
    rows = one["schools"]
    through = sum(row["stand"] == Stand.THROUGH.value for row in rows)
    return {
        "name": one["name"],
        "owner": one["owner"],
        "state": one["state"] or ("through" if rows and through == len(rows) else ""),
        "schools": len(rows),
        "through": through,
        "failed": sum(row["stand"] in _TROUBLE for row in rows),
        "needs": len(one["needs"]),
        "attested": sum(bool(need["by"]) for need in one["needs"]),
        "not_before": one["not_before"],
        "begun": one["begun"].isoformat() if one["begun"] else None,
        "begins": _range(found.begins),
        "ends": _range(found.ends),
        "last": found.last,
        "last_name": next((row["name"] for row in rows if row["school"] == found.last), ""),
        "waits_for": found.why.value,
    }


def _delays(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Schools of a wave that was begun, which did not become through with it, and by what sort of reason."""
    found = []
    for row in one["schools"]:
        if row["stand"] not in (*_TROUBLE, Stand.KEPT.value):
            continue
        found.append(
            {
                "wave": one["name"],
                "school": row["school"],
                "name": row["name"],
                "why": _sort(row),
                "planned": row["at"].isoformat() if row["at"] else None,
            }
        )
    return found


def _sort(row: Mapping[str, Any]) -> str:
    """By which row of ``core.wave_run`` it stands where it does; never the words that a site answered."""
    if row["stand"] == Stand.KEPT.value:
        return "kept back"
    if row["stand"] == Stand.UNKNOWN.value:
        return "silent"
    why = row["why"]
    for sort in ("refused", "expired", "withdrawn"):
        if why.startswith(f"the order was {sort}"):
            return sort
    ended = why.removeprefix("its run ended: ")
    return _outcome(ended) if ended != why else "missed"


def _ended_badly(one: Known, since: datetime) -> list[dict[str, Any]]:
    return [
        {"school": one.school, "name": one.name, "at": run.ended.isoformat(), "outcome": _outcome(run.outcome)}
        for run in one.runs
        if run.ended and run.ended >= since and run.outcome not in (SWITCHED, REHEARSED)
    ]


def _outcome(said: str) -> str:
    return said if said in _OUTCOMES else OTHERWISE


def _range(one: Any) -> list[str | None]:
    return [at.isoformat() if at else None for at in (one.earliest, one.latest)]
