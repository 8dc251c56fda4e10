"""The part of ``plan`` that looks into the shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from bridge.commands.operations import draw_held, draw_operation, hold_tree, operation_tree
from bridge.commands.rights import change_tree, draw_changes, names
from bridge.commands.session import Mistake, Session, plain
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.share_plan import RootPlan, plans
from bridge.daemon.shares import Ground
from bridge.engine.bridged import Progress
from bridge.settings import School
from bridge.settings.render import guess
from bridge.state.database import Database
from bridge.state.owners import owners


@dataclass(frozen=True, slots=True)
class Row:
    """The plan of one root. ``owner`` is whom it belongs to, as a person calls them; ``called`` names others so."""

    owner: str
    plan: RootPlan
    called: Callable[[str], str] = str

    @property
    def something(self) -> bool:
        """Whether there is anything to say but that it could be read."""
        plan = self.plan
        told = plan.report.error or plan.elsewhere
        return bool(told or plan.counts or plan.report.held or plan.waiting or plan.rights or plan.makes)

    def tree(self) -> dict[str, Any]:
        """As JSON."""
        plan, report = self.plan, self.plan.report
        return {
            "root": plan.root.code,
            "share": plan.root.share,
            "owner": plan.root.owner,
            "counts": [
                {"side": side.value, "kind": kind, "action": action, "count": number}
                for (side, kind, action), number in sorted(plan.counts.items())
            ],
            "bytes": {side.value: report.rehearsed.sizes[side] for side in Side},
            "operations": [operation_tree(one) for one in plan.operations],
            "held": dict(report.held),
            "holds": [hold_tree(one) for one in report.holds],
            "waiting": dict(plan.waiting),
            "rights": [change_tree(one) for one in plan.rights],
            "warnings": report.warnings,
            "elsewhere": plan.elsewhere or None,
            "no_folder": plan.no_folder or None,
            "makes_folder": plan.makes and not plan.held,
            "folder_held": plan.held or None,
            "error": report.error or None,
        }


def plan_shares(
    session: Session, schools: Sequence[School], *, limit: int, share: str | None, progress: Progress
) -> Mapping[str, list[Row]]:
    """School's code -> the plans of its roots. Raises Mistake where nobody has such a share."""
    known = {one.name for school in schools for one in school.shares}
    if share is not None and share not in known:
        raise Mistake(f'no share is called "{plain(share)}"; {guess(share, known) if known else "there are none"}')
    if not wiring.has_state(session.settings):
        return {}
    wiring.limit_line(session.settings, session.catalog)
    with wiring.database(session.settings, create=False) as database:
        return {
            one.code: asyncio.run(_planned(session, one, database, limit=limit, share=share, progress=progress))
            for one in schools
            if one.shares
        }


async def _planned(
    session: Session, school: School, database: Database, *, limit: int, share: str | None, progress: Progress
) -> list[Row]:
    everybody = {one.owner for one in school.shares}
    called = {one.link: one.login or one.name for kind in everybody for one in owners(database, school.code, kind)}
    by_name = names(database, school)
    ground = Ground(session.settings, session.catalog, school, database)
    only = () if share is None else (share,)
    return [
        Row(called.get(one.root.owner) or one.root.owner, one, by_name)
        async for one in plans(ground, most=limit, only=only, progress=progress)
    ]


def draw_shares(out: Console, code: str, rows: Sequence[Row], *, limit: int) -> None:
    """What would happen to files; folders with nothing to do are only counted."""
    out.print(f"[bold]{plain(code)}[/]: what would happen to files (nothing was written)")
    left = limit
    for row in rows:
        if not row.something:
            continue
        plan, report = row.plan, row.plan.report
        out.print(f"  [bold]{plain(row.owner)}[/] ({plain(plan.root.share)})")
        if plan.held:
            out.print(f"  [yellow]held[/]: {plain(plan.held)}")
        elif plan.elsewhere:
            out.print(f"  [yellow]lies elsewhere[/]: {plain(plan.elsewhere)}")
        elif plan.makes:
            out.print("  the folder would be made in the school, with its rights")
        draw_changes(out, plan.rights, row.called)
        for (side, kind, action), number in sorted(plan.counts.items()):
            out.print(f"  {number:>6} × {action} {kind} in the {side}")
        for side in Side:
            if report.rehearsed.sizes[side]:
                out.print(f"         {decimal(report.rehearsed.sizes[side])} to the {side}")
        for one in [one for one in plan.operations if one.action.writes][: max(0, left)]:
            draw_operation(out, one)
            left -= 1
        draw_held(out, report)
        for rule, number in sorted(plan.waiting.items()):
            out.print(f"  [yellow]waiting[/]: {number} × {plain(rule)}; see: schoolbridge shares --report")
        if report.error:
            out.print(f"  [bold red]not planned[/]: {plain(report.error)}")
    quiet = sum(not row.something and not row.plan.no_folder for row in rows)
    absent = sum(bool(row.plan.no_folder) and not row.plan.makes for row in rows)
    for number, text in ((quiet, "nothing to do"), (absent, "there is no folder yet")):
        if number:
            out.print(f"  {number} folders of shares: {text}")
