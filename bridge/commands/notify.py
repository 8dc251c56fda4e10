"""``notify``: who is told when something is wrong, what they were told, and a message to try it out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.core.notices import Notice
from bridge.daemon import board, sending, wiring
from bridge.daemon.notice_text import Scribe
from bridge.settings.notify import Target
from bridge.settings.render import guess
from bridge.state.notices import remembered

group = typer.Typer(help="Who is told when something is wrong.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="notify")


@group.command()
def test(context: typer.Context, name: Annotated[str, typer.Argument(help="Name of a target below `notify`.")]) -> int:
    """Send one message now. Says whether the other server took it, not more: look whether it arrived."""
    session = session_of(context)
    target = _target(session, name)
    scribe = _scribe(session, target)
    reason = ""
    try:
        asyncio.run(sending.send(session.settings, target, scribe.trial(wiring.now())))
    except sending.NotSent as error:
        reason = str(error)
    if reason:
        session.fail(f"{target.name}: not sent: {reason}", target=target.name)
        return ERROR
    text = f"{target.name}: sent; the server took it. Look whether it arrived"
    session.show({"ok": True, "target": target.name}, lambda out: out.print(plain(text)))
    return NOTHING


@group.command("list")
def list_(context: typer.Context) -> int:
    """Show who is told, and what they were told that is not over yet."""
    session = session_of(context)
    troubles: dict[str, list[Notice]] = {}
    if wiring.has_state(session.settings):
        with wiring.database(session.settings, create=False) as database:
            troubles, _ = remembered(database)
    tree = board.read(session.settings.runtime) or {}
    failing = tree.get("telling", {}) if board.running(session.settings.runtime) else {}
    rows = [
        {
            "target": one.name,
            "at_least": one.at_least.value,
            "schools": one.schools,
            "failing": failing.get(one.name),
            "open": [_row(notice) for notice in troubles.get(one.name, []) if notice.ended is None],
        }
        for one in session.settings.bridge.notify
    ]
    session.show({"targets": rows}, lambda out: _draw(out, session, rows))
    return NOTHING


def _row(notice: Notice) -> dict[str, Any]:
    concern = notice.concern
    return {
        "school": concern.school,
        "kind": concern.kind,
        "subject": concern.subject,
        "severity": concern.severity.value,
        "since": concern.since.isoformat(),
        "told": notice.told.isoformat() if notice.told else None,
        "times": notice.times,
        "key": notice.thread,
    }


def _draw(out: Console, session: Session, rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.print("nobody is told: add `notify` to bridge.yaml")
    for row in rows:
        whom = "all schools" if row["schools"] == "all" else ", ".join(row["schools"])
        out.print(f"[bold]{plain(row['target'])}[/]: at least {row['at_least']}, {plain(whom)}")
        if row["failing"]:
            out.print(f"  [red]can't be told[/] since {plain(row['failing']['since'])}: {plain(row['failing']['why'])}")
        for one in row["open"]:
            told = f"told {one['times']} times, last {one['told']}" if one["told"] else "not told yet"
            what = f"{one['school'] or 'the bridge'} {one['kind']} {one['subject']}".strip()
            out.print(f"  {one['severity']}: {plain(what)} since {one['since']}, {told}")


def _target(session: Session, name: str) -> Target:
    targets = session.settings.bridge.notify
    found = next((one for one in targets if one.name == name), None)
    if found is None:
        if not targets:
            raise Mistake("nobody is told of anything: add `notify` to bridge.yaml first")
        raise Mistake(f'`notify` has no "{plain(name)}"; {guess(name, [one.name for one in targets])}')
    return found


def _scribe(session: Session, target: Target) -> Scribe:
    bridge = session.settings.bridge
    return Scribe(target, target.language or bridge.language, ZoneInfo(bridge.time_zone))
