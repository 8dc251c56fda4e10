"""``waves`` and ``appoint``: in which order schools are cut over, and when each of them is to begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, Mistake, Session, moment_typed, plain, session_of
from bridge.core.local_time import shown
from bridge.core.waves import Place, Wave, hindrance, stopped
from bridge.daemon import appointments, wiring
from bridge.daemon.actor import actor
from bridge.settings import School
from bridge.settings.words import in_words
from bridge.state import appointments as state
from bridge.state.appointments import Appointment
from bridge.state.database import Database


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(waves)
    app.command()(appoint)


def waves(context: typer.Context) -> int:
    """Show the plan of all cutovers: waves, stages, appointments, and why a school may not begin now."""
    session = session_of(context)
    places: Mapping[str, Place] = {}
    dates: Mapping[str, Appointment] = {}
    if wiring.has_state(session.settings):
        with wiring.database(session.settings, create=False) as database:
            places, dates = state.places(database), state.appointments(database)
    plan = session.settings.waves
    zone = ZoneInfo(session.settings.bridge.time_zone)
    rows = {one.code: _row(session, one, plan, places, dates) for one in session.settings.schools}
    planned = {code for wave in plan for code in wave.schools}
    answer = {
        "waves": [_wave(wave, zone, places, rows) for wave in plan],
        "others": [row for code, row in rows.items() if code not in planned],
    }
    session.show(answer, lambda out: _draw(out, answer))
    return NOTHING


def _wave(wave: Wave, zone: tzinfo, places: Mapping[str, Place], rows: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": wave.name,
        "stop_after": wave.stop_after,
        "stopped": stopped(wave, places),
        "not_before": wave.not_before.astimezone(zone).isoformat() if wave.not_before else None,
        "pause": in_words(wave.pause) if wave.pause else None,
        "schools": [rows[code] for code in wave.schools],
    }


def _row(
    session: Session,
    school: School,
    plan: Sequence[Wave],
    places: Mapping[str, Place],
    dates: Mapping[str, Appointment],
) -> dict[str, Any]:
    place, date = places.get(school.code), dates.get(school.code)
    through = place is not None and place.through
    now = wiring.now()
    found = hindrance(school.code, waves=plan, places=places, calendar=school.calendar, now=now)
    return {
        "school": school.code,
        "name": school.name,
        "stage": place.stage.value if place else None,
        "through": through,
        "failed": place is not None and place.failed and not through,
        "appointment": _appointment(school, date) if date else None,
        "hindrance": found.text if found and not through else "",
    }


def _appointment(school: School, date: Appointment) -> dict[str, Any]:
    local, made = shown(date.at, school.zone), date.made.isoformat()
    return {"at": date.at.isoformat(), "local": local, "by": date.actor, "reason": date.reason, "made": made}


def _draw(out: Console, answer: Mapping[str, Any]) -> None:
    for wave in answer["waves"]:
        more = f", not before {wave['not_before'][:10]}" if wave["not_before"] else ""
        more += f", then a pause of {wave['pause']}" if wave["pause"] else ""
        more += ", [red]stopped[/]" if wave["stopped"] else ""
        out.print(f"[bold]{plain(wave['name'])}[/]: stops after {wave['stop_after']} failed{more}")
        for row in wave["schools"]:
            _draw_row(out, row)
    if answer["others"]:
        out.print("[bold]in no wave[/]" if answer["waves"] else "[bold]no waves are configured[/]")
        for row in answer["others"]:
            _draw_row(out, row)


def _draw_row(out: Console, row: Mapping[str, Any]) -> None:
    what = "cut over" if row["through"] else "failed, may be tried again" if row["failed"] else ""
    when = f", appointed for {row['appointment']['local']}" if row["appointment"] else ""
    out.print(
        f"  {plain(row['school'])} {plain(row['name'])}: {row['stage'] or 'never seen'}"
        + (f", {what}" if what else "")
        + when
    )
    if row["hindrance"]:
        out.print(f"    [yellow]not now:[/] {plain(row['hindrance'])}")


def appoint(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    when: Annotated[
        str | None,
        typer.Argument(help='On the school\'s clock: "2026-11-23 18:00"; without it the appointment is shown.'),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why then; goes into the journal. No names.")] = "",
    cancel: Annotated[bool, typer.Option("--cancel", help="Call the appointment off.")] = False,
) -> int:
    """Say when a school's cutover is to begin. It begins only if all gates hold then; nothing else starts it."""
    session = session_of(context)
    one = session.school(school)
    if cancel and when is not None:
        raise Mistake("say either a time or --cancel")
    if (cancel or when is not None) and not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        if wiring.first_met(store):
            wiring.meet(store, one)
        if cancel:
            _cancel(database, one, reason)
        warning = _make(session, database, one, when, reason) if when is not None else ""
        date = state.appointment(database, one.code)
    answer = {
        "ok": True,
        "school": one.code,
        "appointment": _appointment(one, date) if date else None,
        "warning": warning,
    }
    session.show(answer, lambda out: _draw_date(out, one, date, warning, cancelled=cancel))
    return NOTHING


def _cancel(database: Database, school: School, reason: str) -> None:
    if state.cancel(database, school.code, school.kinds(), actor=actor(), reason=reason) is None:
        raise Mistake(f"{school.code}: there is no appointment to call off; see: schoolbridge waves")


def _make(session: Session, database: Database, school: School, when: str, reason: str) -> str:
    at = moment_typed(when, school.zone, of=f"{school.code}:")
    now = wiring.now()
    _, warning = appointments.make(session.settings, database, school, at, actor=actor(), reason=reason, now=now)
    return warning


def _draw_date(out: Console, school: School, date: Appointment | None, warning: str, *, cancelled: bool) -> None:
    if date is None:
        out.print(f"{plain(school.code)}: " + ("the appointment is called off" if cancelled else "no appointment"))
        return
    utc = shown(date.at, UTC)
    out.print(f"{plain(school.code)}: the cutover is to begin at {shown(date.at, school.zone)} ({utc})")
    out.print(f"  by {plain(date.actor)}: {plain(date.reason)}")
    if warning:
        out.print(f"  [yellow]until then:[/] {plain(warning)}")
