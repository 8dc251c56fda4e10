"""The plan of waves as people see it: on the command line, on the page of waves, in the report for the council."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.core import wave_run
from bridge.core.wave_run import Seen, Stand
from bridge.core.waves import Place, Wave
from bridge.hub import wave_rows as rows
from bridge.hub.known import Known, known
from bridge.hub.wave_plan import Plan, plan_of
from bridge.hub.wave_rows import Began
from bridge.settings.hub import HubFile
from bridge.settings.words import in_words
from bridge.state.database import Database


def shown_plan(hub: HubFile, database: Database, schools: Mapping[str, Known] | None = None) -> dict[str, Any]:
    """``waves``, each with its needs and schools; ``others``: schools in none. Counts and codes, no names of people.

    ``schools``: where it was read a moment ago.
    """
    now = database.clock()
    with database.read() as connection:
        schools = known(connection) if schools is None else schools
        begun = rows.all_begun(connection)
        attested = rows.attested(connection)
        orders = {name: rows.answers(connection, one.wave) for name, one in begun.items()}
    plan = plan_of(hub, sorted(schools))
    places = {code: school.place for code, school in schools.items()}
    waves = [
        _wave(plan, one, begun.get(one.name), orders.get(one.name, {}), schools, places, now) for one in plan.waves
    ]
    for wave in waves:
        wave["needs"] = [_need(need, attested.get((wave["name"], need))) for need in plan.needs(wave["name"])]
    planned = {code for one in plan.waves for code in one.schools}
    others = [_row(schools[code], None, None, "") for code in schools if code not in planned]
    return {"waves": waves, "others": others}


def _need(need: str, said: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "need": need,
        "by": said["actor"] if said else "",
        "reason": said["reason"] if said else "",
        "at": said["at"] if said else None,
    }


def _wave(
    plan: Plan,
    wave: Wave,
    one: Began | None,
    orders: Mapping[str, tuple[str, str]],
    schools: Mapping[str, Known],
    places: Mapping[str, Place],
    now: datetime,
) -> dict[str, Any]:
    stands, times = _stands(one, orders, schools, now) if one is not None else ({}, {})
    # Not begun: what keeps one school of it keeps all.
    keeps = "" if one is not None or not wave.schools else plan.hindrance(wave.schools[0], places, now)
    found = []
    for code in wave.schools:
        school = schools.get(code, Known(code))
        stand, why = stands.get(code, (None, ""))
        if stand is None:
            stand = Stand.THROUGH if school.place.through else None
            why = f"{code}{keeps.removeprefix(wave.schools[0])}" if keeps and stand is None else ""
        found.append(_row(school, stand, times.get(code), why))
    return {
        "name": wave.name,
        "state": one.wave.state if one else "",
        "since": one.changed if one else None,
        "begun": one.wave.begun if one else None,
        "by": one.actor if one else "",
        "reason": one.reason if one else "",
        "why": one.wave.why if one else "",
        "owner": plan.said[wave.name].owner,
        "needs": [],
        "stop_after": wave.stop_after,
        "not_before": wave.not_before.astimezone(plan.calendar.zone).isoformat() if wave.not_before else None,
        "pause": in_words(wave.pause) if wave.pause else None,
        "schools": found,
    }


def _stands(
    one: Began, orders: Mapping[str, tuple[str, str]], schools: Mapping[str, Known], now: datetime
) -> tuple[dict[str, tuple[Stand, str]], dict[str, datetime | None]]:
    """Where the schools of a wave that was begun stand now, and when each begins."""
    stands = wave_run.stands(one.wave, seen_of(one.wave, orders, schools), now)
    times = {part.code: part.at for part in one.wave.parts}
    return {code: (stand, _still(schools.get(code), stand) or why) for code, stand, why in stands}, times


def _still(school: Known | None, stand: Stand) -> str:
    """That a school was asked to stay says nothing as long as its site tells an appointment."""
    if stand is not Stand.KEPT or school is None or school.appointment is None:
        return ""
    return f"it was asked to stay as it is, but its site {school.site} still tells an appointment"


def seen_of(
    wave: wave_run.Wave, orders: Mapping[str, tuple[str, str]], schools: Mapping[str, Known]
) -> dict[str, Seen]:
    """What the hub knows of a wave's schools, for the law."""
    found = {}
    for part in wave.parts:
        one = schools.get(part.code, Known(part.code))
        state, answer = orders.get(part.code, ("", ""))
        found[part.code] = Seen(one.stage, heard=one.heard, order=state, answer=answer, runs=one.runs)
    return found


def _row(school: Known, stand: Stand | None, at: datetime | None, why: str) -> dict[str, Any]:
    return {
        "school": school.school,
        "name": school.name,
        "site": school.site,
        "stage": school.stage.value,
        "stand": stand.value if stand else "not begun",
        "at": at or school.appointment,
        "heard": school.heard,
        "why": why,
    }
