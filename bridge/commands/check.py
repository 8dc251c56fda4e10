"""``check``: is the configuration right, and (``--online``) do both sides of every school answer as they should?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.session import ERROR, NOTHING, Session, plain, session_of
from bridge.core.model import Side
from bridge.daemon import machines, samba_shares, sending, wiring
from bridge.ports import BridgeError, Finding
from bridge.settings import School, shown

MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]![/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    context: typer.Context,
    school: Annotated[str | None, typer.Option(help="Only this school (its code).")] = None,
    online: Annotated[bool, typer.Option("--online", help="Probe both sides, read-only.")] = False,
) -> int:
    """Check the configuration; with --online also certificates, rights, scope, domains, licences and clocks."""
    session = session_of(context)
    schools = session.schools(school)
    findings = asyncio.run(_probe(session, schools, online=online))
    told = _told(session) if school is None else []
    ok = all(finding.ok is not False for found in (*findings.values(), told) for finding in found)
    answer: dict[str, Any] = {
        "ok": ok,
        "online": online,
        "findings": {code: [asdict(finding) for finding in found] for code, found in findings.items()},
        "notify": [asdict(finding) for finding in told],
        "configuration": shown(session.settings),
    }
    session.show(answer, lambda out: _draw(out, session, schools, findings, told))
    return NOTHING if ok else ERROR


def _told(session: Session) -> list[Finding]:
    """Whether those can be told who are to be: their URLs can be read and used. Nothing is sent."""
    findings = []
    for one in session.settings.bridge.notify:
        subject = f"notify {one.name}"
        try:
            sending.check(session.settings, one)
        except BridgeError as error:
            findings.append(Finding(subject, False, str(error), "see what the message says"))
        else:
            remedy = f"try it: schoolbridge notify test {one.name}"
            findings.append(Finding(subject, True, "its URL can be used", remedy))
    return findings


async def _probe(session: Session, schools: Sequence[School], *, online: bool) -> dict[str, list[Finding]]:
    found = {}
    for school in schools:
        mine = await _probe_school(session, school) if online else await _assemble(session, school)
        warning = machines.tied(session.settings, school)
        found[school.code] = [*mine, *([warning] if warning else ()), *samba_shares.findings(school)]
    return found


async def _assemble(session: Session, school: School) -> list[Finding]:
    """Read the secrets and throw them away; make both connectors, which opens no connection yet."""
    findings = []
    for side in Side:
        try:
            for reference in wiring.references(school.sides[side].options):
                wiring.secret(session.settings, reference)
            async with wiring.connected(session.settings, session.catalog, school, side):
                pass
        except BridgeError as error:
            findings.append(Finding(f"{side} side", False, str(error), "see what the message says"))
    return findings or [Finding("configuration", True, f"{school.name}: complete, its secrets can be read")]


async def _probe_school(session: Session, school: School) -> list[Finding]:
    findings = []
    for side in Side:
        prefix = f"{side} side"
        try:
            async with wiring.connected(session.settings, session.catalog, school, side) as connector:
                try:
                    identity = await connector.identify()
                    findings.append(Finding(f"{prefix}: identity", True, identity.description))
                except BridgeError as error:
                    findings.append(Finding(f"{prefix}: identity", False, str(error), "see what the message says"))
                found = await connector.check()
                findings += [replace(one, subject=f"{prefix}: {one.subject}") for one in found]
        except BridgeError as error:
            findings.append(Finding(prefix, False, str(error), "see what the message says"))
    return findings


def _draw(
    out: Console,
    session: Session,
    schools: Sequence[School],
    findings: dict[str, list[Finding]],
    told: Sequence[Finding],
) -> None:
    out.print(f"{plain(session.config)}: {len(schools)} school{'s' if len(schools) != 1 else ''}")
    for finding in told:
        _draw_finding(out, finding)
    for school in schools:
        out.print(f"[bold]{plain(school.code)}[/] {plain(school.name)}")
        for finding in findings[school.code]:
            _draw_finding(out, finding)


def _draw_finding(out: Console, finding: Finding) -> None:
    out.print(f"  {MARKS[finding.ok]} {plain(finding.subject)}: {plain(finding.found)}")
    if finding.ok is not True and finding.remedy:
        out.print(f"    → {plain(finding.remedy)}")
