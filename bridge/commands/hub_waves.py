"""``hub wave``: the plan of waves of the whole fleet, begun, stopped and resumed; each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from bridge.commands.hub_session import hub_of
from bridge.commands.session import NOTHING, SOMETHING, Mistake, Session, moment_typed, plain, session_of
from bridge.core.local_time import shown
from bridge.daemon.actor import actor
from bridge.hub import authority
from bridge.hub.settings import HubSettings, database
from bridge.hub.wave_rows import Began
from bridge.hub.wave_shown import shown_plan
from bridge.hub.wave_steps import Start, Waves
from bridge.settings.words import Duration

_Name = Annotated[str, typer.Argument(help="Name of the wave, as in hub.yaml.")]
_At = Annotated[
    str | None,
    typer.Option("--at", help='When its first school begins: "2027-02-12 18:00"; without it all begin at once.'),
]
_Every = Annotated[str | None, typer.Option("--every", help="How long after the one before each other school: `10m`.")]
_Reason = Annotated[str, typer.Option(help="Why; goes into the journals and to the sites. No names of people.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Waves: which schools of the fleet are cut over when.", no_args_is_help=True)
    for one in (show, start, stop, cancel, resume, attest):
        group.command()(one)
    app.add_typer(group, name="wave")


def show(context: typer.Context, name: Annotated[str | None, typer.Argument(help="Only this wave.")] = None) -> int:
    """Show the plan, and where each school of it stands. Exit code 2: a wave is stopped."""
    session = session_of(context)
    settings = hub_of(session)
    with database(settings) as opened:
        answer = shown_plan(settings.hub, opened)
    if name is not None:
        answer["waves"] = [one for one in answer["waves"] if one["name"] == name]
        if not answer["waves"]:
            raise Mistake(f'no wave is called "{plain(name)}"; see: schoolbridge hub wave show')
    session.show(answer, lambda out: _draw(out, answer, settings))
    return SOMETHING if any(one["state"] == "stopped" for one in answer["waves"]) else NOTHING


def start(
    context: typer.Context, name: _Name, reason: _Reason = "", at: _At = None, every: _Every = None
) -> int:  # fmt: skip
    """Begin a wave: each of its schools is asked once, if the plan lets all of them begin."""
    return _step(context, name, reason, lambda waves, begins: waves.start(name, begins, **_who(reason)), at, every)


def resume(
    context: typer.Context, name: _Name, reason: _Reason = "", at: _At = None, every: _Every = None
) -> int:  # fmt: skip
    """Go on with a stopped wave: all of it that are not cut over are asked once more."""
    return _step(context, name, reason, lambda waves, begins: waves.resume(name, begins, **_who(reason)), at, every)


def stop(context: typer.Context, name: _Name, reason: _Reason = "") -> int:
    """Stop a wave: nobody else begins; who has an appointment loses it. What runs goes on to its end."""
    return _step(context, name, reason, lambda waves, _: waves.stop(name, **_who(reason)))


def cancel(context: typer.Context, name: _Name, reason: _Reason = "") -> int:
    """The same for good: it can only be begun anew."""
    return _step(context, name, reason, lambda waves, _: waves.stop(name, cancel=True, **_who(reason)))


def attest(
    context: typer.Context,
    name: _Name,
    need: Annotated[str, typer.Argument(help="What it needs, as written under `needs`.")],
    reason: _Reason = "",
    back: Annotated[bool, typer.Option("--back", help="Take it back: it is not so after all.")] = False,
) -> int:
    """Say that something which a wave needs is so."""
    session = session_of(context)
    _why(reason)
    with _waves(session) as (waves, _):
        (waves.unattest if back else waves.attest)(name, need, **_who(reason))
    answer = {"ok": True, "wave": name, "need": need, "attested": not back}
    done = "not attested any more" if back else "attested"
    session.show(answer, lambda out: out.print(f"{plain(name)}: {done}: {plain(need)}"))
    return NOTHING


def _step(
    context: typer.Context, name: str, reason: str, step: Any, at: str | None = None, every: str | None = None
) -> int:
    session = session_of(context)
    _why(reason)
    with _waves(session) as (waves, settings):
        begins = _start(settings, at, every)
        found: Began = step(waves, begins)
        answer = shown_plan(settings.hub, waves.database)
    answer["waves"] = [one for one in answer["waves"] if one["name"] == name]
    state, why = found.wave.state, found.wave.why

    def draw(out: Console) -> None:
        out.print(f"the wave {plain(name)} is {state}" + (f": {plain(why)}" if why else ""))
        _draw(out, answer, settings)

    session.show({"ok": True, "wave": name, "state": state, "why": why, **answer}, draw)
    return NOTHING


@contextmanager
def _waves(session: Session) -> Iterator[tuple[Waves, HubSettings]]:
    settings = hub_of(session)
    keys = authority.read(settings.kept)
    with database(settings) as opened:
        yield Waves(lambda: settings.hub, opened, keys.orders), settings


def _who(reason: str) -> dict[str, str]:
    return {"actor": actor(), "reason": reason.strip()}


def _why(reason: str) -> None:
    if len(reason.strip()) < 3:
        raise Mistake("say why with --reason: it goes into the journals and to the sites")


def _start(settings: HubSettings, at: str | None, every: str | None) -> Start:
    if every is not None and at is None:
        raise Mistake("--every needs --at: the time of the first school")
    begins = moment_typed(at, settings.zone, of="--at") if at is not None else None
    try:
        apart = TypeAdapter(Duration).validate_python(every) if every is not None else timedelta(0)
    except ValidationError:
        raise Mistake(f"--every {plain(every)} is no length of time; write one like `10m`") from None
    return Start(begins, apart)


# --- drawn ------------------------------------------------------------------------------------------------------------


def _draw(out: Console, answer: Mapping[str, Any], settings: HubSettings) -> None:
    for wave in answer["waves"]:
        more = [f"stops after {wave['stop_after']}"]
        more += [f"not before {wave['not_before'][:10]}"] if wave["not_before"] else []
        more += [f"then a pause of {wave['pause']}"] if wave["pause"] else []
        more += [f"in charge: {wave['owner']}"] if wave["owner"] else []
        state = wave["state"] or "not begun"
        colour = {"stopped": "red", "running": "cyan", "through": "green"}.get(state, "default")
        out.print(f"[bold]{plain(wave['name'])}[/] [{colour}]{state}[/]: {plain(', '.join(more))}")
        if wave["why"]:
            out.print(f"  [red]{plain(wave['why'])}[/]")
        for need in wave["needs"]:
            by = f"attested by {need['by']}: {need['reason']}" if need["by"] else "not attested yet"
            out.print(f"  needs: {plain(need['need'])} ({plain(by)})")
        for row in wave["schools"]:
            _draw_row(out, row, settings)


def _draw_row(out: Console, row: Mapping[str, Any], settings: HubSettings) -> None:
    when = f", begins {shown(row['at'], settings.zone)}" if row["at"] else ""
    heard = shown(row["heard"], settings.zone) if row["heard"] else "never" if row["site"] else "by no site"
    out.print(f"  {plain(row['school'])} {plain(row['name'])}: {row['stage']}, {row['stand']}{when}; heard {heard}")
    if row["why"]:
        out.print(f"    [yellow]{plain(row['why'])}[/]")
