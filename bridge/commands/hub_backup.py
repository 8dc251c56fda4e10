"""``hub backup`` and ``hub restore-state``: the hub's database, keys and configuration in one directory, and back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import typer
from rich.console import Console
from sqlalchemy import make_url

from bridge.commands.backup import From, To, described, in_the_way, read, show, written
from bridge.commands.hub_session import hub_of
from bridge.commands.session import NOTHING, Mistake, plain, session_of
from bridge.hub import authority
from bridge.hub.settings import HubSettings, database, now
from bridge.ports import ConfigurationError
from bridge.state import backup as copies

_KEYS = (authority.KEY, authority.CERTIFICATE, authority.ORDERS)
_CONFIGURATION = "configuration/hub.yaml"


def register(app: typer.Typer) -> None:
    """Add the commands to those of the hub."""
    app.command(name="backup")(backup)
    app.command(name="restore-state")(restore_state)


def backup(context: typer.Context, to: To) -> int:
    """Back up the database, the keys and hub.yaml, also while the hub runs. Whoever has it can speak as the hub."""
    session = session_of(context)
    settings = hub_of(session)
    authority.read(settings.kept)  # keys that can't be used are no backup
    files = {name: settings.kept / name for name in _KEYS} | {_CONFIGURATION: settings.file}
    with database(settings) as opened:
        manifest = described("hub", opened, {})
        target = written(to, manifest, state=opened.path, files=files)
    return show(session, target, manifest, url=settings.state_url)


def restore_state(context: typer.Context, source: From) -> int:
    """Put the hub's database back, and keys that are lost. Every process of the hub has to be stopped before."""
    session = session_of(context)
    settings = hub_of(session)
    manifest = read(source, what="hub", url=settings.state_url)
    _ours(settings, source)
    place = Path(str(make_url(settings.state_url).database)) if copies.STATE in manifest.files else None
    if place is not None:
        _unused(place)
    stamp, old = now().strftime("%Y%m%dT%H%M%S"), None
    try:
        settings.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = copies.give(source, {name: settings.kept / name for name in _KEYS}, stamp=stamp)
        if place is not None:
            with copies.drafted(source, place) as draft:
                old = copies.put_in_place(draft, place, stamp=stamp)
    except OSError as error:
        raise in_the_way(error, settings.kept) from None
    tree = {"ok": True, "made": manifest.made, "kept": str(old) if old else None, "files": files}

    def told(out: Console) -> None:
        out.print(f"put back: the hub of {plain(manifest.made)}")
        if old is not None:
            out.print(f"  what was there lies in {plain(old)}")
        out.print("  the sites tell their newest states by themselves. What happened after the backup is only counted")
        out.print("  Do again what was done after it: sites enrolled, assigned or revoked, tokens and grants revoked")

    session.show(tree, told)
    return NOTHING


def _ours(settings: HubSettings, source: Path) -> None:
    """Another hub's database with these keys would trust sites that were never enrolled here."""
    for name in _KEYS:
        here = settings.kept / name
        if here.exists() and here.read_bytes() != (source / name).read_bytes():
            raise Mistake(
                f"{source} is the backup of another hub: its {name} is another one than {here}. Nothing was changed. "
                f"Name one of this hub's own"
            )


def _unused(place: Path) -> None:
    """A process that has the old file open would go on writing it, where nobody reads it any more."""
    if not place.exists():
        return
    try:
        with closing(sqlite3.connect(place, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            return
        raise ConfigurationError(
            f"{place} is in use. Expected: no process of this hub runs. Stop them (systemctl stop schoolbridge-hub)"
        ) from None
    except sqlite3.DatabaseError:
        return  # it is damaged: that is why one restores
