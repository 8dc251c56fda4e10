"""``schoolbridge verify``: compare the shares of a school by content, and write or check a signed report of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, SOMETHING, Mistake, Session, plain, session_of
from bridge.daemon import wiring
from bridge.daemon.compared import compare_all
from bridge.daemon.readiness import noted
from bridge.daemon.roots import Root, roots_of
from bridge.daemon.shares import Ground
from bridge.daemon.signing import FILE, Signer, checked
from bridge.daemon.verify import Sample, Task
from bridge.daemon.verify_report import report_of
from bridge.settings.models import Language
from bridge.settings.render import guess


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    context: typer.Context,
    school: Annotated[str | None, typer.Argument(help="The school's code; not needed where there is only one.")] = None,
    share: Annotated[str | None, typer.Option(help="Only this share.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only the folder of this owner (link).")] = None,
    sample: Annotated[
        float, typer.Option(min=0.01, max=100, help="Contents of so many percent of the files, others every night.")
    ] = 100,
    download: Annotated[bool, typer.Option(help="Read the cloud's bytes too, instead of believing its hash.")] = False,
    names: Annotated[bool, typer.Option(help="Paths in the report, not only ids.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write a signed report to this new file.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check a report's signature; compares nothing.")] = None,
) -> int:
    """Compare both sides of the shares by content. Exit code 0: equal, 2: differences, 1: not all could be compared."""
    session = session_of(context)
    signer = Signer.of(session.settings.indexes.parent / FILE) if report or check or sample < 100 else None
    if check is not None and signer is not None:
        return _check(session, check, signer)
    if report is not None and report.exists():
        raise Mistake(f"{plain(report)} exists already: a report is never overwritten. Name another file")
    one = session.school(school)
    wiring.limit_line(session.settings, session.catalog)
    with wiring.database(session.settings, create=False) as database, session.progress() as progress:
        ground = Ground(session.settings, session.catalog, one, database)
        roots = _chosen(ground, share, owner)
        today = wiring.now().astimezone(ZoneInfo(session.settings.bridge.time_zone)).date()
        part = Sample.of(sample, today, signer.sample_key if signer else b"")
        number = Counter[str]()

        def count(more: int) -> None:
            number["compared"] += more
            progress("compare", number["compared"], None)

        started = wiring.now().isoformat()
        task = Task(ground, part, download=download, names=names, progress=count)
        outcome = asyncio.run(compare_all(task, roots))
        tree = report_of(one, outcome) | {
            "started": started,
            "ended": wiring.now().isoformat(),
            "share": share,
            "percent": sample,
            "download": download,
        }
        if share is None and owner is None:
            noted(ground, tree, wiring.now())
    answer = tree
    if report is not None and signer is not None:
        _write(report, signer.sign(tree))
        answer = {**tree, "signed_by": signer.fingerprint, "file": str(report)}
    session.show(answer, lambda out: _draw(out, answer, one.language))
    return {"equal": NOTHING, "different": SOMETHING}.get(tree["result"], ERROR)


def _chosen(ground: Ground, share: str | None, owner: str | None) -> list[Root]:
    known = [one.name for one in ground.school.shares]
    if share is not None and share not in known:
        raise Mistake(f'no share is called "{plain(share)}"; {guess(share, known) if known else "there are none"}')
    roots = [one for one in roots_of(ground.school, ground.database).roots.values() if share in (None, one.share)]
    mine = [one for one in roots if owner in (None, one.owner)]
    if owner is not None and not mine:
        raise Mistake(f'no folder belongs to "{plain(owner)}"; {guess(owner, (one.owner for one in roots))}')
    return mine


def _write(path: Path, tree: dict[str, Any]) -> None:
    """A new file that only its owner can read: it may hold names."""
    text = json.dumps(tree, ensure_ascii=False, indent=1) + "\n"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _check(session: Session, path: Path, signer: Signer) -> int:
    report, by = checked(path)
    if by != signer.fingerprint:
        raise Mistake(f"{plain(path)} is signed by another key ({by}); this bridge's is {signer.fingerprint}")
    answer = {"ok": True, "signed_by": by, "report": report}
    session.show(answer, lambda out: _draw_check(out, path, by, report))
    return NOTHING


def _draw_check(out: Console, path: Path, by: str, report: dict[str, Any]) -> None:
    out.print(f"{plain(path)}: signed by this bridge ({by}), unchanged")
    out.print(f"  school {plain(report.get('school'))}, {plain(report.get('ended'))}: {plain(report.get('result'))}")


def _draw(out: Console, tree: dict[str, Any], language: Language) -> None:
    paint = {"equal": "green", "different": "yellow"}.get(tree["result"], "red")
    first, *rest = tree["text"][language]
    out.print(f"[{paint}]●[/] [bold]{plain(tree['school'])}[/]: {first}")
    for line in rest:
        out.print(f"  {line}")
    for root in tree["roots"]:
        if root["differences"]:
            out.print(f"[bold]{plain(root['root'])}[/]")
        for one in root["differences"]:
            paths = " / ".join(dict.fromkeys((one.get("paths") or {}).values()))
            ends = ", ".join(f"{side} {one[side]['anchor']}" for side in ("school", "cloud") if one[side])
            held = f" (held: {plain(one['held'])})" if one["held"] else ""
            out.print(
                f"  {plain(one['what'])}: {one['kind']} {plain(paths or one['link'] or '')} ({plain(ends)}){held}"
            )
    for code, why in tree["not_compared"].items():
        out.print(f"[red]{plain(code)}[/] {plain(why)}")
    if "file" in tree:
        out.print(f"report: {plain(tree['file'])}, signed by {tree['signed_by']}")
