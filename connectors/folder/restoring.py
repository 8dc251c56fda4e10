"""What brings back needs of a directory of this machine; see ``connectors.tree.restoring``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from bridge.ports import Refused, Unreachable
from connectors.folder.options import Options
from connectors.folder.root import Root
from connectors.folder.system import open_beneath, rename
from connectors.folder.trash import Trash
from connectors.tree.trash import Trashed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20


@contextlib.contextmanager
def opened(options: Options) -> Iterator[FolderRestorer]:
    """Open the root. Raises Unreachable or Refused, also for what goes wrong below it."""
    root = Root(options.base, options.root)
    try:
        yield FolderRestorer(root.fd)
    except PermissionError as error:
        raise Refused(f"directory {root.path}: {os.strerror(error.errno or 0)}; give the service access") from None
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Unreachable(f"directory {root.path}: nothing was brought back ({why})") from error
    finally:
        root.close()


class FolderRestorer:
    """See ``connectors.tree.restoring.Restorer``. Blocking; raises OSError."""

    def __init__(self, root: int) -> None:
        self._root, self.shelf = root, Trash(root)

    @contextlib.contextmanager
    def within(self, path: str) -> Iterator[int]:
        current = os.open(".", _DIRECTORY, dir_fd=self._root)
        try:
            for step in filter(None, path.split("/")):
                try:
                    below = open_beneath(current, step, _DIRECTORY)
                except FileNotFoundError:
                    below = _made(current, step)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    def take_out(self, one: Trashed, folder: int, name: str) -> None:
        self.shelf.take_out(one, folder, name)

    def copy(self, one: Trashed, folder: int, name: str) -> None:
        """Write the version beside its place under a name of ours, then give it its own."""
        source = open_beneath(self._root, one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        part = f".schoolbridge-restored-{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            like = os.fstat(source)
            new = os.open(part, flags, 0o600, dir_fd=folder)
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
            rename(folder, part, folder, name)
            os.fsync(folder)
        finally:
            os.close(source)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=folder)


def _made(parent: int, name: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    made, like = open_beneath(parent, name, _DIRECTORY), os.fstat(parent)
    with contextlib.suppress(PermissionError):
        os.fchown(made, like.st_uid, like.st_gid)
        os.fchmod(made, like.st_mode & 0o7777)
    os.fsync(parent)
    return made
