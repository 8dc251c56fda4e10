"""``uplink``: this site's way to its hub. ``enrol`` gets the papers with a ticket, ``show`` tells what is there."""

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, Mistake, Session, plain, session_of
from bridge.daemon import board
from bridge.settings.hub import Uplink

_LONGEST = 400
_HOW = "write `hub: {url: https://HUB:8443}` into bridge.yaml"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The hub that this site reports to.", no_args_is_help=True)
    group.command()(enrol)
    group.command()(show)
    app.add_typer(group, name="uplink")


def enrol(
    context: typer.Context,
    ticket_file: Annotated[
        Path | None, typer.Option(help="File with the ticket (- for standard input); without it you are asked.")
    ] = None,
) -> int:
    """Enrol this site with the hub of bridge.yaml, by the ticket that `schoolbridge hub enrol` printed there."""
    from bridge.uplink import enrol as enrolment  # only here: TLS and HTTP take a while to load
    from bridge.uplink import papers

    session = session_of(context)
    url = _block(session).url
    ticket = enrolment.Ticket.parse(_ticket(ticket_file))
    folder = papers.folder_of(session.settings)
    papers.prepare(folder)  # before the ticket is used up
    schools = asyncio.run(enrolment.enrol(url, ticket, folder))
    found = papers.read(folder)
    answer = {
        "ok": True,
        "site": found.site,
        "hub": url,
        "folder": str(folder),
        "certificate": {"serial": found.serial, "ends": found.ends.isoformat()},
        "schools": list(schools),
        "missing": [one.code for one in session.settings.schools if one.code not in schools],
    }
    session.show(answer, lambda out: _draw_enrolled(out, answer))
    return NOTHING


def show(context: typer.Context) -> int:
    """Tell which hub this is enrolled with, until when its certificate is good, and how the daemon gets on with it."""
    from bridge.uplink import papers

    session = session_of(context)
    block, settings = _block(session), session.settings
    found = papers.read(papers.folder_of(settings))
    tree = board.read(settings.runtime) if board.running(settings.runtime) else None
    answer = {
        "hub": block.url,
        "site": found.site,
        "folder": str(found.folder),
        "authority": papers.fingerprint(found.authority),
        "certificate": {
            "serial": found.serial,
            "ends": found.ends.isoformat(),
            "renewed_from": found.renewal.isoformat(),
        },
        "allow": list(block.allow),
        "names": block.names,
        "configuration": block.configuration,
        "daemon": (tree or {}).get("hub") or None,
    }
    session.show(answer, lambda out: _draw(out, answer))
    return NOTHING


def _block(session: Session) -> Uplink:
    block = session.settings.bridge.hub
    if block is None:
        raise Mistake(f"{plain(session.config)} names no hub; {_HOW}")
    return block


def _ticket(file: Path | None) -> str:
    """Never from the command line's words."""
    try:
        if file is None:
            return getpass.getpass("Ticket: ", stream=sys.stderr)
        if str(file) == "-":
            return sys.stdin.read(_LONGEST)
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LONGEST)
    except OSError as error:
        raise Mistake(f"{plain(file)} can't be read ({error.strerror})") from None
    except (EOFError, UnicodeDecodeError):
        raise Mistake("no ticket was given; say --ticket-file FILE") from None


def _draw_enrolled(out: Console, answer: dict[str, Any]) -> None:
    schools = ", ".join(map(plain, answer["schools"])) or "none yet"
    out.print(f"enrolled as {plain(answer['site'])} with {plain(answer['hub'])}; schools there: {schools}")
    if answer["missing"]:
        codes = ", ".join(map(plain, answer["missing"]))
        out.print(f"  [yellow]![/] the hub does not know as this site's: {codes}. There: schoolbridge hub assign")
    out.print("  a running daemon begins within seconds; see: schoolbridge status")


def _draw(out: Console, answer: dict[str, Any]) -> None:
    out.print(f"{plain(answer['site'])} at {plain(answer['hub'])}")
    out.print(f"  certificate {plain(answer['certificate']['serial'])}, good until {answer['certificate']['ends']}")
    out.print(f"  renewed by itself from {answer['certificate']['renewed_from']}")
    out.print(f"  the hub may ask for: {', '.join(answer['allow']) or 'nothing'}; names: {answer['names']}")
    told = answer["daemon"]
    if told is None:
        out.print("  no daemon runs, or it loaded no hub")
        return
    out.print(f"  confirmed: {told['confirmed'] or 'nothing yet'}; {told['waiting']} messages wait")
    for text in filter(None, (told["error"], told["clock"])):
        out.print(f"  [yellow]![/] {plain(text)}")
