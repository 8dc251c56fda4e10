"""``hub``: the hub of a fleet: its keys, its sites, and the process in which they report and people look."""

from __future__ import annotations

import os
import re
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands import hub_backup, hub_configure, hub_grant, hub_report, hub_token, hub_waves
from bridge.commands.hub_session import hub_of
from bridge.commands.session import ERROR, NOTHING, Mistake, plain, session_of
from bridge.daemon.actor import actor
from bridge.hub import authority
from bridge.hub.settings import HubSettings, database, now, shown
from bridge.ports import BridgeError
from bridge.settings.render import guess
from bridge.state import hub_certificates, hub_sites
from bridge.state.hub_journal import HUB
from bridge.state.hub_sites import TICKET, Site

#: Seconds until every process of the hub has heard that a site is revoked.
_HEARD = 2.0
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The hub of a fleet of sites. Its configuration: hub.yaml.", no_args_is_help=True)
    for one in (check, init, run, enrol, assign, revoke):
        group.command()(one)
    group.command(name="sites")(listing)
    for module in (hub_token, hub_grant, hub_configure, hub_waves, hub_report, hub_backup):
        module.register(group)
    app.add_typer(group, name="hub")


def check(context: typer.Context) -> int:
    """Check hub.yaml, the keys, and whether the database can be used; nothing is changed."""
    session = session_of(context)
    settings = hub_of(session)
    findings = [_tried("keys", lambda: _keys(settings)), _tried("database", lambda: _database(settings))]
    ok = all(one["ok"] for one in findings)

    def draw(out: Console) -> None:
        out.print(f"{plain(settings.file)}: complete")
        for one in findings:
            out.print(f"  {'[green]✓[/]' if one['ok'] else '[red]✗[/]'} {one['subject']}: {plain(one['found'])}")

    session.show({"ok": ok, "findings": findings, "configuration": shown(settings)}, draw)
    return NOTHING if ok else ERROR


def _tried(subject: str, look: Any) -> dict[str, Any]:
    try:
        return {"subject": subject, "ok": True, "found": look()}
    except BridgeError as error:
        return {"subject": subject, "ok": False, "found": str(error)}


def _keys(settings: HubSettings) -> str:
    keys = authority.read(settings.kept)
    return f"authority {keys.fingerprint[:16]}…, until {keys.expires:%Y-%m-%d}"


def _database(settings: HubSettings) -> str:
    with database(settings) as opened:
        keys = authority.read(settings.kept)
        if hub_certificates.bound(opened) is not None:
            hub_certificates.bind(opened, keys.fingerprint, keys.public, keys.expires)
        return f"{len(hub_sites.sites(opened))} sites"


def init(context: typer.Context) -> int:
    """Make the hub's keys and database, once. What is there already stays as it is."""
    session = session_of(context)
    settings = hub_of(session)
    with database(settings, create=True) as opened:
        if (known := hub_certificates.bound(opened)) and not (settings.kept / authority.KEY).exists():
            raise Mistake(
                f"this database belongs to a hub that was set up already (authority {known[0][:16]}…), and its keys "
                f"are not in {plain(settings.kept)}. Copy them from where it was set up; nothing was made"
            )
        made = authority.make(settings.kept, now())
        keys = authority.read(settings.kept)
        hub_certificates.bind(opened, keys.fingerprint, keys.public, keys.expires)
    answer = {"ok": True, "made": made, "kept": str(settings.kept), "fingerprint": keys.fingerprint}

    def draw(out: Console) -> None:
        out.print(f"{'made' if made else 'there already'}: {plain(settings.kept)}")
        out.print(f"authority: {keys.fingerprint}")
        out.print("Keep a copy of this directory where nobody else can read it: without it every site enrols anew.")

    session.show(answer, draw)
    return NOTHING


def run(context: typer.Context) -> int:
    """Run the hub until SIGTERM. SIGHUP loads hub.yaml anew; a wrong one is not taken."""
    from bridge.hub import run as process  # only here: the scheduler and the server take a while to load

    session = session_of(context)
    process.serve(hub_of(session).file, verbose=session.verbose)
    return NOTHING


