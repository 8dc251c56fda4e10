"""``cutover``: where a school's cutover is, and whatever people ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, SOMETHING, Mistake, Session, plain, session_of
from bridge.core.changeover import Course, frozen, steps
from bridge.core.cutover import STAGES, Event, Stage
from bridge.core.gates import Standing
from bridge.daemon import board, changeover, wiring
from bridge.daemon.actor import actor
from bridge.daemon.appointments import hindrance
from bridge.daemon.changeover import Run
from bridge.settings import School
from bridge.settings.render import guess
from bridge.settings.words import in_words
from bridge.state.database import Database

_Reason = Annotated[str, typer.Option(help="Why; goes into the journal.")]
_School = Annotated[str, typer.Argument(help="Code of the school.")]
_Typed = Annotated[str, typer.Option("--code", help="The school's code, typed again.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Cut a school over to the cloud, and roll it back.", no_args_is_help=True)
    for command, name in (
        (show, "show"), (freeze, "freeze"), (rehearse, "rehearse"), (confirm, "confirm"), (abort, "abort"),
        (roll_back, "roll-back"), (approve, "approve"), (finalise, "finalise"), (retire, "retire"),
    ):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="cutover")


def show(context: typer.Context, school: _School) -> int:
    """Show the run that goes on, what held it up, and the runs before it."""
    session = session_of(context)
    one = session.school(school)
    with wiring.database(session.settings, create=False) as database:
        _show(session, one, database)
    return NOTHING


def freeze(
    context: typer.Context,
    school: _School,
    reason: _Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="In spite of a blackout or the order of waves.")] = False,
) -> int:
    """Freeze the school now: its shares become read-only, the last changes go over, all is verified, then switched."""
    return _ask(context, school, Event.FREEZE, reason, dry_run=dry_run, anyway=anyway)


def rehearse(
    context: typer.Context,
    school: _School,
    reason: _Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
) -> int:
    """Freeze and verify as on the day itself, then roll back by itself. People can't save meanwhile."""
    return _ask(context, school, Event.FREEZE, reason, dry_run=dry_run, rehearsal=True)


def confirm(
    context: typer.Context,
    school: _School,
    share: Annotated[str, typer.Option(help="The share that was made read-only by hand.")],
    reason: _Reason = "",
) -> int:
    """Say that a share was made read-only by hand on its server, so that the run can go on."""
    session = session_of(context)
    one = session.school(school)
    _reasoned(reason)
    with wiring.database(session.settings, create=False) as database:
        changeover.confirm(database, one, share, actor=actor(), reason=reason)
        _show(session, one, database)
    return NOTHING


def abort(context: typer.Context, school: _School, reason: _Reason = "") -> int:
    """End the freezing: back to hybrid, the school can write again."""
    return _ask(context, school, Event.ABORT, reason)


def roll_back(
    context: typer.Context,
    school: _School,
    reason: _Reason = "",
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Do not wait for the cloud: what was changed there comes later.")
    ] = False,
) -> int:
    """Go back to hybrid: what was changed in the cloud is brought home first, then the school owns its people again."""
    return _ask(context, school, Event.ROLL_BACK, reason, at_once=at_once)


def approve(
    context: typer.Context,
    school: _School,
    event: Annotated[str, typer.Argument(help="Of what, such as `finalise`.")],
    code: _Typed = "",
    reason: _Reason = "",
) -> int:
    """Approve of what nobody may decide alone. Two different people have to, each with the school's code."""
    session = session_of(context)
    one = session.school(school)
    names = [name.value for name in Event]
    if event not in names:
        raise Mistake(f'no event is called "{plain(event)}"; {guess(event, names)}')
    _reasoned(reason)
    with wiring.database(session.settings, create=False) as database:
        so_far = changeover.approve(database, one, Event(event), actor=actor(), reason=reason, typed=code)
    answer = {"school": one.code, "event": event, "approved_by": [approval.actor for approval in so_far]}

    def draw(out: Console) -> None:
        out.print(f"[bold]{plain(one.code)}[/] {event}: approved by {plain(', '.join(answer['approved_by']))}")

    session.show(answer, draw)
    return NOTHING


def finalise(context: typer.Context, school: _School, reason: _Reason = "") -> int:
    """The point of no return: the old server is not written any more. Needs two approvals and fresh gates."""
    return _ask(context, school, Event.FINALISE, reason)


def retire(context: typer.Context, school: _School, code: _Typed = "", reason: _Reason = "") -> int:
    """The bridge is done with this school: evidence is kept, nothing is read or written any more."""
    return _ask(context, school, Event.RETIRE, reason, typed=code)


