"""The trash of a root: ``.schoolbridge-trash/<day>/<anchor>/<name>`` and beside it ``origin.json`` that says whence.

It lies on the same file system, so that everything gets there by rename or hard link, never by copying.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from connectors.folder.listing import OURS
from connectors.folder.system import NOREPLACE, open_beneath, rename

TRASH = OURS + "trash"
_RECORD = "origin.json"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something in the trash came from. ``deleted`` False: it was overwritten. ``size`` in bytes."""

    anchor: str
    kind: str
    name: str
    path: str
    moment: str
    deleted: bool
    size: int


@dataclass(frozen=True, slots=True)
class Trashed:
    """One entry of the trash; ``place`` is its path below the root."""

    origin: Origin
    place: str


class Trash:
    """The trash of the root that is open as ``root``. Blocking. Raises OSError."""

    def __init__(self, root: int) -> None:
        self._root = root

    @contextlib.contextmanager
    def entry(self, origin: Origin, day: date) -> Iterator[tuple[int, str]]:
        """Make a place for one version: its open directory and path; taken away again when nothing came to it."""
        with self._made(self._root, TRASH) as top, self._made(top, day.isoformat()) as folder:
            name = _free(folder, origin.anchor.replace(":", "-"))
            with self._made(folder, name) as place:
                self._write(place, origin)
                try:
                    yield place, f"{TRASH}/{day.isoformat()}/{name}"
                finally:
                    if os.listdir(place) == [_RECORD]:  # noqa: PTH208 - a descriptor
                        os.unlink(_RECORD, dir_fd=place)
                        os.rmdir(name, dir_fd=folder)
                    else:
                        os.fsync(place)

    @contextlib.contextmanager
    def _made(self, parent: int, name: str) -> Iterator[int]:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        opened = os.open(name, _DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            yield opened
        finally:
            os.close(opened)

    @staticmethod
    def _write(place: int, origin: Origin) -> None:
        text = json.dumps(asdict(origin), ensure_ascii=False).encode(errors="surrogateescape")
        fd = os.open(_RECORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=place)
        try:
            os.write(fd, text)
            os.fsync(fd)
        finally:
            os.close(fd)

    def entries(self) -> Iterator[Trashed]:
        """All there is, the latest day first; what is not ours or not readable is left out."""
        for day in self._days():
            for name in self._list(f"{TRASH}/{day}"):
                place = f"{TRASH}/{day}/{name}"
                origin = self._read(place)
                if origin is not None:
                    yield Trashed(origin, place)

    def find(self, anchor: str) -> Trashed | None:
        """What was deleted last with this anchor; an overwritten version is none of it."""
        wanted = anchor.replace(":", "-")
        best: Trashed | None = None
        for day in self._days():
            for name in self._list(f"{TRASH}/{day}"):
                if name != wanted and not name.startswith(wanted + "."):
                    continue
                origin = self._read(f"{TRASH}/{day}/{name}")
                if origin is None or origin.anchor != anchor or not origin.deleted:
                    continue
                if best is None or origin.moment >= best.origin.moment:
                    best = Trashed(origin, f"{TRASH}/{day}/{name}")
            if best is not None:
                break
        return best

    def take_out(self, one: Trashed, target: int, name: str) -> None:
        """Put an entry at a name in an open directory; raises FileExistsError where that is taken."""
        place = open_beneath(self._root, one.place, _DIRECTORY)
        try:
            rename(place, one.origin.name, target, name, flags=NOREPLACE)
            os.fsync(target)
            os.unlink(_RECORD, dir_fd=place)
        finally:
            os.close(place)
        self._remove_empty(one.place)

    def expire(self, today: date, days: int) -> int:
        """Remove what lies here for longer; returns how many days' folders went."""
        gone = 0
        for day in list(self._days()):
            if date.fromisoformat(day) < today - timedelta(days=days):
                with contextlib.suppress(FileNotFoundError), self._open(TRASH) as top:
                    shutil.rmtree(day, dir_fd=top)
                    gone += 1
        return gone

    def _days(self) -> Iterator[str]:
        for name in sorted(self._list(TRASH), reverse=True):
            with contextlib.suppress(ValueError):
                date.fromisoformat(name)
                yield name

    @contextlib.contextmanager
    def _open(self, path: str) -> Iterator[int]:
        opened = open_beneath(self._root, path, _DIRECTORY)
        try:
            yield opened
        finally:
            os.close(opened)

    def _list(self, path: str) -> list[str]:
        try:
            with self._open(path) as opened:
                return sorted(os.listdir(opened))  # noqa: PTH208 - a descriptor
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return []
            raise

    def _read(self, place: str) -> Origin | None:
        try:
            fd = open_beneath(self._root, f"{place}/{_RECORD}", os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            try:
                return Origin(**json.loads(file.read().decode(errors="surrogateescape")))
            except (ValueError, TypeError):
                return None

    def _remove_empty(self, place: str) -> None:
        parent, _, name = place.rpartition("/")
        with contextlib.suppress(OSError), self._open(parent) as opened:
            os.rmdir(name, dir_fd=opened)


def _free(folder: int, wanted: str) -> str:
    """A name that is not taken yet: the same file may be overwritten many times a day."""
    taken = set(os.listdir(folder))
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}.{number}"
    return name


def moment_of(now: datetime) -> str:
    """How ``Origin.moment`` is written: sortable, UTC."""
    return now.isoformat(timespec="microseconds")