def enrol(
    context: typer.Context,
    site: Annotated[str, typer.Argument(help="Name of the site: letters, digits, . _ and -.")],
    school: Annotated[list[str] | None, typer.Option(help="Code of a school of it; may be said several times.")] = None,
    label: Annotated[str, typer.Option(help="What people call the site.")] = "",
    file: Annotated[Path | None, typer.Option(help="Write the ticket into this new file, mode 0600.")] = None,
) -> int:
    """Invite a site: print the ticket with which it enrols, once. It is good once, for seven days."""
    session = session_of(context)
    settings = hub_of(session)
    _named(site, "site")
    codes = [_named(code, "school") for code in school or []]
    if len(label) > 100 or not label.isprintable():
        raise Mistake("--label takes up to 100 letters")
    keys = authority.read(settings.kept)
    with database(settings) as opened, _Ticket(file) as ticket:
        known = {one.name: one for one in hub_sites.sites(opened)}.get(site)
        if known is None and not codes:
            raise Mistake(f"the site {plain(site)} is new: say which schools it has, --school CODE")
        secret = hub_sites.invite(opened, site, schools=codes, label=label, actor=actor())
        text = f"{site}.{secret}.{keys.fingerprint}"
        ticket.write(text)
    again = known is not None and known.state(now()) == "enrolled"
    answer = {"ok": True, "site": site, "ticket": None if file else text, "file": str(file) if file else None}

    def draw(out: Console) -> None:
        if file is None:
            out.print(text, markup=False)
        session.err.print(
            f"The ticket {f'is in {plain(file)}; it ' if file else ''}is good once, for {TICKET.days} days, and is "
            f"stored nowhere else. At the site: schoolbridge uplink enrol"
        )
        if again:
            session.err.print(f"{plain(site)} is enrolled already: when this ticket is used, its old certificate ends.")

    session.show(answer, draw)
    return NOTHING


class _Ticket:
    """The file for a ticket: made before anything is changed, gone where that fails."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> _Ticket:
        if self._path is not None:
            try:
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except OSError as error:
                raise Mistake(
                    f"--file {plain(self._path)}: {error.strerror}. Name a file that is not there yet"
                ) from None
        return self

    def write(self, text: str) -> None:
        if self._path is not None:
            self._path.write_text(text + "\n", "utf-8")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None and self._path is not None:
            self._path.unlink(missing_ok=True)


def assign(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="The school's code.")],
    site: Annotated[str, typer.Argument(help="The site that looks after it from now on.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")],
) -> int:
    """Give a school to a site, also one that another site had. What the old one is asked for it is withdrawn."""
    session = session_of(context)
    _named(school, "school")
    _reasoned(reason)
    with database(hub_of(session)) as opened:
        before = hub_sites.assign(opened, school, site, actor=actor(), reason=reason.strip())
    answer = {"ok": True, "school": school, "site": site, "before": before}
    came = f", before {plain(before)}" if before and before != site else ""
    session.show(answer, lambda out: out.print(f"{plain(school)}: site {plain(site)}{came}"))
    return NOTHING


def revoke(
    context: typer.Context,
    site: Annotated[str, typer.Argument(help="Name of the site.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")],
) -> int:
    """Let a site in no more: once this is said, every request of it is refused. Takes two seconds."""
    session = session_of(context)
    _reasoned(reason)
    with database(hub_of(session)) as opened:
        if not hub_sites.revoke(opened, site, actor=actor(), reason=reason.strip()):
            known = [one.name for one in hub_sites.sites(opened)]
            raise Mistake(f'no site is called "{plain(site)}"; {guess(site, known)}')
    sleep(_HEARD)
    session.show({"ok": True, "site": site}, lambda out: out.print(f"{plain(site)} is revoked"))
    return NOTHING


def listing(context: typer.Context) -> int:
    """List the sites: when each was heard last, its schools, its certificate, its clock, its version."""
    session = session_of(context)
    moment = now()
    with database(hub_of(session)) as opened:
        found = hub_sites.sites(opened)

    def draw(out: Console) -> None:
        if not found:
            out.print("no sites; invite one with: schoolbridge hub enrol SITE --school CODE")
        for one in found:
            out.print(f"[bold]{plain(one.name)}[/] {plain(one.label)}: {one.state(moment)}; {plain(_said(one))}")

    session.show({"sites": [_tree(one) for one in found]}, draw)
    return NOTHING


def _said(one: Site) -> str:
    parts = [
        f"schools {', '.join(one.schools) or 'none'}",
        f"heard {one.heard:%Y-%m-%d %H:%M:%S} UTC" if one.heard else "never heard",
    ]
    if one.expires is not None:
        parts.append(f"certificate until {one.expires:%Y-%m-%d}")
    if abs(one.ahead) >= 60:
        parts.append(f"its clock is {abs(one.ahead):.0f} s {'ahead' if one.ahead > 0 else 'behind'}")
    if one.version:
        parts.append(f"version {one.version}")
    if one.missing:
        parts.append(f"{one.missing} messages are lost")
    return "; ".join(parts)


def _tree(one: Site) -> dict[str, Any]:
    def moment(at: Any) -> str | None:
        return at.isoformat() if at else None

    return {
        "site": one.name, "label": one.label, "schools": list(one.schools), "state": one.state(now()),
        "heard": moment(one.heard), "certificate_expires": moment(one.expires), "ahead_seconds": round(one.ahead, 3),
        "version": one.version, "missing": one.missing, "epoch": one.epoch, "applied": one.seq,
        "revoked": moment(one.revoked), "made": moment(one.made),
    }  # fmt: skip


def _named(text: str, what: str) -> str:
    if not _CODE.fullmatch(text) or (what == "school" and text == HUB):
        raise Mistake(f'"{plain(text)}" is no {what}: 1 to 32 letters, digits, . _ and -; no school is called "{HUB}"')
    return text


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise Mistake("--reason is empty: write why, for who reads the journal later")
