"""``restored``: a state that was put back from a backup, from when it is noted to when a person ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, SOMETHING, Mistake, Session, plain, session_of
from bridge.core.cutover import STAGES
from bridge.core.model import Side
from bridge.core.recovery import RULE
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.roots import roots_of
from bridge.settings import School
from bridge.state import restored as memory
from bridge.state.database import Database
from bridge.state.recovered import Standing
from bridge.state.roots import held_in_roots
from bridge.state.stages import stage_of

#: Folders that are named.
_NAMED = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="After the state was put back from a backup.")
    group.command()(begin)
    group.command()(show)
    group.command()(end)
    app.add_typer(group, name="restored")


def begin(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="What was put back, and from when; goes into the journal.")],
    school: Annotated[str | None, typer.Option(help="Code of the school.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All schools of this bridge.")] = False,
    still: Annotated[
        bool, typer.Option("--still", help="Write nothing at all: the school may have been moved on since.")
    ] = False,
) -> int:
    """Note that the state was put back: both sides are compared in full, nothing is deleted until you end it."""
    session = session_of(context)
    if everybody == (school is not None):
        raise Mistake("which schools? say --school CODE, or --all")
    schools = session.schools(school)
    if not reason.strip():
        raise Mistake("say with --reason what was put back, and from when: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        memory.note(database, [one.code for one in schools], reason=reason, actor=actor(), still=still)
        return _shown(session, database, schools, code=NOTHING)


def show(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="Only this school (its code).")] = None,
) -> int:
    """Tell how far the compare is, what waits, and what to do next."""
    session = session_of(context)
    with wiring.database(session.settings, create=False) as database:
        return _shown(session, database, session.schools(school), code=SOMETHING)


def end(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why it is right now; goes into the journal.")],
    school: Annotated[str | None, typer.Option(help="Code of the school.")] = None,
    leave: Annotated[
        bool, typer.Option("--leave", help="Folders that could not be read in full yet go on waiting.")
    ] = False,
) -> int:
    """End it: what was held is judged as ever. Refused before both sides of everything were read in full."""
    session = session_of(context)
    one = session.school(school)
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        roots = roots_of(one, database).roots.keys()
        left = memory.end(database, one.code, roots=roots, actor=actor(), reason=reason, leave=leave)
    answer = {"ok": True, "school": one.code, "left": [row.code for row in left]}

    def draw(out: Console) -> None:
        out.print(f"{plain(one.code)}: ended. What was held is looked at in the next cycle, by the usual thresholds")
        if left:
            out.print(f"  {len(left)} folders go on waiting; end it again once they were read")

    session.show(answer, draw)
    return NOTHING


def _shown(session: Session, database: Database, schools: Sequence[School], *, code: int) -> int:
    found = {one.code: memory.standing(database, one.code) for one in schools}
    trees = [_tree(database, one, found[one.code]) for one in schools]
    session.show({"schools": trees}, lambda out: _draw(out, trees))
    return code if any(found.values()) else NOTHING


def _tree(database: Database, school: School, rows: Sequence[Standing]) -> dict[str, Any]:
    if not rows:
        return {"school": school.code, "restored": False}
    roots = roots_of(school, database).roots
    left = [one for one in rows if not one.whole and (one.code == school.code or one.code in roots)]
    with database.read() as connection:
        stage = stage_of(connection, school.code)
    store = database.school(school.code, school.kinds())
    troubles = [*store.troubles(), *(one for _, one in held_in_roots(database, school.code))]
    return {
        "school": school.code,
        "restored": True,
        "since": rows[0].at.isoformat(),
        "reason": rows[0].reason,
        "still": rows[0].still,
        "stage": stage.value if stage else None,
        "held": sum(one.rule.startswith(RULE) for one in troubles),
        "folders": sum(one.code in roots for one in rows),
        "unread": {one.code: [side.value for side in Side if side not in one.compared] for one in left},
        "ready": not left,
    }


def _draw(out: Console, trees: Sequence[dict[str, Any]]) -> None:
    for one in trees:
        code = plain(one["school"])
        if not one["restored"]:
            out.print(f"[bold]{code}[/]: no state was put back, or that was ended")
            continue
        out.print(
            f"[bold]{code}[/]: the state was put back, noted {plain(one['since'][:16])} UTC: {plain(one['reason'])}"
        )
        meaning = next((row.meaning for stage, row in STAGES.items() if stage.value == one["stage"]), "")
        out.print(f"  by this state the school is {plain(one['stage'])} ({meaning}). Was it moved on after the backup?")
        if one["still"]:
            out.print("  nothing is written at all until you end it. First put the stage right: schoolbridge stage")
        for root, sides in list(one["unread"].items())[:_NAMED]:
            out.print(f"  not read in full yet: {plain(root)}, {' and '.join(sides)}")
        if len(one["unread"]) > _NAMED:
            out.print(f"  and {len(one['unread']) - _NAMED} more of {one['folders']} folders")
        out.print(f"  held until you end it: {one['held']}; see: schoolbridge quarantine")
        if one["ready"]:
            out.print(
                "  everything was read in full. Look at what is held: what is gone on one side and should stay, put"
            )
            out.print(f"  back there. Then: schoolbridge restored end --school {code} --reason '...'")
        else:
            out.print("  the bridge reads the rest by itself; what keeps it from that stands in schoolbridge status")