def _ask(
    context: typer.Context,
    code: str,
    event: Event,
    reason: str,
    *,
    dry_run: bool = False,
    rehearsal: bool = False,
    at_once: bool = False,
    typed: str = "",
    anyway: bool = False,
) -> int:
    session = session_of(context)
    one = session.school(code)
    with wiring.database(session.settings, create=False) as database:
        if dry_run:
            return _rehearsed(session, one, database, event, rehearsal=rehearsal)
        _reasoned(reason)
        if event is Event.FREEZE and not rehearsal and not anyway:
            _hindered(session, one, database)
        changeover.request(
            database, one, event, actor=actor(), reason=reason, rehearsal=rehearsal, at_once=at_once, typed=typed
        )
        _show(session, one, database)
    return NOTHING


def _hindered(session: Session, one: School, database: Database) -> None:
    """Waves and blackouts bind people, too, unless they say that they know better."""
    found = hindrance(session.settings, database, one, wiring.now())
    if found is not None:
        raise Mistake(f"{found.text}. To freeze the school all the same: --anyway, with the reason")


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")


def _rehearsed(session: Session, one: School, database: Database, event: Event, *, rehearsal: bool) -> int:
    """What would happen; nothing does."""
    stage = Stage(database.school(one.code, one.kinds()).stage())
    gates = changeover.wanted(database, one, stage, event, rehearsal=rehearsal)
    closed = [gate for gate in gates if not gate.holds]
    by_hand = changeover.by_hand(one)
    answer = {
        "school": one.code,
        "stage": stage.value,
        "possible": not closed,
        "gates": [{"gate": gate.gate.value, "result": gate.result, "found": gate.found} for gate in gates],
        "deadline": in_words(one.cutover.deadline),
        "frozen_by_hand": by_hand,
        "shares": {share.name: share.freeze for share in one.shares},
    }

    def draw(out: Console) -> None:
        out.print(f"[bold]{plain(one.code)}[/] is {stage}; nothing is changed by this")
        _draw_gates(out, gates)
        out.print(f"  then: {' → '.join(steps(Course.REHEARSAL if rehearsal else Course.CUTOVER))}")
        out.print(f"  the school is frozen for {in_words(one.cutover.deadline)} at most")
        for name in by_hand:
            out.print(f"  share {plain(name)}: somebody has to make it read-only on its server")

    session.show(answer, draw)
    return SOMETHING if closed else NOTHING


def _draw_gates(out: Console, gates: Sequence[Standing]) -> None:
    for gate in gates:
        mark = "[green]✓[/]" if gate.holds else "[red]✗[/]"
        out.print(f"  {mark} {gate.gate}: {plain(gate.found or gate.result)}")


def _show(session: Session, one: School, database: Database) -> None:
    stage = Stage(database.school(one.code, one.kinds()).stage())
    run, before = changeover.running(database, one.code), changeover.past(database, one.code)
    alive = board.running(session.settings.runtime)
    answer = {
        "school": one.code,
        "stage": stage.value,
        "meaning": STAGES[stage].meaning,
        "daemon": alive,
        "run": _tree(run) if run else None,
        "past": [_tree(old) for old in before],
    }

    def draw(out: Console) -> None:
        out.print(f"[bold]{plain(one.code)}[/] {plain(one.name)} is {stage}: {STAGES[stage].meaning}")
        if run is not None:
            _draw_run(out, run)
            if not alive:
                out.print("  [red]![/] the daemon is not running, so nothing goes on: systemctl start schoolbridge")
        for old in before:
            began, ended = f"{old.started:%Y-%m-%d %H:%M}", f"{old.ended:%H:%M}" if old.ended else ""
            out.print(f"  {began} to {ended} UTC: {old.outcome}, by {plain(old.actor)}")

    session.show(answer, draw)


def _draw_run(out: Console, run: Run) -> None:
    for step in steps(run.course):
        here = step is run.step
        out.print(f"  {'[bold]▶' if here else ' '} {step}{'[/]' if here else ''}")
    if frozen(run.step):
        out.print(f"  rolled back by itself at {run.deadline:%Y-%m-%d %H:%M} UTC, if not switched by then")
    if run.problem:
        out.print(f"  [yellow]![/] {plain(run.problem)}")


def _tree(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "started": run.started.isoformat(),
        "deadline": run.deadline.isoformat(),
        "actor": run.actor,
        "course": run.course.value,
        "step": run.step.value,
        "step_since": run.step_at.isoformat(),
        "steps": [step.value for step in steps(run.course)],
        "attempts": run.attempts,
        "problem": run.problem,
        "outcome": run.outcome,
        "ended": run.ended.isoformat() if run.ended else None,
        "state": dict(run.state),
    }
