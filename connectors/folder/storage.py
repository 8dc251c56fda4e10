"""A directory of this machine as what a tree lies in: watched by the kernel, listed folder by folder."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from datetime import date

from bridge.ports import BridgeError, Busy, ContentChanged, KeptModes, Unreachable
from connectors.folder.hands import FolderHands, refuse_while_written
from connectors.folder.lister import AWAY, FolderLister
from connectors.folder.mounts import tells_of_changes
from connectors.folder.options import Options
from connectors.folder.root import Root
from connectors.folder.system import Node, look
from connectors.folder.trash import Trash
from connectors.folder.watch import WATCHES, Mirror, Watch
from connectors.tree.index import Entry, Index
from connectors.tree.rules import Rules
from connectors.tree.scan import Scan

#: How often folders that change while they are scanned are scanned again before a removal is put off.
_ROUNDS = 5
_CHUNK = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_DENIED = "access is denied: give the service the right to write here"
_CAUSES: dict[int, tuple[str, str, bool]] = {
    errno.ENOSPC: ("quota", "the disk is full: make room", True),
    errno.EDQUOT: ("quota", "the owner's quota is used up: raise it or make room", True),
    errno.EACCES: ("denied", _DENIED, True),
    errno.EPERM: ("denied", _DENIED, True),
    errno.EROFS: ("denied", "the file system is read-only: see why it was mounted so", True),
    errno.EEXIST: ("name_taken", "the name is taken already by something else", False),
    errno.ENOTEMPTY: ("name_taken", "the name is taken already by something else", False),
    errno.ENAMETOOLONG: ("path_too_long", "the name or path is too long here: shorten it", False),
    errno.EINVAL: ("invalid", "the file system refuses this (a folder into itself, or a name it can't keep)", False),
    errno.ENOENT: ("stale", "it is not there any more; the next observation tells", True),
    errno.ENOTDIR: ("stale", "a folder on the way is none any more; the next observation tells", True),
    errno.ELOOP: ("stale", "a link is on the way, which is not followed", True),
    errno.EXDEV: ("denied", "it would lead to another mount, which is not mirrored", False),
    errno.ETXTBSY: ("busy", "it is being run", True),
    errno.EBUSY: ("busy", "it is in use by the system", True),
}


class FolderStorage:
    """See ``connectors.tree.storage.Storage``."""

    failure: type[Exception] = OSError
    #: Time stamps of the file system may lie a tick of the kernel's clock (100 Hz or more) behind.
    tick = 12_000_000
    drifts = False
    parallel = 8
    soon = _CHUNK

    def __init__(self, options: Options, modes: KeptModes | None = None) -> None:
        self._modes = modes
        self._options, self._rules = options, Rules(options.include, options.exclude)
        self._root: Root | None = None
        self.watch: Watch | None = None
        self._mirror = Mirror(b"", self._rules.excludes_name, lambda: None)
        self._why_deaf = ""

    @property
    def where(self) -> str:
        return f"directory {self._options.path}"

    def now(self) -> int:
        return time.time_ns()

    def listen(self, wake: Callable[[], None]) -> None:
        self._mirror.wake = wake

    # --- the root ---------------------------------------------------------------------------------------------------

    @property
    def root(self) -> Root:
        """The root as it was opened; opens it the first time."""
        if self._root is None:
            self._root = Root(self._options.base, self._options.root, modes=self._modes)
        return self._root

    def excludes(self, name: str) -> bool:
        """Whether a folder of this name is left alone."""
        return bool(self._rules.excludes_name(name))

    def identity(self) -> str:
        if self._root is not None:
            self._root.verify()
        return self.root.identity

    def refused(self, error: Exception) -> BridgeError:
        return Unreachable(f"{self.where} can't be read ({self.why(error)}): see its disk")

    def why(self, error: Exception) -> str:
        return os.strerror(_number(error))

    def cause(self, error: Exception) -> tuple[str, str, bool]:
        return _CAUSES.get(_number(error), ("failed", self.why(error), True))

    def close(self) -> None:
        self._leave()
        if self._root is not None:
            self._root.close()
            self._root = None

    # --- looking ----------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Nothing is ever left half done: contents are exchanged in one step."""

    def lister(self) -> FolderLister:
        return FolderLister(self.root, self._rules)

    def told(self) -> tuple[set[str], bool]:
        if not self._options.watch:
            return set(), True
        if self.watch is not None and not self.watch.hears(self._mirror):
            self._leave()
        if self.watch is None:
            self._join()
        return self.watch.take_dirty(self._mirror) if self.watch is not None else (set(), True)

    def _join(self) -> None:
        base = os.fsencode(os.path.realpath(self._options.base))
        self._mirror.root = base + b"/" + os.fsencode(self._options.root) if self._options.root else base
        self._mirror.dirty, self._mirror.lost = set(), True
        kind = tells_of_changes(self.root.node.mount)
        if kind is not None:
            self._why_deaf = f"{kind} does not tell of what others change there"
            return
        try:
            self.watch = WATCHES.join(base, self._mirror)
        except OSError as error:
            self._why_deaf = f"{self.why(error)}; see fs.inotify.max_user_watches and max_user_instances"
            return
        self._why_deaf = ""
        if not self.watch.hears(self._mirror):
            self._why_deaf = "the kernel sends no events"
            self._leave()

    def _leave(self) -> None:
        watch, self.watch = self.watch, None
        if watch is not None:
            WATCHES.leave(watch, self._mirror)

    @property
    def watching(self) -> bool:
        return self.watch is not None and self.watch.alive

    @property
    def deaf(self) -> str:
        return f"the kernel does not tell of changes ({self._why_deaf}): scanned each time" if self._why_deaf else ""

    def rest(self, scan: Scan, index: Index, *, begun: int) -> set[str]:
        more: set[str] = set()
        latest = 0
        for _ in range(_ROUNDS):
            # What was found once must not be found again by the round after this one: only what changes from now on.
            time.sleep(max(0, min(latest + 2 * self.tick - self.now(), 2 * self.tick)) / 10**9)
            more, begun, latest = self._meanwhile(scan, index, begun)
            if not more:
                break
            scan.some(more)
        return more

    def _meanwhile(self, scan: Scan, index: Index, begun: int) -> tuple[set[str], int, int]:
        """Folders that changed while others were scanned: what vanished there may have come up here.

        With them the time of this look, and the latest of their time stamps.
        """
        more, scan.seen.again = scan.seen.again, set()
        alone = self.watch is None or self._mirror.lost
        now, latest = self.now(), 0
        if self.watch is not None:
            dirty, lost = self.watch.take_dirty(self._mirror)
            self._mirror.lost = self._mirror.lost or lost
            more |= dirty
        if alone and index.any_vanished():
            changed = self._changed_since(index, begun - self.tick)
            more, latest = more | changed.keys(), max(changed.values(), default=0)
        return more, now, latest

    def _changed_since(self, index: Index, begun: int) -> dict[str, int]:
        """Folders whose own time stamp says that a name came or went, with it; one stat a folder."""
        found: dict[str, int] = {}
        for row in index.all_directories():
            path = index.path(row)
            try:
                if path is not None and (at := os.stat(path or ".", dir_fd=self.root.fd).st_mtime_ns) >= begun:
                    found[path] = at
            except OSError:
                continue
        return found

    # --- reading and writing ----------------------------------------------------------------------------------------

    def open(self, path: str, entry: Entry) -> FolderReading:
        return FolderReading(self.root.open(path, _FILE), entry.anchor)

    def unread(self, error: Exception, anchor: str) -> Exception:
        if _number(error) in AWAY:
            return ContentChanged(f"file {anchor} is not any more where it was observed")
        if isinstance(error, PermissionError):
            return Busy(f"file {anchor} can't be opened ({self.why(error)}): give the service access to it")
        return Unreachable(f"file {anchor} can't be read ({self.why(error)}): see the disk")

    @contextlib.contextmanager
    def hands(self) -> Iterator[FolderHands]:
        yield FolderHands(self.root)

    def empty_trash(self, today: date, days: int) -> None:
        Trash(self.root.fd).expire(today, days)


class FolderReading:
    """An open file; takes over ``fd``. Raises Busy while somebody writes it."""

    def __init__(self, fd: int, anchor: str) -> None:
        self._fd = fd
        try:
            refuse_while_written(fd, anchor)
        except BaseException:
            os.close(fd)
            raise

    def read(self, position: int) -> bytes:
        return os.pread(self._fd, _CHUNK, position)

    def look(self) -> Node:
        return look(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def _number(error: Exception) -> int:
    return (error.errno or 0) if isinstance(error, OSError) else 0
