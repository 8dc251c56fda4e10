"""``run`` is the daemon; ``status`` tells how it and every school are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.progress import progress_of
from bridge.commands.session import ERROR, NOTHING, Session, plain, session_of
from bridge.core.freeze import waiting
from bridge.daemon import board, turn, wiring
from bridge.daemon.health import Colour, Health, judge
from bridge.daemon.progress import Progress
from bridge.ports import Trouble
from bridge.settings import School
from bridge.state.database import Database
from bridge.state.doubts import doubts
from bridge.state.roots import WAITS, held_in_roots

PAINT = {Colour.GREEN: "green", Colour.AMBER: "yellow", Colour.RED: "red"}


#: More records than this, and more than this part of a side, are no delay of a replica.
_FEW_DOUBTS, _SHARE_OF_DOUBTS = 20, 0.05


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(status)


def run(context: typer.Context) -> int:
    """Run the bridge until SIGTERM. SIGHUP loads the configuration anew; a wrong one is not taken."""
    from bridge.daemon import service  # only here: the scheduler takes a while to load

    session = session_of(context)
    service.serve(session.config, verbose=session.verbose)
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
        _add_progress(session, one, facts, tree if running else None)
    worst = max((health.colour for _, health, _ in rows), key=list(Colour).index, default=Colour.GREEN)
    answer = {
        "health": worst.value,
        "daemon": {name: tree[name] for name in ("pid", "started", "beat")} if tree and running else None,
        "schools": [facts for _, _, facts in rows],
    }
    session.show(answer, lambda out: _draw(out, tree if running else None, rows))
    return ERROR if worst is Colour.RED else NOTHING


def _row(
    school: School, tree: Mapping[str, Any] | None, database: Database | None, *, running: bool
) -> tuple[School, Health, dict[str, Any]]:
    now = wiring.now()
    facts: dict[str, Any] = {"school": school.code, "name": school.name}
    deciding: list[Trouble] = []
    if database is not None:
        store = database.school(school.code, school.kinds())
        troubles = [*store.troubles(), *(one for _, one in held_in_roots(database, school.code))]
        # Who has given no consent is no trouble: that is how the school wants it. Nor is a file that is open.
        deciding = [one for one in troubles if one.rule != "consent" and not one.rule.startswith(WAITS)]
        last = store.cycles(limit=1)
        warned = turn.warnings_of(store)
        orphans = len(store.orphans())
        counts = store.counts()
        facts |= {
            "doubts": _doubts(database, school.code, counts),
            "orphans": orphans,
            "warnings": [
                *({"side": side, "text": text} for side in sorted(warned) for text in warned[side]),
                *({"side": "school", "text": text} for text in waiting(store.code, store.year_phase())),
            ],
            "stage": store.stage(),
            "held": len(troubles),
            "rules": dict(Counter(one.rule for one in troubles)),
            "messages": sorted({one.message for one in troubles})[:20],
            "records": {f"{side}:{kind}": number for (side, kind), number in sorted(counts.items())},
            "last_cycle": None
            if not last
            else {
                "id": last[0].id,
                "started": last[0].started.isoformat(),
                "ended": last[0].ended.isoformat() if last[0].ended else None,
                "outcome": last[0].outcome,
                "counts": {name: number for name, number in last[0].counts.items() if name != "warned"},
            },
        }
    else:
        facts |= {
            "doubts": {},
            "orphans": 0,
            "warnings": [],
            "stage": None,
            "held": 0,
            "rules": {},
            "messages": [],
            "records": {},
            "last_cycle": None,
        }
    since = min((one.since for one in deciding), default=None)
    health = judge(
        tree, school.code, now, running=running, held=len(deciding), held_since=since, warnings=_texts(facts)
    )
    facts["health"] = health.colour.value
    facts["causes"] = [
        {"colour": one.colour.value, "text": one.text, "since": one.since.isoformat() if one.since else None}
        for one in health.causes
    ]
    mine = (tree or {}).get("schools", {}).get(school.code, {})
    facts["sides"] = mine.get("sides", {})
    facts["doing"] = mine.get("doing", "")
    facts["shares"] = mine.get("shares", {})
    return school, health, facts


def _texts(facts: Mapping[str, Any]) -> list[str]:
    """What a person should know although nothing is held up."""
    texts = [one["text"] for one in facts["warnings"]]
    texts += [
        f"the {side} shows {number} records otherwise than the bridge wrote them minutes ago. Expected: a few, for "
        f"minutes. It is compared in full as soon as that can't be a delay any more; look what happened there"
        for side, number in facts["doubts"].items()
    ]
    if facts["orphans"]:
        texts.append(
            f"{facts['orphans']} accounts in the cloud belong to nobody at the school; see: schoolbridge quarantine"
        )
    return texts


def _add_progress(session: Session, school: School, facts: dict[str, Any], tree: Mapping[str, Any] | None) -> None:
    """In place of the numbers that only the daemon and the estimate need."""
    now, mine = wiring.now(), (tree or {}).get("schools", {}).get(school.code, {})
    whole, shares = progress_of(session.settings, school, mine, now=now)
    facts["progress"] = whole.tree(now) if whole else None
    facts["shares"] = {
        name: {**share, "progress": shares.get(name, Progress()).tree(now)} for name, share in facts["shares"].items()
    }


def _doubts(database: Database, code: str, counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Per side, where it is more than a lagging replica explains: all of a side may be gone without a green status."""
    found: dict[str, int] = {}
    for side, number in doubts(database, code).items():
        living = sum(count for (of, _), count in counts.items() if of == side)
        if number > max(_FEW_DOUBTS, living * _SHARE_OF_DOUBTS):
            found[side.value] = number
    return found


def _draw(out: Console, tree: Mapping[str, Any] | None, rows: Sequence[tuple[School, Health, dict[str, Any]]]) -> None:
    if tree:
        out.print(f"daemon: process {plain(tree['pid'])}, running since {plain(tree['started'])}")
    for school, health, facts in rows:
        paint = PAINT[health.colour]
        stage = facts["stage"] or "never seen"
        out.print(f"[{paint}]●[/] [bold]{plain(school.code)}[/] {plain(school.name)}: {health.colour}, stage {stage}")
        for cause in health.causes:
            since = f" (since {cause.since:%Y-%m-%d %H:%M} UTC)" if cause.since else ""
            out.print(f"  [{PAINT[cause.colour]}]![/] {plain(cause.text)}{since}")
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
