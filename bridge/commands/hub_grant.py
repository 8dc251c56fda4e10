"""``hub grant``: a token gets rights in one school for a time: support that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import sleep
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.hub_session import hub_of
from bridge.commands.hub_token import school as known_school
from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.daemon.actor import actor
from bridge.hub.settings import database, now
from bridge.settings.render import guess
from bridge.settings.words import duration
from bridge.state import grants, tokens
from bridge.state.database import Database
from bridge.state.grants import Grant
from bridge.state.tokens import HUB_SCOPES, Token

#: Support ends; who needs it longer asks again.
LONGEST = timedelta(days=30)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(grant)
    app.command(name="grants")(listing)
    app.command()(ungrant)


def grant(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The token's id, as `hub token list` shows it.")],
    school: Annotated[str, typer.Option(help="Code of the school.")],
    scope: Annotated[list[str], typer.Option(help="read, operate, approve or names; may be said several times.")],
    time: Annotated[str, typer.Option("--for", help="How long: `4 hours`; 30 days at most.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal of the school at the hub.")],
) -> int:
    """Let a token do more in one school for a time. It ends by itself. Takes two seconds."""
    session = session_of(context)
    why, scopes = reason.strip(), sorted({one for many in scope for one in many.replace(",", " ").split()})
    if len(why) < 3:
        raise Mistake("--reason: say why, for who reads the journal later; nothing was granted")
    if not scopes:
        raise Mistake(f"--scope is empty: name one of {', '.join(HUB_SCOPES)}; nothing was granted")
    for one in scopes:
        if one not in HUB_SCOPES:
            raise Mistake(f'no scope is called "{plain(one)}"; {guess(one, HUB_SCOPES)}')
    length = _length(time)
    with database(hub_of(session)) as opened:
        code, holder = known_school(opened, school), _token(opened, token)
        if "read" not in scopes and not _reads(opened, holder, code):
            raise Mistake(
                f"the token {holder.id} ({plain(holder.label)}) may not see the school {code}: add --scope read; "
                f"nothing was granted"
            )
        made = grants.grant(
            opened, token=holder.id, school=code, scopes=scopes, ends=now() + length, actor=actor(), reason=why
        )
    sleep(tokens.TRUSTED)  # until then who used the token just before is known without it
    session.show({"ok": True, **_tree(made, now())}, lambda out: out.print(plain(_said(made, holder.label))))
    return NOTHING


def listing(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> int:
    """List what was granted: to whom, where, for what, until when, by whom and why."""
    session, moment = session_of(context), now()
    with database(hub_of(session)) as opened:
        found = [one for one in grants.grants(opened) if everything or one.state(moment) == "in force"]
        labels = {one.id: one.label for one in tokens.listed(opened)}

    def draw(out: Console) -> None:
        _draw(out, found, labels, moment)

    session.show({"grants": [_tree(one, moment) for one in found]}, draw)
    return NOTHING


def ungrant(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The grant's id, as `hub grants` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
) -> int:
    """Take back what was granted. Takes two seconds."""
    session = session_of(context)
    with database(hub_of(session)) as opened:
        found = grants.take_back(opened, name, actor=actor(), reason=reason)
        if found is None:
            known = [one.id for one in grants.grants(opened)]
            raise Mistake(f'no grant has the id "{plain(name)}"; {guess(name, known)}')
    sleep(tokens.TRUSTED)  # until then a process of the hub may still answer whoever used it just before
    moment = now()
    text = f"{found.id}: {found.state(moment)}"
    session.show({"ok": True, **_tree(found, moment)}, lambda out: out.print(plain(text)))
    return NOTHING


def _length(text: str) -> timedelta:
    try:
        length = duration(text)
    except ValueError:
        raise Mistake(f"--for {plain(text)}: write a time like `4 hours` or `2 days`; nothing was granted") from None
    if not timedelta(0) < length <= LONGEST:
        raise Mistake(f"--for {plain(text)}: more than nothing and at most 30 days; nothing was granted")
    return length


def _token(opened: Database, name: str) -> Token:
    known = {one.id: one for one in tokens.listed(opened)}
    found = known.get(name)
    if found is None:
        raise Mistake(f'no token has the id "{plain(name)}"; {guess(name, known)}')
    if found.state(now()) != "valid":
        raise Mistake(f"the token {found.id} ({plain(found.label)}) is {found.state(now())}; nothing was granted")
    return found


def _reads(opened: Database, token: Token, code: str) -> bool:
    mine = "read" in token.scopes and (not token.schools or code in token.schools)
    given = grants.in_force(opened, token.id, now())
    return mine or any(one.school == code and "read" in one.scopes for one in given)


def _tree(one: Grant, moment: datetime) -> dict[str, Any]:
    return {
        "id": one.id,
        "token": one.token,
        "school": one.school,
        "scopes": sorted(one.scopes),
        "begins": one.begins.isoformat(),
        "ends": one.ends.isoformat(),
        "actor": one.actor,
        "reason": one.reason,
        "state": one.state(moment),
    }


def _said(one: Grant, label: str) -> str:
    scopes = ", ".join(sorted(one.scopes))
    return f"{one.id}: {label} ({one.token}) may {scopes} in {one.school} until {one.ends:%Y-%m-%d %H:%M} UTC"


def _draw(out: Console, found: Sequence[Grant], labels: dict[str, str], moment: datetime) -> None:
    if not found:
        out.print("nothing is granted")
    for one in found:
        said = _said(one, labels.get(one.token, "?"))
        out.print(f"{plain(said)}; {one.state(moment)}; by {plain(one.actor)}: {plain(one.reason)}")
