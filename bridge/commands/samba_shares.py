"""``samba-shares``: root's part of ``freeze: samba``. systemd starts it when the service asks for something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, plain, session_of
from bridge.samba.answering import ALLOWED, OWN, REQUESTS, Desk
from bridge.samba.registry import Samba


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="samba-shares")(samba_shares)


def samba_shares(
    context: typer.Context,
    requests: Annotated[
        Path, typer.Option(help="Where the service asks: `samba` in its runtime directory.")
    ] = REQUESTS,
    own: Annotated[Path, typer.Option(help="Root's directory, as `samba` in bridge.yaml says.")] = OWN,
    allowed: Annotated[Path, typer.Option(help="Root's list of the shares that may be frozen.")] = ALLOWED,
    configuration: Annotated[Path | None, typer.Option(help="Another smb.conf than Samba's own.")] = None,
) -> int:
    """Freeze and thaw the shares of Samba that the service asks for, and end. For root; reads no configuration."""
    session = session_of(context)
    answers = Desk(requests, own, allowed, Samba(configuration)).answer_all()

    def draw(out: Console) -> None:
        for one in answers:
            out.print(f"{plain(one.share)}: {'done' if one.done else plain(one.text)}")

    session.show({"answers": [one.model_dump() for one in answers]}, draw)
    return NOTHING if all(one.done for one in answers) else ERROR
