"""Keeping people from changing a root of this machine: the right to write is taken from every folder and file.

1. a folder first, then what is in it, so that nothing new comes in behind the walk
2. modes are remembered on the disk before they are changed, and given back by inode: names may change meanwhile
3. with an access control list the group's bits are its mask (acl(5)), so that named people and groups are kept out, too

The bridge goes on writing with its capabilities (CAP_DAC_OVERRIDE). A handle that was open for writing stays good.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bridge.ports import NOTICE, Frozen, KeptModes, Mode, Refused
from connectors.folder.parts import Part
from connectors.folder.root import Root
from connectors.folder.storage import FolderStorage
from connectors.folder.system import look, open_beneath
from connectors.tree.rules import OURS
from connectors.tree.turns import Turns

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Files, and folders, that are open at the same time: each such lot is remembered by one write to the disk.
_BATCH, _FOLDERS = 200, 50
_AWAY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(slots=True)
class _Count:
    seen: int = 0
    changed: int = 0
    troubles: Counter[str] = field(default_factory=Counter)

    def told(self) -> Frozen:
        return Frozen(self.seen, self.changed, dict(self.troubles))


@dataclass(frozen=True, slots=True)
class FolderFreezing:
    """See ``bridge.ports.Freezing``."""

    storage: FolderStorage
    turns: Turns
    modes: KeptModes

    async def freeze(self) -> Frozen:
        return await self.turns.take(self._freeze)

    async def thaw(self) -> Frozen:
        return await self.turns.take(self._thaw)

    async def post(self, text: str) -> None:
        await self.turns.take(lambda: _post(self._root(), text))

    async def unpost(self) -> None:
        await self.turns.take(lambda: _unpost(self._root()))

    def _root(self) -> Root:
        self.storage.identity()
        return self.storage.root

    def _freeze(self) -> Frozen:
        count = _Count()
        for opened in _walk(self._root(), count, ours=False):
            count.changed += _taken(opened, self.modes, count)
        return count.told()

    def _thaw(self) -> Frozen:
        count = _Count()
        root = self._root()
        while self.modes.any():
            # People move things as soon as they can, also behind the walk: over only when one finds nothing any more.
            before = count.changed
            # What was overwritten or deleted meanwhile lies in the trash, with the permissions that it had here.
            for opened in _walk(root, count, ours=True):
                count.changed += _given_back(opened, self.modes, count)
            if count.troubles:
                break
            if count.changed == before:
                self.modes.forget()  # the rest is not here any more
        return count.told()


def _taken(opened: Sequence[int], modes: KeptModes, count: _Count) -> int:
    """Take the right to write from some open objects; how many had one."""
    todo = []
    for fd in opened:
        node = look(fd)
        was = stat.S_IMODE(node.mode)
        if was & _WRITE:
            todo.append((fd, Mode(node.anchor, was, was & ~_WRITE)))
    if todo:
        modes.remember([mode for _, mode in todo])
    return sum(_set(fd, mode.now, count) for fd, mode in todo)


def _given_back(opened: Sequence[int], modes: KeptModes, count: _Count) -> int:
    """Give some open objects back what they had; how many there were."""
    nodes = {node.anchor: (fd, node) for fd in opened if (node := look(fd))}
    known = modes.recall(nodes)
    done = 0
    over = []
    for handle, mode in known.items():
        fd, node = nodes[handle]
        # With another mode somebody decided otherwise meanwhile, or a crash came before it was changed.
        if stat.S_IMODE(node.mode) != mode.now or _set(fd, mode.was, count):
            over.append(handle)
            done += 1
    modes.forget(over)
    return done


def _set(fd: int, mode: int, count: _Count) -> bool:
    try:
        os.fchmod(fd, mode)
    except PermissionError:
        count.troubles["not permitted"] += 1
        return False
    except OSError as error:
        count.troubles[os.strerror(error.errno or 0)] += 1
        return False
    return True


def _walk(root: Root, count: _Count, *, ours: bool) -> Iterator[Sequence[int]]:
    """Open objects of the root, folders before what is in them, in lots. Other mounts and links are left alone."""
    rest = [""]
    while rest:
        with contextlib.ExitStack() as stack:
            folders = []
            for path in [rest.pop() for _ in range(min(len(rest), _FOLDERS))]:
                with _tolerant(count):
                    fd = open_beneath(root.fd, path, _DIRECTORY) if path else os.dup(root.fd)
                    stack.callback(os.close, fd)
                    folders.append((fd, path))
            count.seen += len(folders)
            yield [fd for fd, _ in folders]
            names = [(fd, name) for fd, path in folders for name in _names(fd, path, rest, ours=ours)]
            for start in range(0, len(names), _BATCH):
                with _opened(names[start : start + _BATCH], count) as some:
                    yield some


def _names(folder: int, path: str, rest: list[str], *, ours: bool) -> list[str]:
    """Files in an open folder; its folders are added to ``rest``."""
    names = []
    with os.scandir(folder) as entries:
        for one in entries:
            if one.name.startswith(OURS) and not ours:
                continue
            if one.is_dir(follow_symlinks=False):
                rest.append(f"{path}/{one.name}" if path else one.name)
            elif one.is_file(follow_symlinks=False):
                names.append(one.name)
    return names


@contextlib.contextmanager
def _opened(names: Sequence[tuple[int, str]], count: _Count) -> Iterator[list[int]]:
    """These files, open, as far as they are still there."""
    with contextlib.ExitStack() as stack:
        found = []
        for folder, name in names:
            with _tolerant(count):
                fd = os.open(name, _FILE, dir_fd=folder)
                stack.callback(os.close, fd)
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    found.append(fd)
        count.seen += len(found)
        yield found


@contextlib.contextmanager
def _tolerant(count: _Count) -> Iterator[None]:
    """What went away meanwhile is none of ours any more, or comes up where it is now; all else is told."""
    try:
        yield
    except OSError as error:
        if error.errno not in _AWAY:
            count.troubles[os.strerror(error.errno or 0)] += 1


def _post(root: Root, text: str) -> None:
    """Beside, flushed, renamed: people see the old notice or the new one."""

    def write() -> None:
        part = Part.begin(root.fd)
        try:
            part.write(text.encode())
            os.fchmod(part.fd, 0o444)
            os.fsync(part.fd)
            os.rename(part.name, NOTICE, src_dir_fd=part.folder, dst_dir_fd=root.fd)
            os.fsync(root.fd)
        finally:
            part.end()

    _carefully(root, write)


def _unpost(root: Root) -> None:
    def remove() -> None:
        with contextlib.suppress(FileNotFoundError):
            if look(root.fd, NOTICE).is_file:
                os.unlink(NOTICE, dir_fd=root.fd)

    _carefully(root, remove)


def _carefully(root: Root, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:
        raise Refused(
            f"directory {root.path}: the notice {NOTICE} can't be changed ({os.strerror(error.errno or 0)}): give the "
            f"service the right to write there"
        ) from None
