"""``journal``: who wrote what, when and why; and whether the journal is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Mistake, Session, plain, session_of
from bridge.daemon import wiring
from bridge.daemon.roots import is_root
from bridge.state.journal import Checkpoint, Verdict, Written
from bridge.state.roots import BETWEEN


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Every write to either side: who, what, why, before, after.", no_args_is_help=True)
    group.command()(verify)
    group.command()(show)
    app.add_typer(group, name="journal")


def verify(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="Only this school (its code).")] = None,
    against: Annotated[
        str | None, typer.Option(help="A checkpoint kept elsewhere: SCHOOL:NUMBER:HASH, as printed by verify.")
    ] = None,
) -> int:
    """Walk the chain: find any row that was changed, dropped or inserted. Prints a checkpoint to keep elsewhere."""
    session = session_of(context)
    mark = _checkpoint(against)
    verdicts: dict[str, tuple[Verdict, Checkpoint]] = {}
    with wiring.database(session.settings, create=False) as database:
        known = database.schools()
        for one in session.schools(mark.school.partition(BETWEEN)[0] if mark else school):
            for code in _chains(known, one.code, only=mark.school if mark else None):
                store = database.school(code, one.kinds())
                verdicts[code] = store.verify(against=mark), store.checkpoint()
    ok = all(verdict.ok for verdict, _ in verdicts.values())
    answer = {
        "ok": ok,
        "schools": [
            {
                "school": code,
                "ok": verdict.ok,
                "rows": verdict.rows,
                "row": verdict.seq,
                "message": verdict.message,
                "checkpoint": str(head),
            }
            for code, (verdict, head) in verdicts.items()
        ],
    }
    session.show(answer, lambda out: _draw_verdicts(out, verdicts))
    return NOTHING if ok else ERROR


def _checkpoint(text: str | None) -> Checkpoint | None:
    if text is None:
        return None
    try:
        return Checkpoint.parse(text)
    except ValueError:
        raise Mistake("not a checkpoint; write SCHOOL:NUMBER:HASH as journal verify printed it") from None


def _draw_verdicts(out: Console, verdicts: Mapping[str, tuple[Verdict, Checkpoint]]) -> None:
    roots = [verdict for code, (verdict, _) in verdicts.items() if is_root(code) and verdict.ok]
    for code, (verdict, head) in verdicts.items():
        if verdict.ok and is_root(code) and len(roots) > 1:
            continue
        if verdict.ok:
            out.print(f"[green]✓[/] {plain(code)}: {verdict.rows} rows, whole; checkpoint {plain(head)}")
        else:
            out.print(f"[red]✗[/] {plain(code)}: {plain(verdict.message)}")
    if len(roots) > 1:
        rows = sum(verdict.rows for verdict in roots)
        out.print(f"[green]✓[/] {len(roots)} folders of shares: {rows} rows, whole; --json has their checkpoints")


def _chains(known: Sequence[str], code: str, *, only: str | None = None) -> list[str]:
    """The codes whose journals belong to a school: its own, and those of its shares' roots; or ``only`` one of them."""
    mine = [one for one in sorted(known) if one == code or one.startswith(code + BETWEEN)]
    return [one for one in mine if only in (None, one)]


def show(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="Only this school (its code).")] = None,
    link: Annotated[str | None, typer.Option(help="Only what concerns this link.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many rows of a school.")] = 50,
    redact: Annotated[bool, typer.Option("--redact", help="Without values: which fields, not what in them.")] = False,
) -> int:
    """Show the newest rows of each school and of each folder of its shares, oldest first."""
    session = session_of(context)
    rows: list[tuple[str, Written]] = []
    with wiring.database(session.settings, create=False) as database:
        known = database.schools()
        for one in session.schools(school):
            for code in _chains(known, one.code):
                store = database.school(code, one.kinds())
                rows += [(code, row) for row in store.journal(limit=limit, link=link, redact=redact)]
    rows = sorted(rows, key=lambda row: row[1].at)
    _show(session, rows)
    return NOTHING


def _show(session: Session, rows: list[tuple[str, Written]]) -> None:
    if session.as_json:
        json.dump({"rows": [_tree(code, row) for code, row in rows]}, sys.stdout, ensure_ascii=False, default=str)
        sys.stdout.write("\n")
        return
    for code, row in rows:
        entry = row.entry
        where = f" in the {entry.side}" if entry.side else ""
        what = f"{entry.action} {entry.kind}{where} {entry.link}".strip()
        outcome = f": {entry.outcome}" if entry.outcome else ""
        why = f" ({entry.reason})" if entry.reason else ""
        when = f"{row.seq:>7} {row.at:%Y-%m-%d %H:%M:%S}"
        session.out.print(f"{when} {plain(code)} {plain(entry.actor)}: {plain(what + outcome + why)}")
        for name in sorted({*entry.before, *entry.after}):
            session.out.print(
                f"        {plain(name)}: {plain(entry.before.get(name))} → {plain(entry.after.get(name))}"
            )


def _tree(code: str, row: Written) -> dict[str, Any]:
    entry = row.entry
    return {
        "school": code,
        "seq": row.seq,
        "at": row.at.isoformat(),
        "hash": row.hash,
        **{name: getattr(entry, name) for name in ("action", "actor", "cycle", "side", "kind", "link", "anchor")},
        "reason": entry.reason,
        "before": dict(entry.before),
        "after": dict(entry.after),
        "outcome": entry.outcome,
    }
