"""``report``: signed evidence (see ``evidence``), and the school's entry for the record of processing activities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bridge.commands import evidence
from bridge.commands.session import NOTHING, must_be_new, plain, session_of
from bridge.core.cutover import Stage
from bridge.daemon import wiring


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Signed evidence, and reports on paper.", no_args_is_help=True)
    group.command()(records)
    evidence.register(group)
    app.add_typer(group, name="report")


def records(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write it as a new PDF.")] = None,
    language: Annotated[Literal["de", "en"] | None, typer.Option(help="By default the school's.")] = None,
) -> int:
    """Print the entry of Art. 30 GDPR and the measures of Art. 32; what a configuration can't know is left open."""
    from bridge.daemon import records as entries  # only here: what makes PDFs takes a while to load
    from bridge.state.private import save

    session = session_of(context)
    one = session.school(school)
    spoken = language or one.language
    must_be_new(out)
    stage = one.initial_stage
    if wiring.has_state(session.settings):
        with wiring.database(session.settings, create=False) as database:
            known = one.code in database.schools()
            stage = Stage(database.school(one.code, one.kinds()).stage()) if known else stage
    chapters = entries.entry(session.settings, one, stage)
    said = entries.tree(chapters, one, wiring.now())
    if out is not None:
        save(out, entries.paper(chapters, school=one, language=spoken, made=wiring.now()))
        said["file"] = str(out)

    def draw(screen: Console) -> None:
        screen.print(f"[bold]{plain(said['title'][spoken])}[/]")
        for chapter in said["chapters"].values():
            screen.print(f"\n[bold]{plain(chapter['heading'][spoken])}[/]")
            for line in chapter["lines"]:
                screen.print(f"  {plain(line[spoken])}")
            for row in chapter["rows"]:
                screen.print("  " + plain(" | ".join(cell[spoken] for cell in row)))

    session.show(said, draw)
    return NOTHING
