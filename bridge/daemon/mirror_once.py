"""One cycle of every root of a school, for ``sync``; of its people and roots, for a run of the cutover."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bridge.core.model import Side
from bridge.daemon import homes, wiring
from bridge.daemon.gate import Gate
from bridge.daemon.roots import Root, roots_of
from bridge.daemon.share_rows import RootRow, ShareRow
from bridge.daemon.shares import AT_ONCE, Ground, opened, turn
from bridge.daemon.turn import turn as people_turn
from bridge.engine.bridged import Bridged, Progress, Report, silent
from bridge.ports import BridgeError, Unreachable, Waiting
from bridge.state.store import SchoolStore


async def mirror_once(
    ground: Ground, *, full: bool = False, progress: Progress = silent, rows: dict[str, ShareRow] | None = None
) -> Mapping[str, Report]:
    """Mirror them, a few at a time; root's code -> what came of it. ``rows`` tell the status file how they are."""
    found = await asyncio.to_thread(roots_of, ground.school, ground.database)
    await asyncio.to_thread(homes.know, ground, found.roots)
    gate = Gate(AT_ONCE)
    reports: dict[str, Report] = {}

    async def mirror(root: Root) -> None:
        row = RootRow()
        if rows is not None:
            row = rows.setdefault(root.share, ShareRow()).roots.setdefault(root.owner, row)
        async with gate.entered() as stay:
            try:
                warnings: list[str] = []
                async with opened(ground, root, elsewhere=warnings.append, load=row.load) as bridged:
                    bridged.give_way = stay.give_way
                    report = await turn(ground, root, bridged, sides=tuple(Side), full=full)
                    report.warnings += filter(None, warnings)
                row.note(report.counts(), frozenset(Side), wiring.now())
            except Waiting:
                report = Report("", root.code, wiring.now())
                row.wait()
            except BridgeError as error:
                report = Report("", root.code, wiring.now(), error=str(error))
            if report.error:
                row.fail(report.error, wiring.now())
            reports[root.code] = report
            progress("mirror shares", len(reports), len(found.roots))

    # None of them goes on unseen when one breaks off, or when all are cancelled.
    results = await asyncio.gather(*(mirror(root) for root in found.roots.values()), return_exceptions=True)
    for error in results:
        if isinstance(error, BaseException):
            raise error
    return reports


async def read_once(ground: Ground, one: Bridged, store: SchoolStore, *, full: bool, rows: dict[str, ShareRow]) -> int:
    """Both sides of people, then of all roots; how many of them something was written in. Raises Unreachable."""
    report = await people_turn(one, ground.school, store, sides=tuple(Side), full=full)
    if report.error:
        raise Unreachable(report.error)
    roots = await mirror_once(ground, full=full, rows=rows) if ground.school.shares else {}
    for code, root in roots.items():
        if root.error:
            raise Unreachable(f"{code}: {root.error}")
    return sum(each.changed for each in (report, *roots.values()))
