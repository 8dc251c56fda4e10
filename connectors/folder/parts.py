"""A file on its way in: written beside its place under a name of ours, flushed, and only then given its name."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass

from bridge.core.model import Digest
from bridge.ports import QUICKXOR
from connectors.folder.listing import OURS
from connectors.folder.system import Node, look
from connectors.quickxor import QuickXor

PART = OURS + "part-"
_DEFAULT_ACL = "system.posix_acl_default"


@dataclass(slots=True)
class Part:
    """A temporary file in the open folder ``folder``; ``hash`` takes in what is written."""

    folder: int
    name: str
    fd: int
    hash: QuickXor

    @classmethod
    def begin(cls, folder: int) -> Part:
        """Make one; ``folder`` is duplicated. Raises OSError."""
        own = os.dup(folder)
        name = PART + secrets.token_hex(8)
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=own)
        except BaseException:
            os.close(own)
            raise
        return cls(own, name, fd, QuickXor())

    def write(self, piece: bytes) -> None:
        self.hash.update(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(self.fd, view) :]

    def finish(self, *, mtime: int | None, like: Node | None) -> None:
        """Give it owner, rights and time, and flush it to the disk; ``like`` is the file that it will replace."""
        if like is not None:
            _take_after(self.fd, like)
        else:
            inherit(self.fd, self.folder, is_folder=False)
        if mtime is not None:
            os.utime(self.fd, ns=(mtime, mtime))
        os.fsync(self.fd)

    def copy_attributes(self, other: int, name: str) -> None:
        """Copy extended attributes (ACLs, Samba's NT ACL and DOS attributes) of the file that it will replace."""
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=other)
        try:
            for one in os.listxattr(source):
                with contextlib.suppress(OSError):
                    os.setxattr(self.fd, one, os.getxattr(source, one))
        finally:
            os.close(source)

    @property
    def digest(self) -> Digest:
        return Digest(QUICKXOR, self.hash.hexdigest(), self.hash.size)

    def end(self) -> None:
        """Close it, and remove it where it still bears the temporary name."""
        with contextlib.suppress(OSError):
            os.unlink(self.name, dir_fd=self.folder)
        os.close(self.fd)
        os.close(self.folder)


def inherit(new: int, parent: int, *, is_folder: bool) -> None:
    """Owner, group and rights of something new, like those of the folder it is in.

    A default ACL of the folder was already applied by the kernel. Without the right to change the owner it stays ours.
    """
    folder = look(parent)
    with contextlib.suppress(PermissionError):
        os.fchown(new, folder.uid, folder.gid)
    try:
        os.getxattr(parent, _DEFAULT_ACL)
    except OSError:
        mode = stat.S_IMODE(folder.mode)
        with contextlib.suppress(PermissionError):
            os.fchmod(new, mode if is_folder else mode & 0o666)


def _take_after(fd: int, like: Node) -> None:
    with contextlib.suppress(PermissionError):
        os.fchown(fd, like.uid, like.gid)
    with contextlib.suppress(PermissionError):
        os.fchmod(fd, stat.S_IMODE(like.mode))
