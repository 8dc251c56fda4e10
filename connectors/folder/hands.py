"""How a directory of this machine is changed: through open directories, by renames that replace nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.ports import Busy
from connectors.folder.parts import Part, inherit
from connectors.folder.root import Root
from connectors.folder.system import EXCHANGE, Node, look, rename
from connectors.folder.trash import Trash
from connectors.tree.hands import Check, Place, Raced, Rejected
from connectors.tree.index import Entry
from connectors.tree.trash import Origin, Trashed, last_deleted

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NO_LINKS = (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """A folder that is open as ``fd``."""

    fd: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Held:
    """What was at a place when it was looked at: the kernel keeps nobody else out, so it is looked at again after."""

    node: Node


class FolderHands:
    """See ``connectors.tree.hands.Hands``. Blocking; raises OSError."""

    def __init__(self, root: Root) -> None:
        self._root, self._trash = root, Trash(root.fd)

    def checked(self, name: str) -> str:
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            size = 0
        if not size or name in (".", "..") or "/" in name or "\0" in name:
            raise Rejected("name_refused", f"{name!r} is no name for a file here: rename it on the other side")
        if size > 255:
            raise Rejected("name_refused", f"a name of {size} bytes is too long, 255 are possible: shorten it")
        return name

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[OpenFolder | None]:
        try:
            fd = self._root.open(path, _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        try:
            yield OpenFolder(fd, look(fd).anchor)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def hold(self, place: Place, *, folder: bool) -> Iterator[Held | None]:
        try:
            held = Held(look(place.spot.fd, place.name))
        except FileNotFoundError:
            yield None
            return
        yield held

    def refuse_while_written(self, held: Held, place: Place) -> None:
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(place.name, flags, dir_fd=place.spot.fd)
        except PermissionError:
            return
        try:
            refuse_while_written(fd, held.node.anchor)
        finally:
            os.close(fd)

    def look(self, place: Place, held: Held | None = None) -> Node:
        return look(place.spot.fd, place.name)

    # --- files ------------------------------------------------------------------------------------------------------

    def begin(self, place: Place) -> Part:
        return Part.begin(place.spot.fd)

    def put(self, part: Part, place: Place, *, mtime: int | None) -> None:
        part.finish(self._root, mtime=mtime, like=None)
        # Nothing is ever replaced: FileExistsError where the name is taken.
        rename(part.folder, part.name, place.spot.fd, place.name)
        os.fsync(place.spot.fd)

    def exchange(
        self, held: Held, place: Place, entry: Entry, part: Part, *, mtime: int | None, origin: Origin
    ) -> None:
        part.copy_attributes(place.spot.fd, place.name)
        part.finish(self._root, mtime=mtime, like=held.node)
        with self._trash.entry(origin) as bin_:
            try:
                os.link(place.name, place.name, src_dir_fd=place.spot.fd, dst_dir_fd=bin_, follow_symlinks=False)
                if not look(bin_, place.name).holds(entry):
                    os.unlink(place.name, dir_fd=bin_)
                    raise Raced
                os.fsync(bin_)
                self._exchanged(place, bin_, entry, part)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._swapped_by_steps(place, bin_, entry, part)
        os.fsync(place.spot.fd)

    def _exchanged(self, place: Place, bin_: int, entry: Entry, part: Part) -> None:
        try:
            rename(part.folder, part.name, place.spot.fd, place.name, flags=EXCHANGE)
        except BaseException:
            os.unlink(place.name, dir_fd=bin_)
            raise
        # The old content bears the temporary name now, and lies in the trash as well.
        if not look(part.folder, part.name).holds(entry):
            rename(part.folder, part.name, place.spot.fd, place.name, flags=EXCHANGE)
            os.unlink(place.name, dir_fd=bin_)
            raise Raced

    def _swapped_by_steps(self, place: Place, bin_: int, entry: Entry, part: Part) -> None:
        """The same for file systems without links or exchanging: the name is free for a moment, nothing is lost."""
        rename(place.spot.fd, place.name, bin_, place.name)
        try:
            if not look(bin_, place.name).holds(entry):
                raise Raced
            rename(part.folder, part.name, place.spot.fd, place.name)
        except BaseException:
            rename(bin_, place.name, place.spot.fd, place.name)
            raise

    def set_time(self, held: Held, place: Place, mtime: int) -> None:
        accessed = os.stat(place.name, dir_fd=place.spot.fd, follow_symlinks=False).st_atime_ns
        os.utime(place.name, ns=(accessed, mtime), dir_fd=place.spot.fd, follow_symlinks=False)

    # --- files and folders ------------------------------------------------------------------------------------------

    def move(self, held: Held, place: Place, target: Place) -> Node:
        rename(place.spot.fd, place.name, target.spot.fd, target.name)
        there = look(target.spot.fd, target.name)
        if there.anchor != held.node.anchor:
            rename(target.spot.fd, target.name, place.spot.fd, place.name)
            raise Raced
        os.fsync(target.spot.fd)
        return there

    def make(self, place: Place) -> tuple[str, bool]:
        parent = place.spot.fd
        try:
            os.mkdir(place.name, 0o777, dir_fd=parent)
        except FileExistsError:
            node = look(parent, place.name)
            if not node.is_folder or node.mount != self._root.node.mount:
                raise
            return node.anchor, False
        made = os.open(place.name, _DIRECTORY, dir_fd=parent)
        try:
            inherit(made, parent, self._root, is_folder=True)
            anchor = look(made).anchor
        finally:
            os.close(made)
        os.fsync(parent)
        return anchor, True

    def entries(self, held: Held, place: Place) -> Iterator[tuple[str, bool]]:
        return _entries(place.spot.fd, place.name)

    def discard(self, held: Held, place: Place, origin: Origin, *, entry: Entry | None, check: Check) -> None:
        with self._trash.entry(origin) as bin_:
            rename(place.spot.fd, place.name, bin_, place.name)
            try:
                there = look(bin_, place.name)
                if there.anchor != held.node.anchor or (entry is not None and not there.holds(entry)):
                    raise Raced
                if entry is None:
                    check(_entries(bin_, place.name))
            except BaseException:
                rename(bin_, place.name, place.spot.fd, place.name)
                raise
        os.fsync(place.spot.fd)

    def trashed(self, anchor: str) -> Trashed | None:
        return last_deleted(self._trash, anchor)

    def take_out(self, one: Trashed, place: Place) -> None:
        self._trash.take_out(one, place.spot.fd, place.name)


def _entries(parent: int, name: str) -> Iterator[tuple[str, bool]]:
    opened = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        with os.scandir(opened) as found:
            yield from ((one.name, one.is_dir(follow_symlinks=False)) for one in found)
    finally:
        os.close(opened)


def refuse_while_written(fd: int, anchor: str) -> None:
    """Raise Busy when somebody has the file open for writing: a read lease is not given then (fcntl(2), F_SETLEASE).

    Where leases are not allowed (another owner without CAP_LEASE, some file systems) nothing is known, and only size
    and time tell of a change.
    """
    try:
        # A lease that is broken is told by SIGIO, which would end the process; SIGURG does nothing by itself.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        raise Busy(f"file {anchor} is open for writing; it is read when it is closed") from None
    except OSError:
        return
    # Kept, it would hold up whoever wants to write: the look at the end of the reading is enough.
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
