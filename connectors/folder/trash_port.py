"""The trash as people use it: listed, and brought back to where it was. Needs no index: another process may hold it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime

from bridge.ports import Kept, Refused, Unreachable
from connectors.folder.options import Options
from connectors.folder.root import Root
from connectors.folder.system import open_beneath, rename
from connectors.folder.trash import TRASH, Trash, Trashed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: How many free names are looked for beside a taken one.
_NAMES = 1000
_PIECE = 1 << 20


class FolderTrash:
    """See ``bridge.ports.Trash``. What was deleted comes back by rename, an overwritten version as a copy.

    A copy, because the newer version still bears the anchor of the file that it replaced.
    """

    def __init__(self, options: Options, clock: Callable[[], datetime]) -> None:
        self._options, self._clock = options, clock

    async def kept(self) -> AsyncIterator[Kept]:
        for one in await asyncio.to_thread(self._entries):
            yield one

    async def bring_back(self, id: str) -> str:  # noqa: A002
        return await asyncio.to_thread(self._bring_back, id)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        root = Root(self._options.base, self._options.root)
        try:
            yield root.fd
        except PermissionError as error:
            raise Refused(f"directory {root.path}: {os.strerror(error.errno or 0)}; give the service access") from None
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise Unreachable(f"directory {root.path}: nothing was brought back ({why})") from error
        finally:
            root.close()

    def _entries(self) -> list[Kept]:
        with self._opened() as root:
            return [_kept(one) for one in Trash(root).entries()]

    def _bring_back(self, wanted: str) -> str:
        with self._opened() as root:
            trash = Trash(root)
            one = next((one for one in trash.entries() if _kept(one).id == wanted), None)
            if one is None:
                raise KeyError(wanted)
            folder, _, name = one.origin.path.rpartition("/")
            with _made(root, folder) as target:
                for free in _free(name, self._clock()):
                    try:
                        if one.origin.deleted:
                            trash.take_out(one, target, free)
                        else:
                            _copy(root, one, target, free)
                    except FileExistsError:
                        continue
                    return f"{folder}/{free}" if folder else free
            raise FileExistsError(17, "no name is free")


def _kept(one: Trashed) -> Kept:
    origin = one.origin
    place = one.place.removeprefix(f"{TRASH}/")
    return Kept(
        place, origin.kind, origin.path, origin.moment, deleted=origin.deleted, size=origin.size, anchor=origin.anchor
    )


def _free(name: str, now: datetime) -> Iterator[str]:
    """The name, then names beside it that say what they are."""
    yield name
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    for number in range(1, _NAMES):
        more = f" {number}" if number > 1 else ""
        yield f"{stem} (restored {now:%Y-%m-%d %H-%M}{more}){dot}{ending}"


@contextlib.contextmanager
def _made(root: int, path: str) -> Iterator[int]:
    """The folder at a path, made with the owner and rights of the one above where it is gone."""
    current = os.open(".", _DIRECTORY, dir_fd=root)
    try:
        for step in filter(None, path.split("/")):
            try:
                below = open_beneath(current, step, _DIRECTORY)
            except FileNotFoundError:
                below = _made_one(current, step)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _made_one(parent: int, name: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    made, like = open_beneath(parent, name, _DIRECTORY), os.fstat(parent)
    with contextlib.suppress(PermissionError):
        os.fchown(made, like.st_uid, like.st_gid)
        os.fchmod(made, like.st_mode & 0o7777)
    os.fsync(parent)
    return made


def _copy(root: int, one: Trashed, target: int, name: str) -> None:
    """Write the version beside its place under a name of ours, then give it its own; raises FileExistsError."""
    source = open_beneath(root, f"{one.place}/{one.origin.name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    part = f".schoolbridge-restored-{os.getpid()}"
    try:
        like = os.fstat(source)
        new = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target)
        try:
            while piece := os.read(source, _PIECE):
                while piece:
                    piece = piece[os.write(new, piece) :]
            with contextlib.suppress(PermissionError):
                os.fchown(new, like.st_uid, like.st_gid)
            os.fchmod(new, like.st_mode & 0o7777)
            os.utime(new, ns=(like.st_atime_ns, like.st_mtime_ns))
            os.fsync(new)
        finally:
            os.close(new)
        rename(target, part, target, name)
        os.fsync(target)
    finally:
        os.close(source)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=target)
