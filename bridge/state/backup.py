"""A backup of a bridge or a hub: one directory with a manifest, whole or not there at all; and the way back.

taken     the database by its own means while it runs (SQLite), keys and configuration beside it, each with its SHA-256
checked   every file of the manifest is there and is what it was
put back  a copy of the database is prepared beside the old one, which keeps its place under another name

A backup holds everything that the state holds of people, and the keys: its files are for their owner only (0600).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.ports import ConfigurationError
from bridge.state.private import save, sync

MANIFEST, STATE, FORMAT = "manifest.json", "state.db", 1
_CHUNK = 1 << 20
#: What SQLite keeps beside a file.
_BESIDE = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Manifest:
    """``what``: ``site`` or ``hub``; ``database``: ``sqlite`` or ``postgresql``; ``told``: whose it is, as JSON.

    ``files``: name in the backup -> (SHA-256, bytes).
    """

    what: str
    made: str
    version: str
    schema: str
    database: str
    told: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def take(target: Path, manifest: Manifest, *, state: Path | None, files: Mapping[str, Path]) -> None:
    """Write a backup to ``target``, which must not be there. ``files``: name in the backup -> file. Raises OSError.

    ``state``: the SQLite file; None for a database that is backed up by other means.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.mkdir(mode=0o700)
        if state is not None:
            _copy_state(state, draft / STATE)
        for name, source in sorted(files.items()):
            _copy(source, draft / name)
        made = {name: _digest(draft / name) for name in [*([STATE] if state else []), *sorted(files)]}
        tree = {"format": FORMAT, **asdict(replace(manifest, files=made))}
        save(draft / MANIFEST, json.dumps(tree, indent=1).encode())
        sync(draft)
        if target.exists():
            raise FileExistsError(17, "it is there already", str(target))
        draft.rename(target)
        sync(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read(folder: Path, *, what: str) -> Manifest:
    """The manifest of a backup, every file of it checked. Raises ConfigurationError with what is wrong."""
    try:
        tree = json.loads((folder / MANIFEST).read_text("utf-8"))
        if tree.pop("format") != FORMAT:
            raise ConfigurationError(f"{folder} has a format that this program does not know; use a newer one")
        files = {name: (str(digest), int(size)) for name, (digest, size) in tree["files"].items()}
        manifest = Manifest(**{**tree, "files": files})
    except OSError as error:
        raise ConfigurationError(
            f"{folder} is no backup that can be read: {MANIFEST}: {error.strerror}. Name the directory of a backup"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigurationError(f"{folder / MANIFEST} is damaged. Take another backup") from None
    if manifest.what != what:
        raise ConfigurationError(f"{folder} is the backup of a {manifest.what}, not of a {what}. Take another one")
    for name, known in manifest.files.items():
        if _outside(name):
            raise ConfigurationError(f"{folder / MANIFEST} is damaged: {name!r} is no file of it. Take another backup")
        try:
            found = _digest(folder / name)
        except OSError as error:
            raise ConfigurationError(f"{folder / name} can't be read ({error.strerror}). Take another backup") from None
        if found != known:
            raise ConfigurationError(
                f"{folder / name} is not what was backed up: expected {known[1]} bytes with SHA-256 {known[0][:12]}…, "
                f"found {found[1]} with {found[0][:12]}…. Nothing was changed. Take another backup"
            )
    return manifest


def _outside(name: str) -> bool:
    path = Path(name)
    return path.is_absolute() or ".." in path.parts or not name


@contextmanager
def drafted(folder: Path, place: Path) -> Iterator[Path]:
    """The backup's database as a file beside the place where it will lie, to be looked at and changed there; gone at
    the end unless it was put in place: it is full of names."""
    draft = place.with_name(f".{place.name}.put-back")
    _discard(draft)
    try:
        _copy(folder / STATE, draft)
        yield draft
    finally:
        _discard(draft)


def _discard(draft: Path) -> None:
    for ending in ("", *_BESIDE):
        draft.with_name(f"{draft.name}{ending}").unlink(missing_ok=True)


def put_in_place(draft: Path, place: Path, *, stamp: str) -> Path | None:
    """Let the prepared database take the place of the old one; where that one lies now, if there was one.

    The old one gets its second name first, what SQLite keeps beside it goes along, and then the new one takes its
    place: after a crash between any two steps there is an old or a new database, never none. Whoever opens an old one
    without what lay beside it has an older state: that is noticed (``marks``).
    """
    _one_file(draft)
    old = None
    with suppress(FileNotFoundError):
        old = place.with_name(f"{place.name}.before-restore-{stamp}")
        os.link(place, old)
        for ending in _BESIDE:
            with suppress(FileNotFoundError):
                place.with_name(f"{place.name}{ending}").rename(old.with_name(f"{old.name}{ending}"))
    draft.replace(place)
    sync(place.parent)
    return old if old is not None and old.exists() else None


def give(folder: Path, files: Mapping[str, Path], *, instead: Sequence[str] = (), stamp: str) -> list[str]:
    """Put files back that are not there. Those named ``instead`` take the place of others, which are kept beside.

    ``files``: name in the backup -> its place. The names that were put back. Raises OSError.
    """
    done = []
    for name, place in files.items():
        if place.exists():
            if name not in instead or place.read_bytes() == (folder / name).read_bytes():
                continue
            os.link(place, place.with_name(f"{place.name}.before-restore-{stamp}"))
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.put-back")
        draft.unlink(missing_ok=True)
        _copy(folder / name, draft)
        draft.replace(place)
        sync(place.parent)
        done.append(name)
    return done


def _copy_state(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(sqlite3.connect(source, timeout=30)) as one, closing(sqlite3.connect(target)) as other:
            one.backup(other)
            (found,) = other.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise ConfigurationError(f"the state {source} can't be copied ({error}). Nothing was written") from None
    if found != "ok":
        raise ConfigurationError(f"the state {source} is damaged ({found}). Put an older backup back")
    _one_file(target)


def _one_file(path: Path) -> None:
    """One file, not three, and on the disk: nobody has to know what belongs to it."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    sync(path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(made, "wb") as other, source.open("rb") as one:
        shutil.copyfileobj(one, other, _CHUNK)
        other.flush()
        os.fsync(other.fileno())


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size
