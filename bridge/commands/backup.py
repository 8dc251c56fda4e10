"""``backup``: the state, keys and configuration of a site in one directory. ``restore-state``: the way back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy import make_url, select
from sqlalchemy.exc import SQLAlchemyError

from bridge import __version__
from bridge.commands.session import NOTHING, Mistake, Session, plain, session_of
from bridge.daemon import board, wiring
from bridge.daemon.actor import actor
from bridge.daemon.signing import FILE as SIGNING
from bridge.ports import ConfigurationError
from bridge.settings import Settings
from bridge.state import backup as copies
from bridge.state import restored
from bridge.state.backup import Manifest
from bridge.state.database import Database, open_database
from bridge.state.lock import file_lock
from bridge.state.reserved import FILE as NAMES
from bridge.state.tables import REVISION, binding, school

#: Below the directory of keys: single files, and directories as they are.
_FILES, _FOLDERS = (NAMES, SIGNING), ("hub", "schools-from-hub", "reports")
_CONFIGURATION = "configuration"

To = Annotated[Path, typer.Argument(help="A directory that is not there yet, or one to put it into.")]
From = Annotated[Path, typer.Argument(metavar="FROM", help="The directory of a backup.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="backup")(backup)
    app.command(name="restore-state")(restore_state)


# --- there ------------------------------------------------------------------------------------------------------------


def backup(context: typer.Context, to: To) -> int:
    """Back up the state, the keys and the configuration, also while the daemon runs. Secrets are not in it."""
    session = session_of(context)
    settings = session.settings
    with wiring.database(settings, create=False) as database:
        manifest = described("site", database, told(database))
        files = {**_kept(settings), **_configuration(settings)}
        target = written(to, manifest, state=database.path, files=files)
    return show(session, target, manifest, url=settings.state_url)


def described(what: str, database: Database, whose: Mapping[str, Any]) -> Manifest:
    """The manifest of a backup that is taken now."""
    kind = "sqlite" if database.path is not None else "postgresql"
    return Manifest(what, wiring.now().isoformat(timespec="seconds"), __version__, REVISION, kind, whose)


def written(to: Path, manifest: Manifest, *, state: Path | None, files: Mapping[str, Path]) -> Path:
    """Take the backup; where it lies. A directory that is there gets one of its own inside. Raises Mistake."""
    name = f"schoolbridge-{manifest.what}-{manifest.made[:19].replace(':', '')}"
    target = (to / name if to.is_dir() else to).absolute()
    try:
        copies.take(target, manifest, state=state, files=files)
    except OSError as error:
        raise Mistake(
            f"no backup was written to {target}: {error.filename or ''} {error.strerror}. Expected: a directory that "
            f"this account may write, with room for the state, and no {target.name} in it yet"
        ) from None
    return target


def show(session: Session, target: Path, manifest: Manifest, *, url: str) -> int:
    """Tell what was written, and what is left to do."""

    def draw(out: Console) -> None:
        out.print(f"backed up to {plain(target)}, for this account only")
        if manifest.database == "postgresql":
            # Its tools take this address without our driver, and ask for the password.
            address = make_url(url).set(drivername="postgresql", password=None).render_as_string()
            out.print("  the database is PostgreSQL's: back it up by its own means, now, beside it:")
            out.print(
                f"  pg_dump --format=custom --file={plain(target / 'state.dump')} {plain(address)}", soft_wrap=True
            )
        out.print("  it holds what the state holds of people, and the keys, but no secret of the configuration: keep")
        out.print("  those elsewhere, and this where nobody else can read it")

    tree = {"ok": True, "backup": str(target), "database": manifest.database, "made": manifest.made}
    session.show(tree, draw)
    return NOTHING


def told(database: Database) -> dict[str, Any]:
    """Whose backup it is: the schools, how far they are, and to which servers they are bound (hashed)."""
    with database.read() as connection:
        rows = connection.execute(select(school.c.code, school.c.stage, school.c.journal_seq)).all()
        bound = connection.execute(select(binding.c.school, binding.c.side, binding.c.identity)).all()
    schools = {one.code: {"stage": one.stage, "journal": one.journal_seq} for one in rows if "/" not in one.code}
    marks: dict[str, dict[str, str]] = {}
    for one in bound:
        if one.school in schools:
            digest = hashlib.sha256(f"{one.school}\0{one.side}\0{one.identity}".encode()).hexdigest()
            marks.setdefault(one.school, {})[one.side] = digest[:32]
    return {"schools": schools, "bound": marks}


def _kept(settings: Settings) -> dict[str, Path]:
    """Name in the backup -> file, of all that lies beside the state and can't be made again."""
    found = {name: settings.kept / name for name in _FILES if (settings.kept / name).is_file()}
    for folder in _FOLDERS:
        for one in sorted((settings.kept / folder).rglob("*")):
            if one.is_file():
                found[str(one.relative_to(settings.kept))] = one
    return found


def _configuration(settings: Settings) -> dict[str, Path]:
    files = {settings.file.name: settings.file}
    folder = settings.file.parent / settings.bridge.schools
    files |= {f"schools/{one.name}": one for one in sorted(folder.glob("*.yaml"))}
    return {f"{_CONFIGURATION}/{name}": one for name, one in files.items() if one.is_file()}


# --- and back ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Returned:
    """What was put back. ``old``: where the state lies that was there; ``differs``: files of the configuration."""

    schools: Sequence[str]
    old: Path | None = None
    files: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)


