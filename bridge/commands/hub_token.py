"""``hub token``: who may see the whole fleet at the hub, or some schools of it."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.commands import token
from bridge.commands.hub_session import hub_of
from bridge.commands.session import Mistake, Session, plain, session_of
from bridge.commands.token import Ground
from bridge.hub.settings import database
from bridge.settings.render import guess
from bridge.state import hub_sites
from bridge.state.database import Database


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Tokens of the hub's status API and dashboard.", no_args_is_help=True)
    group.command()(make)
    group.command(name="list")(listing)
    group.command()(revoke)
    app.add_typer(group, name="token")


def make(
    context: typer.Context,
    label: Annotated[str, typer.Option(help="For whom or what; sites journal it as `hub:LABEL`.")],
    scopes: Annotated[str, typer.Option(help="By commas: read, operate, approve, names.")] = "read",
    schools: Annotated[str, typer.Option(help="Codes by commas; without any: all schools.")] = "",
    expires: Annotated[str, typer.Option(help="A day (2027-01-31, its end) or a time from now (90 days).")] = "",
) -> int:
    """Make a token and print it once: it is stored nowhere."""
    session = session_of(context)
    return token.made(session, ground_of(session), label, scopes, schools, expires)


def listing(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also expired and revoked ones.")] = False,
) -> int:
    """List the tokens: whose, for what, until when, and when they were used last."""
    session = session_of(context)
    return token.listed(session, ground_of(session), everything)


def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `hub token list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")] = "",
) -> int:
    """End a token: once this is said, every request with it is refused. Takes two seconds."""
    session = session_of(context)
    return token.revoked(session, ground_of(session), name, reason)


def ground_of(session: Session) -> Ground:
    """The hub's own."""
    settings = hub_of(session)
    return Ground(
        database=lambda create: database(settings, create=create),
        school=school,
        lifetime=settings.hub.api.lifetime,
        zone=settings.hub.time_zone,
        making="schoolbridge hub token make",
        hub=True,
    )


def school(opened: Database, code: str) -> str:
    """A code that a site of the hub has. Raises Mistake."""
    if hub_sites.site_of_school(opened, code) is None:
        known = [code for one in hub_sites.sites(opened) for code in one.schools]
        raise Mistake(f'no site has a school with the code "{plain(code)}"; {guess(code, known)}')
    return code
