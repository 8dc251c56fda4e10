"""``hold`` and ``unhold``: a person stops the clock of somebody's retirement, and lets it run again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal

import typer
from rich.console import Console

from bridge.commands.persons import person
from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.core.model import Action, Link, Side
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.state.holds import Hold

#: How long Microsoft keeps a soft-deleted account, whatever anybody holds.
CLOUD_BIN = timedelta(days=30)
#: A hold for longer than this is a typing error.
_LONGEST = timedelta(days=3660)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(hold)
    app.command()(unhold)


def hold(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    name: Annotated[str, typer.Argument(help="Whom: link, anchor, login or name of one person.")],
    until: Annotated[str, typer.Option(help="The last day of the hold: 2027-01-31.")],
    reason: Annotated[
        Literal["exam", "legal", "archive"],
        typer.Option(help="An open examination, a legal claim, an archive's offer."),
    ],
    note: Annotated[str, typer.Option(help="More on it, without names; goes into the journal.")] = "",
) -> int:
    """Hold somebody: no step of leaving is done until then, and the time held does not count for any period."""
    session = session_of(context)
    one = session.school(school)
    end = end_of(until, one.zone)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        whom = person(store, name)
        store.hold_person(whom.id, until=end, reason=reason, note=note, actor=actor())
        whom = store.links([whom.id])[0]
    warning = _too_late(one.code, whom, end)
    answer = {"ok": True, "school": one.code, "link": whom.id, "until": end.isoformat(), "warning": warning}
    session.show(
        answer,
        lambda out: out.print(
            f"{plain(one.code)}: {plain(whom.id)} is held up to and including {plain(until)} ({reason})"
            + (f"\n[yellow]{plain(warning)}[/]" if warning else "")
        ),
    )
    return NOTHING


def draw_standing(out: Console, stopped: Sequence[tuple[str, Hold]]) -> None:
    """Whom a person holds, for ``quarantine``."""
    for code, one in stopped:
        out.print(
            f"[bold]{plain(code)} user {plain(one.link)}[/]: held by a person ({one.reason}) until "
            f"{one.until:%Y-%m-%d %H:%M} UTC; see: schoolbridge leavers {plain(code)}"
        )


def end_of(day: str, zone: tzinfo) -> datetime:
    """The end of a day as it is written, in the school's time zone; Mistake unless it is ahead, within ten years."""
    try:
        last = date.fromisoformat(day)
    except ValueError:
        raise Mistake(f"{plain(day)} is no date; write the last day of the hold like 2027-01-31") from None
    now = wiring.now()
    end = datetime.combine(last + timedelta(days=1), time(0), zone)
    if end <= now or end > now + _LONGEST:
        raise Mistake(f"{plain(day)} is over, or more than ten years ahead; write the last day of the hold")
    return end


def _too_late(code: str, whom: Link, end: datetime) -> str:
    """What a hold can't do: the cloud's recycle bin empties itself."""
    taken = whom.taken
    if taken is None or taken.step is not Action.DELETE or taken.side is not Side.CLOUD:
        return ""
    emptied = taken.at + CLOUD_BIN
    if end <= emptied:
        return ""
    return (
        f"{code}: the account of {whom.id} lies in the cloud's recycle bin, which Microsoft empties by itself about "
        f"{emptied:%Y-%m-%d}. This hold can't stop that. To keep the account, bring the person back at the school "
        f"(or restore it in the Entra admin center) before that day."
    )


def unhold(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    name: Annotated[str, typer.Argument(help="Whom: link, anchor, login or name of one person.")],
    note: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
) -> int:
    """End somebody's hold now; the period goes on where it stood."""
    session = session_of(context)
    one = session.school(school)
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        whom = person(store, name)
        if not store.lift_hold(whom.id, actor=actor(), note=note):
            raise Mistake(f"{one.code}: {whom.id} is not held; see: schoolbridge leavers {one.code}")
    answer = {"ok": True, "school": one.code, "link": whom.id}
    session.show(answer, lambda out: out.print(f"{plain(one.code)}: {plain(whom.id)} is not held any more"))
    return NOTHING
