"""``stage``: where a school stands, what may happen next, and to make it happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.core.cutover import STAGES, Event, Gate, GateClosed, Illegal, Stage, advance, events, gates
from bridge.daemon import readiness, wiring
from bridge.daemon.actor import actor
from bridge.daemon.changeover import CUTOVER
from bridge.settings import School
from bridge.settings.render import guess
from bridge.state import changeover as runs
from bridge.state import stages
from bridge.state.database import Database
from bridge.state.transaction import writing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(stage)


def stage(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    event: Annotated[str | None, typer.Argument(help="What is to happen; without it the stage is shown.")] = None,
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
    passed: Annotated[
        list[str] | None, typer.Option("--passed", help="A gate that you checked yourself; repeatable, or `all`.")
    ] = None,
) -> int:
    """Show a school's stage and what may happen next, or move it on. Its gates must hold, or be named as passed."""
    session = session_of(context)
    one = session.school(school)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        if wiring.first_met(store):
            wiring.meet(store, one)
        now = Stage(store.stage())
        if event is not None:
            wanted = _event(event)
            _by_itself(database, one, wanted)
            vouched = _gates(now, wanted, passed or ())
            held = readiness.holding(database, one, now, wanted, now=wiring.now())
            try:
                after = advance(now, wanted, passed=(*vouched, *held))
            except Illegal as error:
                raise Mistake(f"{one.code}: {error}") from None
            except GateClosed as error:
                names = "; ".join(error.closed)
                raise Mistake(
                    f"{one.code}: not yet. Measure these gates (schoolbridge readiness {one.code}), or check them "
                    f"yourself and name them with --passed: {names}"
                ) from None
            if not reason.strip():
                raise Mistake("say why with --reason: it goes into the journal")
            vouched = [gate for gate in vouched if gate not in held]
            readiness.passed(database, one, wanted, vouched, actor=actor(), reason=reason)
            why = reason + (f" (gates vouched for: {'; '.join(vouched)})" if vouched else "")
            with writing(database, one.code, one.kinds()) as tx:
                runs.alone(tx)  # looked at again: a run may have begun in this moment
                stages.move(
                    tx, after.value, event=wanted.value, actor=actor(), reason=why, expected=now.value
                )  # fmt: skip
            if after is Stage.REHEARSING:
                readiness.keep_configuration(database, session.settings, one, actor=actor(), reason=reason)
            now = after
        since = store.stage_since()
    possible = [(name, target, gates(now, name)) for name, target in events(now).items()]
    answer = {
        "school": one.code,
        "stage": now.value,
        "since": since.isoformat(),
        "meaning": STAGES[now].meaning,
        "events": [
            {"event": name.value, "stage": target.value, "gates": [gate.value for gate in needed]}
            for name, target, needed in possible
        ],
    }
    session.show(answer, lambda out: _draw(out, one.code, now, possible))
    return NOTHING


def _by_itself(database: Database, school: School, event: Event) -> None:
    """A cutover has a command of its own, and nothing else happens while it goes on."""
    if event in CUTOVER:
        raise Mistake(f"{school.code}: '{event}' belongs to a cutover: schoolbridge cutover --help")
    run = runs.running(database, school.code)
    if run is not None:
        raise Mistake(
            f"{school.code}: a run of the cutover is at its step '{run.step}'. Wait until it is over: schoolbridge "
            f"cutover show {school.code}"
        )


def _event(text: str) -> Event:
    try:
        return Event(text)
    except ValueError:
        raise Mistake(f'no event is called "{plain(text)}"; {guess(text, [one.value for one in Event])}') from None


def _gates(now: Stage, event: Event, named: Sequence[str]) -> list[Gate]:
    if list(named) == ["all"]:
        try:
            return list(gates(now, event))
        except Illegal:
            return []
    found = []
    for name in named:
        try:
            found.append(Gate(name))
        except ValueError:
            raise Mistake(f'no gate is called "{plain(name)}"; {guess(name, [one.value for one in Gate])}') from None
    return found


def _draw(out: Console, code: str, now: Stage, possible: Sequence[tuple[Event, Stage, tuple[Gate, ...]]]) -> None:
    out.print(f"[bold]{plain(code)}[/] is {now}: {STAGES[now].meaning}")
    for event, target, needed in possible:
        out.print(f"  {event} → {target}" + (f", gates: {'; '.join(needed)}" if needed else ""))
