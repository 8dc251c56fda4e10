"""``reload`` has the daemon load its configuration anew, and with ``--wait`` tells whether it took it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.daemon import board
from bridge.settings import SettingsError
from bridge.settings.models import BridgeFile
from bridge.settings.source import read

_LOOK = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reload)


def reload(
    context: typer.Context,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is loaded (exit code 0) or refused (1).")] = False,
    patience: Annotated[int, typer.Option(min=1, help="With --wait: seconds until it gives up.")] = 80,
) -> int:
    """Have the daemon load its configuration anew. A wrong one is refused: the old one goes on."""
    session = session_of(context)
    runtime = _runtime(session)
    tree = board.read(runtime)
    if tree is None or not board.running(runtime):
        raise Mistake(f"no daemon runs with {runtime}; start it (systemctl start schoolbridge)")
    pid, asked = int(tree["pid"]), time.monotonic()
    try:
        os.kill(pid, signal.SIGHUP)
    except (PermissionError, ProcessLookupError) as error:
        raise Mistake(f"process {pid} can't be told ({error.strerror}); run this as the bridge's account") from None
    refused = _answer(runtime, pid, asked, patience) if wait else ""
    word = "asked" if not wait else "refused" if refused else "loaded"
    answer = {"ok": not refused, "configuration": word, "error": refused}
    if refused:
        session.fail(f"the new configuration was not taken, the old one goes on: {refused}", configuration=word)
        return ERROR
    session.show(answer, lambda out: out.print(f"configuration {plain(word)}" + ("" if wait else "; see: status")))
    return NOTHING


def _runtime(session: Session) -> Path:
    """Where the daemon's status is; also by a wrong configuration, because the daemon itself has to say that it is."""
    try:
        return session.settings.runtime
    except SettingsError:
        said = read(session.config).tree.get("runtime", BridgeFile.model_fields["runtime"].default)
        return (session.config.parent / str(said)).absolute()


def _answer(runtime: Path, pid: int, asked: float, patience: int) -> str:
    """Why the daemon refused; empty when it loaded. Only a loading that began after ``asked`` counts."""
    while time.monotonic() < asked + patience:
        tree = board.read(runtime)
        if tree is not None and tree["pid"] == pid and (tree.get("loading_began") or 0.0) >= asked:
            return str(tree.get("configuration_error") or "")
        if not board.running(runtime):
            raise Mistake("the daemon ended meanwhile; see its log (journalctl -u schoolbridge)")
        time.sleep(_LOOK)
    raise Mistake(f"no answer within {patience} seconds: the daemon is busy or hangs; see: schoolbridge status")
