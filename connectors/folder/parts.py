"""A file on its way in: written beside its place under a name of ours, flushed, and only then given its name.

Its writer holds a lock on it (flock(2), which the kernel takes back when the process ends, however it ends): what bears
such a name and is not locked was left by a process that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from dataclasses import dataclass

from bridge.core.model import Digest
from bridge.ports import QUICKXOR
from connectors.folder.root import Root
from connectors.folder.system import Node, look
from connectors.quickxor import QuickXor
from connectors.tree.rules import is_part, part_name

#: Where the file system knows no locks, a part that nobody wrote into for so long (ns) was left.
_LEFT = 86_400 * 10**9
_DEFAULT_ACL = "system.posix_acl_default"


@dataclass(slots=True)
class Part:
    """A temporary file in the open folder ``folder``; ``hash`` takes in what is written."""

    folder: int
    name: str
    fd: int
    hash: QuickXor
    made: tuple[int | None, int] = (None, 0)

    @classmethod
    def begin(cls, folder: int) -> Part:
        """Make one; ``folder`` is duplicated. Raises OSError."""
        own = os.dup(folder)
        try:
            name, fd = _make(own)
        except BaseException:
            os.close(own)
            raise
        return cls(own, name, fd, QuickXor())

    def write(self, piece: bytes) -> None:
        self.hash.update(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(self.fd, view) :]

    def finish(self, root: Root, *, mtime: int | None, like: Node | None) -> None:
        """Give it owner, rights and time, and flush it to the disk; ``like`` is the file that it will replace."""
        if like is not None:
            _take_after(self.fd, like, root.mode(like))
        else:
            inherit(self.fd, self.folder, root, is_folder=False)
        if mtime is not None:
            os.utime(self.fd, ns=(mtime, mtime))
        os.fsync(self.fd)
        node = os.fstat(self.fd)
        self.made = node.st_mtime_ns, node.st_size

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


def _make(folder: int) -> tuple[str, int]:
    while True:
        name = part_name(secrets.token_hex(8))
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between its making and the lock another process may have taken it for one that was left.
        if os.fstat(fd).st_nlink:
            return name, fd
        os.close(fd)


def sweep(folder: int, name: str, *, now: int) -> bool:
    """Remove a part that its writer left when it was killed; ``now`` (ns) is the clock of the file system's times.

    False where it is none of ours, still being written, or can't be removed. Nothing is lost: what it held is on the
    other side, or in the trash as well.
    """
    if not is_part(name):
        return False
    try:
        if not look(folder, name).is_file:
            return False
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    try:
        opened, there = look(fd), look(folder, name)
        if opened.anchor != there.anchor or not opened.is_file or not _abandoned(fd, opened, now):
            return False
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _abandoned(fd: int, node: Node, now: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return now - max(node.mtime, node.ctime) > _LEFT
    return True


def inherit(new: int, parent: int, root: Root | None, *, is_folder: bool) -> None:
    """Owner, group and rights of something new, like those of the folder it is in.

    A default ACL of the folder was already applied by the kernel. Without the right to change the owner it stays ours.
    """
    folder = look(parent)
    with contextlib.suppress(PermissionError):
        os.fchown(new, folder.uid, folder.gid)
    try:
        os.getxattr(parent, _DEFAULT_ACL)
    except OSError:
        mode = stat.S_IMODE(folder.mode) if root is None else root.mode(folder)
        with contextlib.suppress(PermissionError):
            os.fchmod(new, mode if is_folder else mode & 0o666)


def _take_after(fd: int, like: Node, mode: int) -> None:
    with contextlib.suppress(PermissionError):
        os.fchown(fd, like.uid, like.gid)
    with contextlib.suppress(PermissionError):
        os.fchmod(fd, mode)
