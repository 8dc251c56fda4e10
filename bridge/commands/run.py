"""``run`` is the daemon; ``status`` tells how it and every school are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Session, plain, session_of
from bridge.daemon import board, machines, wiring
from bridge.daemon.health import Colour, Health
from bridge.daemon.progress import Progress
from bridge.daemon.status import Remembered, progress_of, remembered, verdict
from bridge.settings import School
from bridge.state.database import Database

PAINT = {Colour.GREEN: "green", Colour.AMBER: "yellow", Colour.RED: "red"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(status)


def run(context: typer.Context) -> int:
    """Run the bridge until SIGTERM. SIGHUP loads the configuration anew; a wrong one is not taken."""
    from bridge.api.serve import Served  # only here: the scheduler and the server take a while to load
    from bridge.daemon import service
    from bridge.daemon.fronts import Fronts
    from bridge.uplink.site import Uplink

    session = session_of(context)
    service.serve(session.config, verbose=session.verbose, front=Fronts.of(Served, Uplink))
    return NOTHING


def status(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="Only this school (its code).")] = None,
) -> int:
    """Tell how the daemon and every school are. Green only if each side went through a whole cycle in time."""
    session = session_of(context)
    schools = session.schools(school)
    tree = board.read(session.settings.runtime)
    running = board.running(session.settings.runtime)
    rows: list[tuple[School, Health, dict[str, Any]]] = []
    if wiring.has_state(session.settings):
        with wiring.database(session.settings, create=False) as database:
            known = set(database.schools())
            rows = [_row(one, tree, database if one.code in known else None, running=running) for one in schools]
    else:
        rows = [_row(one, tree, None, running=running) for one in schools]
    for one, _, facts in rows:
        warning = machines.tied(session.settings, one)
        facts["notes"] = [] if warning is None else [f"{warning.found}: {warning.remedy}"]
        _add_progress(session, one, facts, tree if running else None)
    worst = max((health.colour for _, health, _ in rows), key=list(Colour).index, default=Colour.GREEN)
    answer = {
        "health": worst.value,
        "daemon": {name: tree[name] for name in ("pid", "started", "beat", "api", "api_error") if name in tree}
        if tree and running
        else None,
        "hub": tree.get("hub") or None if tree and running else None,
        "schools": [facts for _, _, facts in rows],
    }
    session.show(answer, lambda out: _draw(out, tree if running else None, rows))
    return ERROR if worst is Colour.RED else NOTHING


def _row(
    school: School, tree: Mapping[str, Any] | None, database: Database | None, *, running: bool
) -> tuple[School, Health, dict[str, Any]]:
    found = Remembered() if database is None else remembered(database, database.school(school.code, school.kinds()))
    health = verdict(found, tree, school.code, wiring.now(), running=running)
    mine = (tree or {}).get("schools", {}).get(school.code, {})
    last = found.last
    facts = {
        "school": school.code,
        "name": school.name,
        "doubts": dict(found.doubts),
        "orphans": found.orphans,
        "warnings": [{"side": side, "text": text} for side, text in found.warnings],
        "stage": found.stage,
        "held": found.held,
        "rules": found.rules,
        "messages": list(found.messages),
        "records": dict(found.records),
        "last_cycle": None
        if last is None
        else {
            "id": last.id,
            "started": last.started.isoformat(),
            "ended": last.ended.isoformat() if last.ended else None,
            "outcome": last.outcome,
            "counts": {name: number for name, number in last.counts.items() if name != "warned"},
        },
        "health": health.colour.value,
        "causes": [
            {"colour": one.colour.value, "text": one.text, "since": one.since.isoformat() if one.since else None}
            for one in health.causes
        ],
        "sides": mine.get("sides", {}),
        "doing": mine.get("doing", ""),
        "shares": mine.get("shares", {}),
    }
    return school, health, facts


def _add_progress(session: Session, school: School, facts: dict[str, Any], tree: Mapping[str, Any] | None) -> None:
    """In place of the numbers that only the daemon and the estimate need."""
    now, mine = wiring.now(), (tree or {}).get("schools", {}).get(school.code, {})
    whole, shares = progress_of(session.settings, school, mine, now=now)
    facts["progress"] = whole.tree(now) if whole else None
    facts["shares"] = {
        name: {**share, "progress": shares.get(name, Progress()).tree(now)} for name, share in facts["shares"].items()
    }


def _draw_hub(out: Console, hub: Mapping[str, Any]) -> None:
    """An away hub is no trouble of a school: it is shown here alone."""
    heard = f"confirmed {hub['confirmed']}" if hub["confirmed"] else "nothing confirmed yet"
    name = f" as {plain(hub['site'])}" if hub["site"] else ""
    out.print(f"  hub: {plain(hub['url'])}{name}, {plain(heard)}, {hub['waiting']} messages wait")
    if hub["error"]:
        out.print(f"    [yellow]![/] {plain(hub['error'])} (since {plain(hub['since'])})")
    if hub["clock"]:
        out.print(f"    [yellow]![/] {plain(hub['clock'])}")
    if hub.get("aside"):
        out.print(f"    [yellow]![/] {hub['aside']} messages set aside since the start; {plain(hub['aside_last'])}")


def _draw(out: Console, tree: Mapping[str, Any] | None, rows: Sequence[tuple[School, Health, dict[str, Any]]]) -> None:
    if tree:
        out.print(f"daemon: process {plain(tree['pid'])}, running since {plain(tree['started'])}")
        if tree.get("api"):
            out.print(f"  status API: {plain(tree['api'])}")
        if tree.get("api_error"):
            out.print(f"  [yellow]![/] the status API can't listen: {plain(tree['api_error'])}")
        if tree.get("hub"):
            _draw_hub(out, tree["hub"])
    for school, health, facts in rows:
        paint = PAINT[health.colour]
        stage = facts["stage"] or "never seen"
        out.print(f"[{paint}]●[/] [bold]{plain(school.code)}[/] {plain(school.name)}: {health.colour}, stage {stage}")
        for cause in health.causes:
            since = f" (since {cause.since:%Y-%m-%d %H:%M} UTC)" if cause.since else ""
            out.print(f"  [{PAINT[cause.colour]}]![/] {plain(cause.text)}{since}")
        for note in facts["notes"]:
            out.print(f"  note: {plain(note)}")
        if facts["doing"]:
            out.print(f"  now: {plain(facts['doing'])}")
        for name, share in facts["shares"].items():
            busy = f", {share['busy']} at work" if share["busy"] else ""
            waiting = f", {share['waiting']} not there yet" if share.get("waiting") else ""
            out.print(f"  share {plain(name)}: {share['complete']} of {share['roots']} folders in step{waiting}{busy}")
            if share["progress"]["text"]:
                out.print(f"    {plain(share['progress']['text'])}")
        if len(facts["shares"]) > 1 and facts["progress"] and facts["progress"]["text"]:
            out.print(f"  all shares: {plain(facts['progress']['text'])}")
        for rule, number in sorted(facts["rules"].items()):
            out.print(f"  held: {number} × {plain(rule)}")
        counts = ", ".join(f"{number} {plain(what)}" for what, number in facts["records"].items())
        if counts:
            out.print(f"  records: {counts}")
        last = facts["last_cycle"]
        if last:
            out.print(f"  last cycle: {plain(last['started'])} {plain(last['outcome'])}")
