"""``schoolbridge quarantine``: what is held by a rule, by a person or after a failure, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from bridge.commands.hold import draw_standing
from bridge.commands.session import NOTHING, plain, session_of
from bridge.daemon import password_people, wiring
from bridge.ports import Trouble
from bridge.state.holds import Hold
from bridge.state.orphans import Orphan
from bridge.state.passwords import Kept
from bridge.state.roots import held_in_roots


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(quarantine)


def quarantine(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="Only this school (its code).")] = None,
) -> int:
    """List what is held by a rule or in quarantine, since when and why."""
    session = session_of(context)
    found: list[tuple[str, Trouble]] = []
    lost: list[tuple[str, Orphan]] = []
    stopped: list[tuple[str, Hold]] = []
    apart: list[tuple[str, Kept]] = []
    with wiring.database(session.settings, create=False) as database:
        known = database.schools()
        for one in session.schools(school):
            if one.code in known:
                store = database.school(one.code, one.kinds())
                found += [(one.code, trouble) for trouble in store.troubles()]
                found += held_in_roots(database, one.code)
                lost += [(one.code, orphan) for orphan in store.orphans()]
                stopped += [(one.code, hold) for hold in store.standing_holds()]
                apart += [(one.code, kept) for kept in password_people.differing(store)]
    answer = {
        "held": [
            {
                "school": code,
                "link": one.link,
                "kind": one.kind,
                "side": one.side.value,
                "action": one.action.value,
                "role": one.role,
                "rule": one.rule,
                "message": one.message,
                "since": one.since.isoformat(),
                "attempts": one.attempts,
                "retry_at": one.retry_at.isoformat() if one.retry_at else None,
            }
            for code, one in found
        ],
        "orphans": [
            {"school": code, "kind": one.kind, "anchor": one.anchor, "message": orphan_text(code, one)}
            for code, one in lost
        ],
        "people_held": [
            {"school": code, "link": one.link, "reason": one.reason, "until": one.until.isoformat()}
            for code, one in stopped
        ],
        "passwords": [{"school": code, "link": one.link, "message": password_people.apart(one)} for code, one in apart],
    }
    session.show(answer, lambda out: _draw_held(out, found, lost, stopped, apart))
    return NOTHING


def orphan_text(code: str, one: Orphan) -> str:
    """What is known of an account that nobody at the school belongs to, and what to do."""
    return (
        f"{code}: {one.kind} {one.anchor} in the cloud carries the source anchor {one.source_anchor}, which nobody at "
        f"the school has. Expected: whoever it was made for. The bridge leaves it alone. If the person has left, "
        f"disable or delete it in the cloud; if they are only out of scope, bring them back, and it is linked again"
    )


def _draw_held(
    out: Console,
    found: Sequence[tuple[str, Trouble]],
    lost: Sequence[tuple[str, Orphan]],
    stopped: Sequence[tuple[str, Hold]],
    apart: Sequence[tuple[str, Kept]],
) -> None:
    draw_standing(out, stopped)
    for code, kept in apart:
        out.print(f"[bold]{plain(code)} user {plain(kept.link)}[/]: {plain(password_people.apart(kept))}")
    for code, orphan in lost:
        out.print(
            f"[bold]{plain(code)} {plain(orphan.kind)} {plain(orphan.anchor)}[/]: belongs to nobody at the school"
        )
        out.print(f"  {plain(orphan_text(code, orphan))}")
    if not found and not lost and not stopped and not apart:
        out.print("nothing is held")
    for code, one in found:
        again = (
            f"tried again at {one.retry_at:%Y-%m-%d %H:%M} UTC" if one.retry_at else "waits for a person or a change"
        )
        out.print(
            f"[bold]{plain(code)} {plain(one.kind)} {plain(one.link)}[/]: {one.action} in the {one.side}, held by "
            f"{plain(one.rule)} since {one.since:%Y-%m-%d %H:%M} UTC; {again}"
        )
        out.print(f"  {plain(one.message)}")
