"""``year apply --roster`` and its ``undo``: what a roster says is written at the school."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain
from bridge.core.freeze import Phase
from bridge.daemon import roster_year, school_year, wiring
from bridge.daemon.actor import actor
from bridge.settings import School
from bridge.state.roster import UNDONE
from bridge.state.store import SchoolStore


def read(session: Session, one: School, file: Path | None) -> school_year.Roster | None:
    """What a file told; None without one."""
    return asyncio.run(school_year.roster(session.settings, session.catalog, one, file)) if file else None


def apply_roster(
    session: Session, one: School, roster: Path, before: Path | None, *, chosen: Mapping[str, str],
    expect: int | None, reason: str,
) -> int:  # fmt: skip
    """Carry out; the school is locked, so that no cycle plans with what is being written."""
    told = read(session, one, roster)
    if told is None:
        raise Mistake("--roster names no file")
    asked = roster_year.Asked(told, read(session, one, before), chosen, expect, actor(), reason)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        with store.lock() as mine:
            carried = asyncio.run(_apply(session, one, mine.school(one.code, one.kinds()), asked))
    session.show(_tree(one, carried), lambda out: _draw(out, one, carried))
    return NOTHING if carried.whole else ERROR


async def _apply(session: Session, one: School, store: SchoolStore, asked: roster_year.Asked) -> roster_year.Carried:
    async with wiring.bridged(session.settings, session.catalog, one, store) as bridged:
        return await roster_year.apply(bridged, store, asked)


def takes_back_roster(store: SchoolStore) -> bool:
    """Whether the last thing that was applied is a roster, and not the year of the directory."""
    found, year = store.roster(), store.year()
    if found is None or found.phase == UNDONE:
        return False
    return year is None or year.phase is not Phase.APPLIED or found.id > year.id


def undo_roster(session: Session, one: School, store: SchoolStore, reason: str) -> int:
    """Take back; what changed since is told and left, with exit code 1."""
    with store.lock() as mine:
        carried = asyncio.run(_undo(session, one, mine.school(one.code, one.kinds()), reason))
    session.show(_tree(one, carried), lambda out: _draw_undone(out, one, carried))
    return NOTHING if carried.whole else ERROR


async def _undo(session: Session, one: School, store: SchoolStore, reason: str) -> roster_year.Carried:
    async with wiring.bridged(session.settings, session.catalog, one, store) as bridged:
        return await roster_year.undo(bridged, store, actor=actor(), reason=reason)


def _tree(one: School, carried: roster_year.Carried) -> dict[str, Any]:
    return {
        "ok": carried.whole, "school": one.code, "operation": carried.operation, "written": dict(carried.written),
        "failed": list(carried.failed), "against": list(carried.against), "questions": carried.questions,
        "manual": list(carried.manual),
    }  # fmt: skip


def _draw(out: Console, one: School, carried: roster_year.Carried) -> None:
    if not carried.written and carried.whole:
        out.print(f"{plain(one.code)}: the school is as the roster says; nothing was written")
    else:
        out.print(f"{plain(one.code)}: applied as {carried.operation}: {_numbers(carried)} at the school. The next "
                  f"cycles take it to the cloud")  # fmt: skip
    if carried.questions:
        out.print(f"  {carried.questions} people are unclear; nothing was done for them: see year plan")
    if carried.manual:
        out.print(
            f"  {len(carried.manual)} people were never brought by a roster and are left alone (--json lists them)"
        )
    for message in carried.failed:
        out.print(f"  [yellow]![/] {plain(message)}")
    if carried.failed:
        out.print("  Type the same again once that is repaired: it goes on where it was")


def _draw_undone(out: Console, one: School, carried: roster_year.Carried) -> None:
    out.print(f"{plain(one.code)}: {carried.operation} is taken back: {_numbers(carried)} at the school")
    for message in (*carried.failed, *carried.against):
        out.print(f"  [yellow]![/] {plain(message)}")
    if not carried.whole:
        out.print("  What is listed was left as it is. Repair it by hand, or type the same again")


def _numbers(carried: roster_year.Carried) -> str:
    told = (f"{number} × {what.replace(':', ' ')}" for what, number in sorted(carried.written.items()))
    return ", ".join(told) or "nothing was written"