def restore_state(
    context: typer.Context,
    source: From,
    reason: Annotated[str, typer.Option(help="Why; goes into the journal.")],
) -> int:
    """Put the state and the keys back from a backup. What is there is kept; nothing is deleted until you end that."""
    session = session_of(context)
    settings = session.settings
    if not reason.strip():
        raise Mistake("say why with --reason: it goes into the journal")
    manifest = read(source, what="site", url=settings.state_url)
    why = f"{reason.strip()} (backup of {manifest.made})"
    board.prepare(settings.runtime)
    with alone(settings, manifest):
        _ours(settings, manifest, source)
        done = _put_back(settings, manifest, source, why)
    tree = {
        "ok": True, "schools": done.schools, "kept": str(done.old) if done.old else None, "files": done.files,
        "configuration_differs": done.differs,
    }  # fmt: skip
    session.show(tree, lambda out: _draw_back(out, done, manifest))
    return NOTHING


def read(source: Path, *, what: str, url: str) -> Manifest:
    """The manifest of a backup, all of it checked, of a database like the one in use. Raises ConfigurationError."""
    manifest = copies.read(source, what=what)
    kind = make_url(url).get_backend_name()
    if manifest.database != kind:
        raise Mistake(f"{source} is of a {what} in {manifest.database}, but state.url says {kind}. Name another backup")
    return manifest


def in_the_way(error: OSError, folder: Path) -> Mistake:
    """Nothing could be written, so the old database is where it was."""
    return Mistake(
        f"{error.filename or folder}: {error.strerror}. The state is the one that was there. Expected: room for it "
        f"once more, and directories that this account may write"
    )


@contextmanager
def alone(settings: Settings, manifest: Manifest) -> Iterator[None]:
    """While no daemon runs, and no other command works at one of the schools."""
    url = make_url(settings.state_url)
    with ExitStack() as stack:
        stack.enter_context(board.occupied(settings.runtime))
        if url.get_backend_name() == "sqlite" and url.database:
            for code in manifest.told["schools"]:
                stack.enter_context(file_lock(Path(url.database), code))
        yield


def _ours(settings: Settings, manifest: Manifest, source: Path) -> None:
    """Refuse the backup of another bridge, by its schools and by the servers that they are bound to."""
    mine = {one.code for one in settings.schools}
    if not mine & set(manifest.told["schools"]):
        raise Mistake(
            f"{source} is the backup of another bridge: it knows {', '.join(manifest.told['schools']) or 'no school'}, "
            f"this one has {', '.join(sorted(mine))}. Nothing was changed. Name one of this bridge's own"
        )
    now: Mapping[str, Mapping[str, str]] = {}
    # A state that is lost or damaged is why one restores.
    with suppress(ConfigurationError, SQLAlchemyError), wiring.database(settings, create=False) as database:
        now = told(database)["bound"]
    for code, sides in manifest.told["bound"].items():
        for side, mark in sides.items():
            if now.get(code, {}).get(side, mark) != mark:
                raise Mistake(
                    f"{source} is the backup of another bridge: its school {code} is bound to another {side} server "
                    f"than here. Nothing was changed. Name one of this bridge's own"
                )


def _put_back(settings: Settings, manifest: Manifest, source: Path, why: str) -> Returned:
    stamp = wiring.now().strftime("%Y%m%dT%H%M%S")
    codes = list(manifest.told["schools"])
    done = Returned(codes)
    places = {name: settings.kept / name for name in manifest.files if not name.startswith(f"{_CONFIGURATION}/")}
    places.pop(copies.STATE, None)
    try:
        if copies.STATE in manifest.files:
            place = Path(str(make_url(settings.state_url).database))
            with copies.drafted(source, place) as draft:
                _note(f"sqlite:///{draft}", codes, why)  # before it is in place: nobody may ever open it without that
                done.files = copies.give(source, places, instead=[NAMES], stamp=stamp)
                done.old = copies.put_in_place(draft, place, stamp=stamp)
        else:
            with wiring.database(settings, create=False) as database:
                restored.note(database, codes, reason=why, actor=actor())
            done.files = copies.give(source, places, instead=[NAMES], stamp=stamp)
    except OSError as error:
        raise in_the_way(error, settings.kept) from None
    here = _configuration(settings)
    done.differs = sorted(
        name for name in manifest.files
        if name.startswith(f"{_CONFIGURATION}/")
        and (name not in here or here[name].read_bytes() != (source / name).read_bytes())
    )  # fmt: skip
    return done


def _note(url: str, codes: Sequence[str], why: str) -> None:
    # The backup stays as it is: a copy of an older schema beside this draft would be one more, and nobody's.
    database = open_database(url, clock=wiring.now, spare=False)
    try:
        restored.note(database, codes, reason=why, actor=actor())
    finally:
        database.close()


def _draw_back(out: Console, done: Returned, manifest: Manifest) -> None:
    out.print(f"put back: the state of {plain(manifest.made)}, schools {', '.join(map(plain, done.schools))}")
    if done.old is not None:
        out.print(f"  what was there lies in {plain(done.old)}")
    for name in done.files:
        out.print(f"  put back: {plain(name)}")
    for name in done.differs:
        out.print(f"  [yellow]![/] differs from what is in force, and was left alone: {plain(name)}")
    out.print("Start the bridge. It compares both sides in full and deletes nothing. Then:")
    out.print("  schoolbridge restored show")
