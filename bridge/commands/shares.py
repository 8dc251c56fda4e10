"""``schoolbridge shares``: how each folder of the shares is, and which files could not be mirrored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from bridge.commands.rights import show_rights
from bridge.commands.session import NOTHING, Mistake, Session, plain, session_of
from bridge.core.model import Side
from bridge.daemon import board, wiring
from bridge.daemon.plain_words import words
from bridge.daemon.progress import Progress
from bridge.daemon.root_states import RootState, State, sending, states
from bridge.daemon.roots import roots_of
from bridge.daemon.status import progress_of
from bridge.settings import School
from bridge.settings.render import guess
from bridge.state.database import Database
from bridge.state.owners import Owner, owners
from bridge.state.root_counts import RootCounts, counted, path_of
from bridge.state.roots import BETWEEN, held_in_roots

#: Files that a report names; the rest is counted.
REPORTED = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One root as it is shown. ``owner`` is the link of the person or group."""

    school: str
    share: str
    owner: str
    state: RootState
    counts: RootCounts
    progress: Mapping[str, Any]

    def tree(self) -> dict[str, Any]:
        """As JSON."""
        numbers = {f"{side}:{kind}": number for (side, kind), number in sorted(self.counts.records.items())}
        return {
            "school": self.school,
            "share": self.share,
            "owner": self.owner,
            "state": self.state.state.value,
            "since": self.state.since,
            "why": self.state.why,
            "doing": self.state.doing,
            "progress": dict(self.progress),
            "records": numbers,
            "held": self.counts.held,
            "waiting": self.counts.waits,
            "conflicts": self.counts.conflicts,
            "rules": dict(self.counts.rules),
        }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(shares)


def shares(
    context: typer.Context,
    school: Annotated[str | None, typer.Argument(help="The school's code; without it all of them.")] = None,
    share: Annotated[str | None, typer.Option(help="Only this share.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner: link, login or name.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also the folders that are in step.")] = False,
    report: Annotated[
        bool, typer.Option(help="Files that could not be mirrored, with names and reasons for teachers.")
    ] = False,
    rights: Annotated[
        bool, typer.Option(help="Who may get at each folder, and which permissions can't be carried over.")
    ] = False,
) -> int:
    """Show per share and folder: in step, at work, waiting or standing still, since when and why, and what is held."""
    session = session_of(context)
    schools = session.schools(school)
    if share is not None:
        _known_share(schools, share)
    with wiring.database(session.settings, create=False) as database:
        chosen = {one.code: _owners(database, one, owner) for one in schools}
        if owner is not None and not any(chosen.values()):
            known = (name for one in schools for name in _names(database, one))
            raise Mistake(f'nobody with a folder is called "{plain(owner)}"; {guess(owner, known)}')
        if rights:
            called = {one.link: one.login or one.name for school_ in schools for one in _everybody(database, school_)}
            only = chosen if owner else None
            return show_rights(session, database, schools, share=share, chosen=only, called=called)
        if report:
            return _report(session, database, schools, share=share, chosen=chosen if owner else None)
        rows = [
            row
            for one in schools
            for row in _rows(session, database, one)
            if share in (None, row.share) and (owner is None or row.owner in chosen[one.code])
        ]
    running, now = board.running(session.settings.runtime), wiring.now()
    far = _far(session, schools, share, now=now)
    answer = {
        "daemon": running,
        "shares": [{"school": code, "share": name, "progress": one.tree(now)} for (code, name), one in far.items()],
        "roots": [row.tree() for row in rows],
    }
    lines = {key: one.text(now) for key, one in far.items()}
    listed = everything or owner is not None
    session.show(answer, lambda out: _draw(out, rows, running=running, everything=listed, lines=lines))
    return NOTHING


def _far(
    session: Session, schools: tuple[School, ...], share: str | None, *, now: datetime
) -> dict[tuple[str, str], Progress]:
    """School's code and share -> how far its files are."""
    told = _told(session)
    return {
        (one.code, name): progress
        for one in schools
        for name, progress in progress_of(session.settings, one, told.get(one.code, {}), now=now)[1].items()
        if share in (None, name)
    }


def _told(session: Session) -> Mapping[str, Any]:
    """School's code -> what the daemon that runs tells of it."""
    runtime = session.settings.runtime
    schools: Mapping[str, Any] = ((board.read(runtime) or {}) if board.running(runtime) else {}).get("schools", {})
    return schools


def _known_share(schools: tuple[School, ...], name: str) -> None:
    known = {one.name for school in schools for one in school.shares}
    if name not in known:
        raise Mistake(f'no share is called "{plain(name)}"; {guess(name, known) if known else "there are none"}')


def _everybody(database: Database, school: School) -> Iterator[Owner]:
    for kind in {one.owner for one in school.shares}:
        yield from owners(database, school.code, kind)


def _names(database: Database, school: School) -> Iterator[str]:
    for one in _everybody(database, school):
        yield from filter(None, (one.login, one.name, one.link))


def _owners(database: Database, school: School, wanted: str | None) -> frozenset[str]:
    """Links of whom somebody means: whole link, login or name, in any case."""
    if wanted is None:
        return frozenset()
    folded = wanted.casefold()
    return frozenset(
        one.link
        for one in _everybody(database, school)
        if folded in (one.link.casefold(), one.login.casefold(), one.name.casefold())
    )


