"""``hub simulate`` and ``hub report progress``: what is ahead of the fleet, and where it stands, for the council."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from bridge import __version__
from bridge.commands.hub_session import hub_of
from bridge.commands.session import NOTHING, must_be_new, plain, session_of
from bridge.core.local_time import shown
from bridge.hub.foreseen import foresee
from bridge.hub.settings import HubSettings, database


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(simulate)
    group = typer.Typer(help="Reports on the whole fleet.", no_args_is_help=True)
    group.callback()(_group)  # one command, and it still has a name of its own
    group.command()(progress)
    app.add_typer(group, name="report")


def _group() -> None:
    """Reports on the whole fleet."""


def simulate(context: typer.Context) -> int:
    """Say when each school could be ready, when each wave begins and ends, and what holds them up. Changes nothing."""
    session = session_of(context)
    settings = hub_of(session)
    with database(settings) as opened:
        answer = foresee(settings.hub, opened).tree()
    session.show(answer, lambda out: _draw(out, answer, settings))
    return NOTHING


def _draw(out: Console, answer: Mapping[str, Any], settings: HubSettings) -> None:
    least, most = answer["cutover_hours"]
    by = f"measured: {answer['cutovers_measured']}" if answer["cutovers_measured"] else "assumed, too few measured yet"
    out.print(f"a cutover takes {least:.1f} to {most:.1f} hours ({by})")
    for wave in answer["waves"]:
        ends = _between(wave["ends"], settings)
        out.print(f"[bold]{plain(wave['name'])}[/]: begins {_between(wave['begins'], settings)}; through {ends}")
        if wave["last"]:
            out.print(f"  last: {plain(wave['last'])}, which waits for: {wave['waits_for']}")
    for code, one in answer["schools"].items():
        more = f"; {one['people']} to be decided" if one["people"] else ""
        more += f"; {one['gates']} gates do not hold" if one["gates"] else ""
        out.print(f"  {plain(code)}: {_between(one, settings)}; waits for: {one['waits_for']}{more}")


def _between(one: Mapping[str, str | None], settings: HubSettings) -> str:
    if one["earliest"] is None:
        return "not known"
    earliest = shown(datetime.fromisoformat(one["earliest"]), settings.zone)
    if one["latest"] is None:
        return f"{earliest} at the earliest"
    latest = shown(datetime.fromisoformat(one["latest"]), settings.zone)
    return earliest if earliest == latest else f"{earliest} to {latest}"


def progress(
    context: typer.Context,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as a new PDF.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a new page for a browser.")] = None,
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="By default the hub's.")] = None,
) -> int:
    """Report to the council: what is done, what is ahead, delays and incidents. Counts only, no names of people."""
    from bridge.hub.progress import progress as made  # only here: what makes PDFs takes a while to load
    from bridge.letters import progress_pages
    from bridge.state.private import save

    session = session_of(context)
    settings = hub_of(session)
    spoken = language or settings.hub.language
    for file in (pdf, html):
        must_be_new(file)
    with database(settings) as opened:
        answer = made(settings.hub, opened)
    if pdf is not None:
        save(pdf, progress_pages.pdf(answer, language=spoken, version=__version__))
    if html is not None:
        save(html, progress_pages.html(answer, language=spoken, version=__version__))
    answer["files"] = [str(file) for file in (pdf, html) if file is not None]

    def draw(out: Console) -> None:
        out.print(f"{answer['through']} of {answer['schools']} schools are cut over; {answer['silent']} are silent")
        for wave in answer["waves"]:
            counts = f"{wave['through']} of {wave['schools']} cut over, {wave['failed']} failed"
            out.print(f"  {plain(wave['name'])} ({wave['state'] or 'planned'}): {counts}")
        for file in answer["files"]:
            out.print(f"  {plain(file)}")

    session.show(answer, draw)
    return NOTHING
