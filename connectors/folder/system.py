"""System calls that Python 3.11 does not offer: statx(2), renameat2(2), openat2(2), relative to an open directory."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from dataclasses import dataclass

from connectors.tree.traits import Traits

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = -100, 0x100, 0x1000
_BASIC, _BTIME, _MOUNT = 0x7FF, 0x800, 0x1000
NOREPLACE, EXCHANGE = 1, 2
#: openat2(2) has this number on every architecture (it is younger than the unified table).
_OPENAT2 = 437
_BENEATH, _NO_SYMLINKS, _NO_MAGICLINKS, _NO_CROSSING = 0x08, 0x04, 0x02, 0x01
#: struct statx (uapi/linux/stat.h): mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks,
#: attributes_mask, atime, btime, ctime, mtime, rdev, dev, mnt_id.
_STATX = struct.Struct("=IIQIIIH2xQQQQ" + "qIi" * 4 + "IIIIQ")
_SIZE = 256


@dataclass(frozen=True, slots=True)
class Node(Traits):
    """What the file system says of one name; ``ino`` is the inode, ``mount`` differs on every mount."""

    mode: int
    links: int
    uid: int
    gid: int
    mount: tuple[int, int, int]

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def names(self) -> int:
        return self.links


def look(directory: int, name: str = "") -> Node:
    """What ``name`` in the open directory is, without following it; the directory itself without a name.

    Raises OSError. ``mount`` differs on another mount, also of the same device (bind mount).
    """
    buffer = ctypes.create_string_buffer(_SIZE)
    flags = _AT_SYMLINK_NOFOLLOW if name else _AT_EMPTY_PATH
    if _LIBC.statx(directory, os.fsencode(name), flags, _BASIC | _BTIME | _MOUNT, buffer) != 0:
        raise _error(name)
    got = _STATX.unpack_from(buffer)
    mask = got[0]
    (_, _, _, links, uid, gid, mode, ino, size, _, _) = got[:11]
    btime, ctime, mtime = (got[start] * 10**9 + got[start + 1] for start in (14, 17, 20))
    mount = (got[25], got[26], got[27] if mask & _MOUNT else 0)
    return Node(ino, btime if mask & _BTIME else 0, mtime, ctime, size, mode, links, uid, gid, mount)


def rename(source: int, name: str, target: int, new: str, *, flags: int = NOREPLACE) -> None:
    """renameat2(2). Raises OSError; FileExistsError where the new name is taken (``NOREPLACE``).

    File systems that know no flags (EINVAL: NFS, some FUSE) get a hard link and an unlink for a file, which replaces
    nothing either; a directory can only replace an empty one. ``EXCHANGE`` has no substitute there.
    """
    if _LIBC.renameat2(source, os.fsencode(name), target, os.fsencode(new), flags) == 0:
        return
    error = _error(new)
    if isinstance(error, FileExistsError) and flags == NOREPLACE and _same(source, name, target, new):
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)  # only the case changes in a folded directory
        return
    if error.errno not in (errno.EINVAL, errno.ENOSYS) or flags != NOREPLACE:
        raise error
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        return
    os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    os.unlink(name, dir_fd=source)


def _same(source: int, name: str, target: int, new: str) -> bool:
    try:
        one, two = look(source, name), look(target, new)
    except OSError:
        return False
    return name.casefold() == new.casefold() and name != new and one.links == 1 and one.anchor == two.anchor


def open_beneath(root: int, path: str, flags: int) -> int:
    """Open ``path`` below the open directory ``root``; no link is followed and nothing outside is ever reached.

    openat2(2) with RESOLVE_BENEATH where the kernel knows it (5.6), else step by step. ``path`` empty: the root itself.
    Raises OSError: ELOOP at a link, EXDEV where the path would leave the root or its mount.
    """
    if not path:
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=root)
    if "\0" in path:  # to the system the path would end there
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS | _NO_CROSSING)
    opened = int(_LIBC.syscall(_OPENAT2, root, os.fsencode(path), how, len(how)))
    if opened >= 0:
        return opened
    error = _error(path)
    if error.errno in (errno.ENOSYS, errno.EPERM):  # EPERM: a container's filter that does not know the call
        return open_by_steps(root, path, flags)
    raise error


def open_by_steps(root: int, path: str, flags: int) -> int:
    """The same without openat2(2): one directory after the other, none of them through a link."""
    mount = look(root).mount
    steps = path.split("/")
    if any(step in ("", ".", "..") for step in steps):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    here = os.dup(root)
    try:
        for step in steps[:-1]:
            below = os.open(step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
            if look(here).mount != mount:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        return os.open(steps[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), name)