def _rows(session: Session, database: Database, school: School) -> Iterator[Row]:
    """All roots of a school, those that the configuration has now, in the order of shares and owners."""
    shown: Mapping[str, Any] = _told(session).get(school.code, {}).get("shares", {})
    counts = counted(database, school.code)
    found = roots_of(school, database)
    for share in school.shares:
        named = dict(states(shown.get(share.name, {})))
        mine = {root.owner: code for code, root in found.roots.items() if root.share == share.name}
        unfit = {owner: why for (name, owner), why in found.unfit.items() if name == share.name}
        for owner in sorted({*mine, *unfit}):
            count = counts.get(mine.get(owner, ""), RootCounts())
            if owner in unfit:
                state = RootState(State.NO_FOLDER, why=unfit[owner])
            elif share.name not in shown:
                state = RootState(State.UNKNOWN, why="no daemon runs that would know")
            else:
                state = named.get(owner) or RootState(State.IN_STEP)
            far = sending(shown.get(share.name, {}), owner)
            yield Row(school.code, share.name, owner, state, count, far)


def _draw(
    out: Console, rows: list[Row], *, running: bool, everything: bool, lines: Mapping[tuple[str, str], str]
) -> None:
    if not running:
        out.print("[yellow]no daemon runs[/]: what follows is what the state remembers")
    if not rows:
        out.print("no share has a folder")
    for name in dict.fromkeys((row.school, row.share) for row in rows):
        mine = [row for row in rows if (row.school, row.share) == name]
        number = Counter(row.state.state for row in mine)
        listed = ", ".join(f"{number[state]} {state}" for state in State if number[state])
        held, waits, both = (
            sum(row.counts.held for row in mine),
            sum(row.counts.waits for row in mine),
            sum(row.counts.conflicts for row in mine),
        )
        files = sum(row.counts.records["school", "file"] for row in mine)
        folders = sum(row.counts.records["school", "folder"] for row in mine)
        out.print(f"[bold]{plain(name[0])} {plain(name[1])}[/]: {len(mine)} owners ({listed})")
        out.print(f"  {files} files and {folders} folders; {held} held, {waits} wait, {both} conflicts")
        if lines.get(name):
            out.print(f"  {plain(lines[name])}")
        for row in mine:
            if everything or row.state.state is not State.IN_STEP or row.counts.held or row.counts.conflicts:
                _draw_row(out, row)


def _draw_row(out: Console, row: Row) -> None:
    counts, state = row.counts, row.state
    since = f" since {plain(state.since)}" if state.since else ""
    parts = [f"{counts.records['school', 'file']} files, {counts.records['school', 'folder']} folders"]
    cloud = counts.records["cloud", "file"]
    if cloud != counts.records["school", "file"]:
        parts.append(f"{cloud} files in the cloud")
    for number, what in ((counts.held, "held"), (counts.waits, "wait"), (counts.conflicts, "conflicts")):
        if number:
            parts.append(f"{number} {what}")
    unread = [side.value for side in Side if side not in counts.read]
    if unread and state.state is not State.NO_FOLDER:
        parts.append(f"never read to its end: {', '.join(unread)}")
    out.print(f"  {plain(row.owner)}: {state.state}{since}; {'; '.join(parts)}")
    far = Progress(**row.progress).amounts() if row.progress["files"] < row.progress["files_total"] else ""
    for text in filter(None, (state.doing, far, state.why)):
        out.print(f"    {plain(text)}")


# --- the report for teachers ------------------------------------------------------------------------------------------


def _report(
    session: Session,
    database: Database,
    schools: tuple[School, ...],
    *,
    share: str | None,
    chosen: Mapping[str, frozenset[str]] | None,
) -> int:
    found: list[dict[str, str]] = []
    for school in schools:
        called = {one.link: one.login or one.name for one in _everybody(database, school)}
        for code, trouble in held_in_roots(database, school.code, limit=REPORTED):
            _, of, owner = code.split(BETWEEN, 2)
            if share not in (None, of) or (chosen is not None and owner not in chosen[school.code]):
                continue
            found.append(
                {
                    "school": school.code,
                    "share": of,
                    "owner": called.get(owner) or owner,
                    "path": path_of(database, code, trouble.link) or trouble.link,
                    "kind": trouble.kind,
                    "rule": trouble.rule,
                    "reason": words(trouble.rule, school.language),
                    "message": trouble.message,
                    "since": trouble.since.isoformat(),
                }
            )
    found.sort(key=lambda one: (one["school"], one["share"], one["owner"], one["path"]))
    german = all(school.language == "de" for school in schools)
    session.show({"report": found}, lambda out: _draw_report(out, found, german=german))
    return NOTHING


def _draw_report(out: Console, found: list[dict[str, str]], *, german: bool) -> None:
    if not found:
        out.print("Alle Dateien sind auf beiden Seiten." if german else "All files are on both sides.")
    owner: tuple[str, str] | None = None
    for one in found:
        if owner != (one["share"], one["owner"]):
            owner = (one["share"], one["owner"])
            out.print(f"[bold]{plain(one['owner'])}[/] ({plain(one['share'])})")
        since = "seit" if german else "since"
        out.print(f"  {plain(one['path'])} ({since} {one['since'][:10]})")
        out.print(f"    {plain(one['reason'])}")
