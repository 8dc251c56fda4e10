"""``plan`` shows what would happen and writes nothing; ``sync`` runs one cycle."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, SOMETHING, Session, plain, session_of
from bridge.core.model import Operation, Side
from bridge.daemon import shares, turn, wiring
from bridge.daemon.roots import is_root
from bridge.engine.bridged import Progress, Report
from bridge.engine.cycle import cycle
from bridge.settings import School
from bridge.state.store import SchoolStore

#: A message about one object, as the engine addresses it: school, kind, link, text.
_ADDRESSED = re.compile(r"(?P<school>\S+): (?P<kind>[a-z_]+) \S+: (?P<text>.+)", re.DOTALL)

SchoolOption = Annotated[str | None, typer.Option(help="Only this school (its code).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(plan)
    app.command()(sync)


def plan(
    context: typer.Context,
    school: SchoolOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Show at most so many operations of a school.")] = 50,
) -> int:
    """Show what would happen, by kind and operation, with before and after. Writes nothing. Exit code 2: something."""
    session = session_of(context)
    with session.progress() as progress:
        rehearsed = {one.code: asyncio.run(_rehearse(session, one, progress)) for one in session.schools(school)}
    reports = {code: report for code, (report, _) in rehearsed.items()}
    waiting = {code: held for code, (_, held) in rehearsed.items()}
    planned: Counter[str] = Counter()
    for report in reports.values():
        planned.update(report.planned)
    failed = any(report.error for report in reports.values())
    something = any(report.operations or report.holds or waiting[code] for code, report in reports.items())
    left_out = sorted({share.name for one in session.schools(school) for share in one.shares})
    answer = {
        "ok": not failed,
        "planned": dict(planned),
        "not_planned": left_out,
        "schools": [
            {**_tree(report, plan_too=True), "waiting": dict(waiting[code])} for code, report in reports.items()
        ],
    }
    session.show(answer, lambda out: _draw_plans(out, reports, waiting=waiting, limit=limit, left_out=left_out))
    for code, report in reports.items():
        if report.error:
            session.fail(f"{code}: {report.error.removeprefix(f'{code}: ')}")
    return ERROR if failed else SOMETHING if something else NOTHING


async def _rehearse(session: Session, school: School, progress: Progress) -> tuple[Report, Counter[str]]:
    """The plan, and by rule how many links wait for a person or for their next try besides."""
    with wiring.scratch_store(session.settings, school) as store:
        for rule in ("guard:", "stage"):
            store.unhold(rule)  # judged anew, so that a plan tells what is held each time it is asked
        async with wiring.bridged(session.settings, session.catalog, school, store, progress=progress) as one:
            report = await cycle(wiring.read_only(one), rehearse=True)
        shown = {hold.operation.link for hold in report.holds}
        return report, Counter(one.rule for one in store.troubles() if one.link not in shown)


def sync(
    context: typer.Context,
    school: SchoolOption = None,
    full: Annotated[bool, typer.Option("--full", help="Compare both sides in full.")] = False,
) -> int:
    """Run one cycle now, writing what the stage and the guard allow."""
    session = session_of(context)
    reports: dict[str, Report] = {}
    with wiring.database(session.settings, create=True) as database, session.progress() as progress:
        for one in session.schools(school):
            store = database.school(one.code, one.kinds())
            with store.lock():
                reports[one.code] = asyncio.run(_sync(session, one, store, progress, full=full))
                wiring.limit_line(session.settings, session.catalog)
                ground = shares.Ground(session.settings, session.catalog, one, database)
                reports |= asyncio.run(shares.mirror_once(ground, full=full, progress=progress))
    failed = any(report.error for report in reports.values())
    answer = {"ok": not failed, "schools": [_tree(report) for report in reports.values()]}
    session.show(answer, lambda out: _draw_reports(out, reports))
    for code, report in reports.items():
        if report.error:
            session.fail(f"{code}: {report.error.removeprefix(f'{code}: ')}")
    return ERROR if failed else NOTHING


async def _sync(session: Session, school: School, store: SchoolStore, progress: Progress, *, full: bool) -> Report:
    turn.begin(store, school, session.settings.runtime)
    async with wiring.bridged(session.settings, session.catalog, school, store, progress=progress) as one:
        return await turn.turn(one, school, store, sides=tuple(Side), full=full)


def _tree(report: Report, *, plan_too: bool = False) -> dict[str, Any]:
    tree: dict[str, Any] = {"school": report.school, "cycle": report.cycle, **report.counts()}
    tree |= {"messages": report.messages, "warnings": report.warnings, "error": report.error}
    tree["conflicts"] = [
        {"link": one.link, "kind": one.kind, "field": one.field, "kept": one.kept.value} for one in report.conflicts
    ]
    if plan_too:
        tree["operations"] = [_operation(one) for one in report.operations]
        tree["holds"] = [
            {**_operation(one.operation), "rule": one.rule, "message": one.message} for one in report.holds
        ]
    return tree


def _operation(one: Operation) -> dict[str, Any]:
    return {
        "link": one.link,
        "kind": one.kind,
        "side": one.side.value,
        "action": one.action.value,
        "role": one.role,
        "before": {name: _json(value) for name, value in one.before.items()},
        "after": {name: _json(value) for name, value in one.after.items()},
        "reason": one.reason,
    }


def _json(value: object) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _draw_plans(
    out: Console,
    reports: Mapping[str, Report],
    *,
    waiting: Mapping[str, Counter[str]],
    limit: int,
    left_out: Sequence[str],
) -> None:
    for code, report in reports.items():
        out.print(f"[bold]{plain(code)}[/]: what would happen (nothing was written)")
        # What only the stage holds is what a rehearsal is for: it is shown like the rest, and counted as held below.
        staged = [hold.operation for hold in report.holds if hold.rule == "stage"]
        writes = [one for one in (*report.operations, *staged) if one.action.writes]
        counts = Counter((one.side.value, one.kind, one.action.value) for one in writes)
        for (side, kind, action), number in sorted(counts.items()):
            out.print(f"  {number:>6} × {action} {kind} in the {side}")
        for one in writes[:limit]:
            _draw_operation(out, one)
        if len(writes) > limit:
            out.print(f"  … {len(writes) - limit} more: --limit {len(writes)}")
        _draw_held(out, report)
        for rule, number in sorted(waiting[code].items()):
            out.print(f"  [yellow]waiting[/]: {number} × {plain(rule)}; see: schoolbridge quarantine")
        if not writes and not report.holds and not waiting[code] and not report.error:
            out.print("  nothing to do")
    if left_out:
        out.print(f"  people and groups only: a plan does not look into the shares ({plain(', '.join(left_out))}) yet")


def _draw_operation(out: Console, one: Operation) -> None:
    label = one.after.get("display_name") or one.before.get("display_name") or one.after.get("name") or one.link
    out.print(f"  {plain(one.action)} {plain(one.kind)} [bold]{plain(label)}[/] ({plain(one.reason)})")
    for name in sorted({*one.before, *one.after}):
        out.print(f"      {plain(name)}: {_shown(one.before.get(name))} → {_shown(one.after.get(name))}")


def _shown(value: object) -> str:
    if value is None or value in ("", frozenset()):
        return "–"
    if isinstance(value, frozenset):
        return plain(f"{len(value)} entries") if len(value) > 3 else plain(", ".join(sorted(value)))
    return plain(value)


def _draw_reports(out: Console, reports: Mapping[str, Report]) -> None:
    quiet = [code for code, report in reports.items() if is_root(code) and not report.changed and not report.error]
    for code, report in reports.items():
        if code in quiet:
            continue
        out.print(f"[bold]{plain(code)}[/]: one cycle in {report.seconds:.1f} s")
        for title, numbers in (("done", report.executed), ("failed", report.failed)):
            for what, number in sorted(numbers.items()):
                out.print(f"  {title}: {number} × {plain(what)}")
        _draw_held(out, report)
        if not report.changed and not report.error:
            out.print("  nothing to do")
    if quiet:
        out.print(f"{len(quiet)} folders of shares: nothing to do")


def _grouped(messages: Sequence[str]) -> list[str]:
    """One line for all objects of which the same is said (a missing consent); `explain` tells of each of them."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for message in messages:
        found = _ADDRESSED.fullmatch(message)
        key = (found["school"], found["kind"], found["text"]) if found else ("", "", message)
        same.setdefault(key, []).append(message)
    return [
        several[0] if len(several) == 1 else f"{school}: {len(several)} × {kind}: {text} Whom: schoolbridge quarantine"
        for (school, kind, text), several in same.items()
    ]


def _draw_held(out: Console, report: Report) -> None:
    for rule, number in sorted(report.held.items()):
        out.print(f"  [yellow]held[/]: {number} × {plain(rule)}")
    for message in _grouped(report.messages):
        out.print(f"  [yellow]![/] {plain(message)}")
    for warning in report.warnings:
        out.print(f"  [yellow]![/] {plain(warning)}")
