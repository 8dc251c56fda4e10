"""``schoolbridge drift``: what was changed on the side that does not own it, and what is to become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.core.model import Choice, Value
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.decisions import decide_drift, drift_handle
from bridge.state.drift import HELD, REVERTED, TAKEN, Drifted

#: State -> what a person reads.
_STATES: Mapping[str, str] = {
    HELD: "waits for a decision",
    REVERTED: "was put right",
    TAKEN: "was taken",
    Choice.TAKE: "is taken with the next cycle",
    Choice.REVERT: "is put right with the next cycle",
    Choice.HAND_OVER: "was handed over: this side owns it",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(drift)


def drift(
    context: typer.Context,
    school: Annotated[str | None, typer.Argument(help="The school's code; not needed where there is only one.")] = None,
    take: Annotated[
        str | None, typer.Option(help="LINK:FIELD:SIDE whose value counts, this once, on both sides.")
    ] = None,
    revert: Annotated[str | None, typer.Option(help="LINK:FIELD:SIDE that the owner's value is written over.")] = None,
    hand_over: Annotated[
        str | None, typer.Option(help="LINK:FIELD:SIDE: that side owns the field from now on.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the journal.")] = "",
) -> int:
    """List values that were changed on the side that does not own them, or decide about one."""
    session = session_of(context)
    one = session.school(school)
    wanted = {Choice.TAKE: take, Choice.REVERT: revert, Choice.HAND_OVER: hand_over}
    choices = {choice: name for choice, name in wanted.items() if name is not None}
    if len(choices) > 1:
        raise Mistake("decide one at a time: --take, --revert or --hand-over")
    if choices and not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        for choice, name in choices.items():
            decide_drift(store, name, choice, actor=actor(), reason=reason)
        found = store.drifts()
    session.show({"drifts": [_tree(row) for row in found]}, lambda out: _draw(out, one.code, found))
    return NOTHING


def _tree(row: Drifted) -> dict[str, Any]:
    return {
        "link": row.link,
        "kind": row.kind,
        "field": row.field,
        "side": row.side.value,
        "found": _shown(row.found),
        "wanted": _shown(row.wanted),
        "state": row.state,
        "at": row.at.isoformat(),
    }


def _shown(value: Value) -> Any:
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _draw(out: Console, code: str, rows: Sequence[Drifted]) -> None:
    if not rows:
        out.print("nothing has drifted")
        return
    for row in rows:
        state = _STATES.get(row.state, row.state)
        out.print(f"[bold]{drift_handle(row)}[/] {row.at:%Y-%m-%d %H:%M} {row.kind}, {plain(state)}")
        found, wanted = plain(str(_shown(row.found))), plain(str(_shown(row.wanted)))
        out.print(f"    the {row.side} was changed to {found}; the {row.side.other} has {wanted}")
    if any(row.state in {HELD, REVERTED} for row in rows):
        out.print(
            f"decide: schoolbridge drift {code} --take LINK:FIELD:SIDE | --revert ... | --hand-over ... --reason '...'"
        )
