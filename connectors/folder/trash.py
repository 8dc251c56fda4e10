"""The trash in a directory of this machine; everything gets there by rename or hard link. See ``tree.trash``."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from datetime import date
from itertools import count

from connectors.folder.system import NOREPLACE, open_beneath, rename
from connectors.tree.trash import RECORD, TRASH, Origin, Trashed, entries, expired, place_of

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Trash:
    """The trash of the root that is open as ``root``; a ``tree.trash.Shelf``. Blocking. Raises OSError."""

    def __init__(self, root: int) -> None:
        self._root = root

    # --- reading ----------------------------------------------------------------------------------------------------

    def names(self, path: str) -> list[str]:
        try:
            with self._open(path) as opened:
                return sorted(os.listdir(opened))  # noqa: PTH208 - a descriptor
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return []
            raise

    def read(self, path: str) -> bytes:
        try:
            fd = open_beneath(self._root, path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return b""
        with os.fdopen(fd, "rb") as file:
            return file.read()

    def entries(self) -> Iterator[Trashed]:
        return entries(self)

    # --- writing ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def entry(self, origin: Origin) -> Iterator[int]:
        """Make a place for one version: its open directory; taken away again when nothing came to it."""
        with self._made(self._root, TRASH) as top, self._made(top, origin.day.isoformat()) as folder:
            name = self._free(folder, origin)
            with self._made(folder, name) as place:
                self._write(place, origin)
                try:
                    yield place
                finally:
                    if os.listdir(place) == [RECORD]:  # noqa: PTH208 - a descriptor
                        os.unlink(RECORD, dir_fd=place)
                        os.rmdir(name, dir_fd=folder)
                    else:
                        os.fsync(place)

    @staticmethod
    def _free(folder: int, origin: Origin) -> str:
        """Make a place that is not taken yet."""
        for number in count(1):
            name = place_of(origin, number).rpartition("/")[2]
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=folder)
                break
        return name

    @contextlib.contextmanager
    def _made(self, parent: int, name: str) -> Iterator[int]:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        opened = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            yield opened
        finally:
            os.close(opened)

    @staticmethod
    def _write(place: int, origin: Origin) -> None:
        fd = os.open(RECORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=place)
        try:
            os.write(fd, origin.written())
            os.fsync(fd)
        finally:
            os.close(fd)

    def take_out(self, one: Trashed, target: int, name: str) -> None:
        """Put an entry at a name in an open directory; raises FileExistsError where that is taken."""
        with self._open(one.place) as place:
            rename(place, one.origin.name, target, name, flags=NOREPLACE)
            os.fsync(target)
            os.unlink(RECORD, dir_fd=place)
        parent, _, own = one.place.rpartition("/")
        with contextlib.suppress(OSError), self._open(parent) as opened:
            os.rmdir(own, dir_fd=opened)

    def expire(self, today: date, days: int) -> int:
        """Remove what lies here for longer; returns how many days' folders went."""
        gone = 0
        for day in expired(self, today, days):
            with contextlib.suppress(FileNotFoundError), self._open(TRASH) as top:
                shutil.rmtree(day, dir_fd=top)
                gone += 1
        return gone

    @contextlib.contextmanager
    def _open(self, path: str) -> Iterator[int]:
        opened = open_beneath(self._root, path, _DIRECTORY)
        try:
            yield opened
        finally:
            os.close(opened)
