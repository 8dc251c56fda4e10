"""``token``: who may look into the status API and the dashboard, and what they may do there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from time import sleep
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from bridge.commands.session import NOTHING, Mistake, Session, plain, session_of
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.settings.api import LONGEST
from bridge.settings.render import guess
from bridge.settings.words import duration
from bridge.state import tokens
from bridge.state.database import Database
from bridge.state.tokens import HUB_SCOPES, SCOPES, Token


@dataclass(frozen=True, slots=True)
class Ground:
    """Whose tokens they are. ``database(create)`` opens the state; ``school`` checks a code that somebody typed."""

    database: Callable[[bool], AbstractContextManager[Database]]
    school: Callable[[Database, str], str]
    lifetime: timedelta
    zone: str
    making: str = "schoolbridge token make"
    hub: bool = False


def ground_of(session: Session) -> Ground:
    """A bridge's own."""
    return Ground(
        database=lambda create: wiring.database(session.settings, create=create),
        school=lambda _, code: session.school(code).code,
        lifetime=session.settings.bridge.api.lifetime,
        zone=session.settings.bridge.time_zone,
    )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Tokens of the status API and the dashboard.", no_args_is_help=True)
    group.command()(make)
    group.command(name="list")(listing)
    group.command()(revoke)
    app.add_typer(group, name="token")


def make(
    context: typer.Context,
    label: Annotated[str, typer.Option(help="For whom or what; it stands in the journal as `api:LABEL`.")],
    scopes: Annotated[str, typer.Option(help="By commas: read, operate, approve, names, passwords.")] = "read",
    schools: Annotated[str, typer.Option(help="Codes by commas; without any: all schools.")] = "",
    expires: Annotated[str, typer.Option(help="A day (2027-01-31, its end) or a time from now (90 days).")] = "",
) -> int:
    """Make a token and print it once: it is stored nowhere."""
    return made(session_of(context), ground_of(session_of(context)), label, scopes, schools, expires)


def made(session: Session, ground: Ground, label: str, scopes: str, schools: str, expires: str) -> int:
    """Make a token of a bridge or of a hub, and print it."""
    name = label.strip()
    if not re.fullmatch(r"[\w .@-]{1,64}", name):
        raise Mistake("--label takes 1 to 64 letters, digits, blanks, . _ @ and -")
    wanted = _words(scopes)
    known = HUB_SCOPES if ground.hub else SCOPES
    for one in wanted:
        if one not in known:
            raise Mistake(f'no scope is called "{plain(one)}"; {guess(one, known)}')
    if not wanted:
        raise Mistake(f"say which --scopes: {', '.join(known)}")
    with ground.database(True) as database:
        codes = [ground.school(database, one) for one in _words(schools)]
        end = _end(ground, expires)
        token, text = tokens.make(
            database, label=name, scopes=wanted, schools=codes, expires=end, actor=actor(), hub=ground.hub
        )
    answer = {"ok": True, "token": text, **_tree(token, wiring.now())}

    def draw(out: Console) -> None:
        out.print(text, markup=False)
        session.err.print(f"{plain(_said(token))}. It is shown this once and stored nowhere; keep it like a password.")

    session.show(answer, draw)
    return NOTHING


def listing(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also expired and revoked ones.")] = False,
) -> int:
    """List the tokens: whose, for what, until when, and when they were used last."""
    return listed(session_of(context), ground_of(session_of(context)), everything)


def listed(session: Session, ground: Ground, everything: bool) -> int:
    """List the tokens of a bridge or of a hub."""
    now = wiring.now()
    with ground.database(False) as database:
        found = [one for one in tokens.listed(database) if everything or one.state(now) == "valid"]
    session.show({"tokens": [_tree(one, now) for one in found]}, lambda out: _draw(out, found, now, ground))
    return NOTHING


def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `token list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
) -> int:
    """End a token: once this is said, every request with it is refused. Takes two seconds."""
    return revoked(session_of(context), ground_of(session_of(context)), name, reason)


def revoked(session: Session, ground: Ground, name: str, reason: str) -> int:
    """End a token of a bridge or of a hub."""
    with ground.database(False) as database:
        found = tokens.revoke(database, name, actor=actor(), reason=reason, hub=ground.hub)
        if found is None:
            known = [one.id for one in tokens.listed(database)]
            raise Mistake(f'no token has the id "{plain(name)}"; {guess(name, known)}')
    sleep(tokens.TRUSTED)  # until then a daemon may still answer whoever used it just before
    answer = {"ok": True, **_tree(found, wiring.now())}
    session.show(answer, lambda out: out.print(f"{plain(found.id)} ({plain(found.label)}) is revoked"))
    return NOTHING


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _end(ground: Ground, text: str) -> datetime:
    """When a token ends: what was said, or the configured lifetime."""
    now = wiring.now()
    if not text:
        return now + ground.lifetime
    try:
        zone = ZoneInfo(ground.zone)
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(0), zone)
    except ValueError:
        try:
            end = now + duration(text)
        except ValueError:
            raise Mistake(f"--expires {plain(text)}: write a day like 2027-01-31, or a time like `90 days`") from None
    if not now < end <= now + LONGEST:
        raise Mistake(f"--expires {plain(text)}: it is over, or more than two years ahead")
    return end


def _tree(one: Token, now: datetime) -> dict[str, Any]:
    return {
        "id": one.id,
        "label": one.label,
        "scopes": sorted(one.scopes),
        "schools": sorted(one.schools),
        "made": one.made.isoformat(),
        "expires": one.expires.isoformat(),
        "used": one.used.isoformat() if one.used else None,
        "state": one.state(now),
    }


def _said(one: Token) -> str:
    schools = f"the schools {', '.join(sorted(one.schools))}" if one.schools else "all schools"
    scopes, until = ", ".join(sorted(one.scopes)), f"{one.expires:%Y-%m-%d %H:%M} UTC"
    return f"{one.id} for {one.label}: {scopes} of {schools}, until {until}"


def _draw(out: Console, found: Sequence[Token], now: datetime, ground: Ground) -> None:
    if not found:
        out.print(f"no tokens; make one with: {ground.making} --label ... --scopes read")
    for one in found:
        used = f"used {one.used:%Y-%m-%d}" if one.used else "never used"
        out.print(f"[bold]{one.id}[/] {plain(_said(one).partition(' for ')[2])}; {used}; {one.state(now)}")
