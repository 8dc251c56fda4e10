"""``schoolbridge conflicts``: files that were changed on both sides, of which both versions were kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.engine.resolve import Decision
from bridge.ports import KeptBoth
from bridge.settings import School
from bridge.settings.render import guess
from bridge.state.database import Database
from bridge.state.roots import BETWEEN
from bridge.state.store import SchoolStore


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(conflicts)


def conflicts(
    context: typer.Context,
    school: Annotated[str | None, typer.Argument(help="The school's code; not needed where there is only one.")] = None,
    keep_this: Annotated[str | None, typer.Option(help="Number of a conflict: delete the copy.")] = None,
    keep_other: Annotated[str | None, typer.Option(help="Number of a conflict: the copy takes the name.")] = None,
    keep_both: Annotated[str | None, typer.Option(help="Number of a conflict: leave both, show it no more.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the journal.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that are done with.")] = False,
) -> int:
    """List files of which both versions were kept, or decide about one: the next cycle carries it out."""
    session = session_of(context)
    one = session.school(school)
    wanted = {Decision.KEEP_THIS: keep_this, Decision.KEEP_OTHER: keep_other, Decision.KEEP_BOTH: keep_both}
    decisions = {number: how for how, number in wanted.items() if number is not None}
    if len(decisions) != sum(number is not None for number in wanted.values()) or len(decisions) > 1:
        raise Mistake("decide one at a time: --keep-this, --keep-other or --keep-both")
    with wiring.database(session.settings, create=False) as database:
        found = [(store, kept) for store in _stores(database, one) for kept in store.conflicts(resolved=everything)]
        for number, how in decisions.items():
            store = _of(found, number, one.code)
            store.decide(number, how, actor=actor(), reason=reason)
            found = [(store, kept) for store in _stores(database, one) for kept in store.conflicts(resolved=everything)]
    answer = {"conflicts": [_tree(store.code, kept) for store, kept in found]}
    session.show(answer, lambda out: _draw(out, one.code, [kept for _, kept in found]))
    return NOTHING


def _stores(database: Database, school: School) -> Iterator[SchoolStore]:
    """The memories of the roots of a school's shares."""
    kinds = {name: kind for name, kind in school.kinds().items() if kind.parent}
    for code in sorted(database.schools()):
        if code.startswith(f"{school.code}{BETWEEN}"):
            yield database.school(code, kinds)


def _of(found: list[tuple[SchoolStore, KeptBoth]], number: str, code: str) -> SchoolStore:
    for store, kept in found:
        if kept.id == number and kept.resolved is None:
            return store
    known = guess(number, (kept.id for _, kept in found))
    raise Mistake(f'{code} has no open conflict "{plain(number)}"; {known}')


def _tree(root: str, kept: KeptBoth) -> dict[str, Any]:
    return {
        "id": kept.id,
        "root": root,
        "path": kept.path,
        "copy": kept.copy,
        "side": kept.side.value,
        "at": kept.at.isoformat(),
        "decided": kept.how or None,
        "resolved": kept.resolved.isoformat() if kept.resolved else None,
    }


def _draw(out: Console, code: str, found: list[KeptBoth]) -> None:
    if not found:
        out.print("no conflicts")
        return
    for kept in found:
        state = f"{kept.how}, done" if kept.resolved else f"{kept.how}, with the next cycle" if kept.how else "open"
        out.print(f"[bold]{kept.id}[/] {kept.at:%Y-%m-%d %H:%M} {plain(kept.path)} ({state})")
        out.print(f"    changed on both sides; the {kept.side}'s version is kept as {plain(kept.copy)}")
    if any(not kept.how for kept in found):
        out.print(
            f"decide: schoolbridge conflicts {code} --keep-this NUMBER | --keep-other NUMBER | --keep-both NUMBER"
        )
