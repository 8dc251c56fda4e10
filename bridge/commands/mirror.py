"""``plan`` shows what would happen and writes nothing; ``sync`` runs one cycle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.operations import draw_held, draw_operation, hold_tree, operation_tree
from bridge.commands.plan_files import Row, draw_shares, plan_shares
from bridge.commands.session import ERROR, NOTHING, SOMETHING, Session, plain, session_of
from bridge.core.model import Side
from bridge.daemon import turn, wiring
from bridge.daemon.mirror_once import mirror_once
from bridge.daemon.roots import is_root
from bridge.daemon.shares import Ground
from bridge.daemon.threads import new_loop
from bridge.engine.bridged import Progress, Report
from bridge.engine.cycle import cycle
from bridge.settings import School
from bridge.state import marks
from bridge.state.store import SchoolStore

SchoolOption = Annotated[str | None, typer.Option(help="Only this school (its code).")]


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one school: its people and groups, by rule how many of them wait besides, and the folders of its shares."""

    report: Report
    waiting: Counter[str]
    files: Sequence[Row]

    @property
    def something(self) -> bool:
        """Whether anything would happen, or waits."""
        people = self.report.operations or self.report.holds or self.waiting
        return bool(people) or any(row.something for row in self.files)

    def tree(self) -> dict[str, Any]:
        """As JSON."""
        more = {"waiting": dict(self.waiting), "shares": [row.tree() for row in self.files]}
        return {**_tree(self.report, plan_too=True), **more}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(plan)
    app.command()(sync)


def plan(
    context: typer.Context,
    school: SchoolOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Show at most so many operations of a school.")] = 50,
    shares: Annotated[bool, typer.Option(help="Also what would happen to files: reads every folder.")] = True,
    share: Annotated[str | None, typer.Option(help="Of the files only this share.")] = None,
) -> int:
    """Show what would happen, by kind and operation, with before and after. Writes nothing. Exit code 2: something."""
    session = session_of(context)
    schools = session.schools(school)
    with session.progress() as progress:
        rehearsed = {one.code: asyncio.run(_rehearse(session, one, progress)) for one in schools}
        files = plan_shares(session, schools, limit=limit, share=share, progress=progress) if shares else {}
    plans = {code: Plan(report, waiting, files.get(code, [])) for code, (report, waiting) in rehearsed.items()}
    planned: Counter[str] = Counter()
    for one in plans.values():
        planned.update(one.report.planned)
    failed = any(one.report.error or any(row.plan.report.error for row in one.files) for one in plans.values())
    answer = {"ok": not failed, "planned": dict(planned), "schools": [one.tree() for one in plans.values()]}
    session.show(answer, lambda out: _draw_plans(out, plans, limit=limit))
    for code, one in plans.items():
        if one.report.error:
            session.fail(f"{code}: {one.report.error.removeprefix(f'{code}: ')}")
    return ERROR if failed else SOMETHING if any(one.something for one in plans.values()) else NOTHING


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
        with suppress(OSError):
            marks.keep(database)
        for one in session.schools(school):
            with database.lock(one.code) as mine:
                store = mine.school(one.code, one.kinds())
                with asyncio.Runner(loop_factory=new_loop) as runner:
                    reports[one.code] = runner.run(_sync(session, one, store, progress, full=full))
                    wiring.limit_line(session.settings, session.catalog)
                    ground = Ground(session.settings, session.catalog, one, mine)
                    reports |= runner.run(mirror_once(ground, full=full, progress=progress))
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
        tree["operations"] = [operation_tree(one) for one in report.operations]
        tree["holds"] = [hold_tree(one) for one in report.holds]
    return tree


def _draw_plans(out: Console, plans: Mapping[str, Plan], *, limit: int) -> None:
    for code, one in plans.items():
        report = one.report
        out.print(f"[bold]{plain(code)}[/]: what would happen (nothing was written)")
        # What only the stage holds is what a rehearsal is for: it is shown like the rest, and counted as held below.
        staged = [hold.operation for hold in report.holds if hold.rule == "stage"]
        writes = [operation for operation in (*report.operations, *staged) if operation.action.writes]
        counts = Counter((operation.side.value, operation.kind, operation.action.value) for operation in writes)
        for (side, kind, action), number in sorted(counts.items()):
            out.print(f"  {number:>6} × {action} {kind} in the {side}")
        for operation in writes[:limit]:
            draw_operation(out, operation)
        if len(writes) > limit:
            out.print(f"  … {len(writes) - limit} more: --limit {len(writes)}")
        draw_held(out, report)
        for rule, number in sorted(one.waiting.items()):
            out.print(f"  [yellow]waiting[/]: {number} × {plain(rule)}; see: schoolbridge quarantine")
        if not writes and not report.holds and not one.waiting and not report.error:
            out.print("  nothing to do")
        if one.files:
            draw_shares(out, code, one.files, limit=limit)


def _draw_reports(out: Console, reports: Mapping[str, Report]) -> None:
    quiet = [code for code, report in reports.items() if is_root(code) and not report.changed and not report.error]
    for code, report in reports.items():
        if code in quiet:
            continue
        out.print(f"[bold]{plain(code)}[/]: one cycle in {report.seconds:.1f} s")
        for title, numbers in (("done", report.executed), ("failed", report.failed)):
            for what, number in sorted(numbers.items()):
                out.print(f"  {title}: {number} × {plain(what)}")
        draw_held(out, report)
        if not report.changed and not report.error:
            out.print("  nothing to do")
    if quiet:
        out.print(f"{len(quiet)} folders of shares: nothing to do")
