"""The root: proves to be the same directory before and after everything, and opens what is beneath it only."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from bridge.ports import KeptModes, Refused, Unreachable, Waiting
from connectors.folder.system import Node, look, open_beneath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


class Root:
    """The open root directory. ``identity`` is its inode and birth time (docs/decisions/014)."""

    def __init__(self, base: Path, below: str, *, modes: KeptModes | None = None) -> None:
        self._base, self._below, self._modes = base, below, modes
        self.path = base / below if below else base
        self.fd = self._open()
        self.node = self._look(self.fd)

    @property
    def identity(self) -> str:
        return self.node.anchor

    def _open(self) -> int:
        """Open the root by its path. Raises Unreachable or Refused; Waiting where only the base is there."""
        try:
            base = os.open(self._base, _DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._translated(error) from None
        try:
            return open_beneath(base, self._below, _DIRECTORY)
        except FileNotFoundError:
            raise Waiting(f"directory {self.path}: there is no folder of this name in {self._base} (yet)") from None
        except OSError as error:
            raise self._translated(error) from None
        finally:
            os.close(base)

    def _look(self, opened: int) -> Node:
        try:
            return look(opened)
        except OSError as error:
            raise self._translated(error) from None

    def _translated(self, error: OSError) -> Exception:
        where = f"directory {self.path}"
        if error.errno in (errno.EACCES, errno.EPERM):
            return Refused(f"{where} can't be opened ({os.strerror(error.errno)}): give the service access to it")
        if error.errno in (errno.ELOOP, errno.EXDEV, errno.ENOTDIR):
            return Refused(
                f"{where} leads through a link, another mount or a file ({os.strerror(error.errno)}): set base to the "
                f"real place and root to the path below it"
            )
        return Unreachable(
            f"{where} can't be opened ({os.strerror(error.errno or 0)}): see whether it is there and its disk mounted"
        )

    def verify(self) -> None:
        """Raise Unreachable unless the path still leads to the directory that is open."""
        opened = self._open()
        try:
            found = self._look(opened)
        finally:
            os.close(opened)
        if (found.anchor, found.mount) != (self.node.anchor, self.node.mount):
            raise Unreachable(
                f"directory {self.path} is not the one it was (expected {self.identity}, found {found.anchor}): its "
                f"disk was unmounted, or it was replaced; nothing was concluded from what it shows"
            )

    def open(self, path: str, flags: int = _DIRECTORY) -> int:
        """Open a path beneath the root; see ``system.open_beneath``."""
        return open_beneath(self.fd, path, flags)

    def mode(self, node: Node) -> int:
        """The permissions of something in the root, those that it had before where it is frozen now."""
        if self._modes is not None and not node.mode & 0o222:
            kept = self._modes.recall([node.anchor]).get(node.anchor)
            if kept is not None and kept.now == stat.S_IMODE(node.mode):
                return kept.was
        return stat.S_IMODE(node.mode)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
