"""A folder of a share of another server as what a tree lies in: the server hints, several connections list."""

from __future__ import annotations

import contextlib
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import date

from bridge.ports import BridgeError, Busy, ContentChanged, Refused, Unreachable, Waiting
from connectors.smb import errors
from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.hands import ShareHands
from connectors.smb.line import FILE, FOLDER, LIST, READ, SHARE_DELETE, SHARE_READ
from connectors.smb.lines import Lines
from connectors.smb.listing import ShareLister
from connectors.smb.options import Options
from connectors.smb.trash import Trash, recover
from connectors.smb.watch import Watch
from connectors.smb.wire import Node
from connectors.tree.index import Entry, Index
from connectors.tree.rules import Rules
from connectors.tree.scan import Scan

_ROUNDS = 5
#: How long the server may take to tell the second half of a move (seconds).
_SETTLING = 0.2
_OPEN = "a program has it open; it is written when it is closed"
_DENIED = "access is denied: give the bridge's account the right to change this, and see that nobody has it open"
_FULL = "the server's disk is full, or the quota is used up: make room"
_NAME = "the server refuses the name: rename it on the other side"
_GONE = ("stale", "it is not there any more; the next observation tells", True)
_CAUSES: dict[int, tuple[str, str, bool]] = {
    **dict.fromkeys(ABSENT, _GONE),
    errors.SHARING_VIOLATION: ("busy", _OPEN, True),
    errors.FILE_LOCK_CONFLICT: ("busy", _OPEN, True),
    errors.OPLOCK_BREAK: ("busy", _OPEN, True),
    errors.ACCESS_DENIED: ("denied", _DENIED, True),
    errors.CANNOT_DELETE: ("denied", "it is read-only: take the attribute away", True),
    errors.MEDIA_WRITE_PROTECTED: ("denied", "the share is read-only", True),
    errors.DISK_FULL: ("quota", _FULL, True),
    errors.QUOTA_EXCEEDED: ("quota", _FULL, True),
    errors.NAME_COLLISION: ("name_taken", "the name is taken already by something else", False),
    errors.IS_A_DIRECTORY: ("name_taken", "the name is taken already by a folder", False),
    errors.NAME_INVALID: ("name_refused", _NAME, False),
    errors.PATH_SYNTAX_BAD: ("name_refused", _NAME, False),
    errors.PATH_INVALID: ("name_refused", _NAME, False),
    errors.NAME_TOO_LONG: ("path_too_long", "the name or path is too long for the server: shorten it", False),
    errors.INVALID_PARAMETER: ("invalid", "the server refuses this (a folder into itself)", False),
}


class ShareStorage:
    """See ``connectors.tree.storage.Storage``. ``password`` is asked for with every new connection."""

    failure: type[Exception] = ServerStatus
    #: Time stamps of the server may lie a tick of its clock behind.
    tick = 16_000_000
    #: See ``Node.anchor``.
    drifts = True
    #: The wire takes its time, and other connections are free.
    soon = -1

    def __init__(self, options: Options, password: Callable[[], str]) -> None:
        self.options, self.rules = options, Rules(options.include, options.exclude)
        self.password, self.lines = password, Lines(options, password)
        self.parallel = options.connections
        self.watch: Watch | None = None
        self._wake: Callable[[], None] = lambda: None
        self._ahead = 0
        self._identity = ""
        self._why_deaf = ""

    @property
    def where(self) -> str:
        return f"share {self.options.place}"

    def now(self) -> int:
        """The server's clock."""
        return time.time_ns() + self._ahead

    def listen(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    # --- the root ---------------------------------------------------------------------------------------------------

    def identity(self) -> str:
        """Volume and file id (see ``Node.anchor`` for the creation time)."""
        try:
            with self.lines.borrow() as line, line.opened("", access=LIST, options=FOLDER) as handle:
                self._ahead = int(line.ahead * 1e9)
                found = f"{line.volume(handle):08x}-{handle.node.ino}"
        except ServerStatus as status:
            raise self.refused(status) from None
        if self._identity and found != self._identity:
            raise Unreachable(
                f"{self.where} is not the folder it was (expected {self._identity}, found {found}): it was "
                f"replaced or restored; nothing was concluded from what it shows"
            )
        self._identity = found
        return found

    def refused(self, error: Exception) -> BridgeError:
        code = _code(error)
        if code == errors.ACCESS_DENIED:
            return Refused(f"{self.where}: access is denied: give {self.options.username} access to it")
        if code == errors.STOPPED_ON_SYMLINK:
            return Refused(f"{self.where} leads through a link: set root to the real place")
        if code in (errors.NAME_NOT_FOUND, errors.PATH_NOT_FOUND) and self.options.root and not self._identity:
            return Waiting(f"{self.where}: there is no folder of this name in the share (yet)")
        return Unreachable(f"{self.where} can't be opened ({error}): see whether it is there")

    def why(self, error: Exception) -> str:
        return str(error)

    def cause(self, error: Exception) -> tuple[str, str, bool]:
        return _CAUSES.get(_code(error), ("failed", f"the server answered {error}", True))

    def close(self) -> None:
        self._leave()
        self.lines.close()

    # --- looking ----------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        with self.lines.borrow() as line:
            recover(line)

    def lister(self) -> ShareLister:
        return ShareLister(self.lines, self.rules)

    def told(self) -> tuple[set[str], bool]:
        if not self.options.watch:
            return set(), True
        if self.watch is not None and not self.watch.hears():
            self._leave()
        joined = self.watch is None and self._join()
        if self.watch is None:
            return set(), True
        dirty, lost = self.watch.take_dirty()
        return dirty, lost or joined

    def _join(self) -> bool:
        line = self.lines.take()
        try:
            self.watch, self._why_deaf = Watch(line, ignores=self.rules.excludes_name, wake=self._wake), ""
        except ServerStatus as status:
            self.lines.give_back(line)
            self._why_deaf = str(status)
            return False
        return True

    def _leave(self) -> None:
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    @property
    def watching(self) -> bool:
        return self.watch is not None and self.watch.alive

    @property
    def deaf(self) -> str:
        why = self._why_deaf
        return f"the server does not tell of changes ({why}): everything is listed each time" if why else ""

    def rest(self, scan: Scan, index: Index, *, begun: int) -> set[str]:
        vanished = array("q")
        again: set[str] = set()
        for _ in range(_ROUNDS):
            again, scan.seen.again = scan.seen.again, set()
            now = _vanished(index)
            if not again and all(_holds(vanished, one) for one in now):
                return set()
            vanished = now
            if not self.watching or self.watch is None:
                # Nobody tells where it went: only another look at everything does.
                scan.everything()
                continue
            if now:
                time.sleep(_SETTLING)
            if not self.watch.hears():
                continue
            dirty, lost = self.watch.take_dirty()
            if lost:
                scan.everything()
            else:
                scan.some(dirty | again)
        return scan.seen.again | again | {""}

    # --- reading and writing ----------------------------------------------------------------------------------------

    def open(self, path: str, entry: Entry) -> ShareReading:
        return ShareReading(self.lines, path)

    def unread(self, error: Exception, anchor: str) -> Exception:
        code = _code(error)
        if code in ABSENT:
            return ContentChanged(f"file {anchor} is not any more where it was observed")
        if code in (errors.SHARING_VIOLATION, errors.FILE_LOCK_CONFLICT):
            return Busy(f"file {anchor} is open for writing; it is read when it is closed")
        if code == errors.ACCESS_DENIED:
            return Busy(f"file {anchor} can't be read (access denied): give the bridge's account access to it")
        return Unreachable(f"file {anchor} can't be read ({error}): see the server")

    @contextlib.contextmanager
    def hands(self) -> Iterator[ShareHands]:
        with self.lines.borrow() as line:
            yield ShareHands(line, self.lines)

    def empty_trash(self, today: date, days: int) -> None:
        with self.lines.borrow() as line:
            Trash(line).expire(today, days)


class ShareReading:
    """A file that is open over a connection of its own.

    The first opening lets nobody write, and so finds out whether somebody does (a sharing violation); kept, it would
    hold up a teacher who wants to save, for as long as a slow line takes. So the reading goes on with a second one that
    hinders nobody, and the look at the end tells.
    """

    def __init__(self, lines: Lines, path: str) -> None:
        self._lines, self._line = lines, lines.take()
        try:
            with self._line.opened(path, access=READ, share=SHARE_READ | SHARE_DELETE, options=FILE) as first:
                self._handle = self._line.open(path, access=READ, options=FILE)
                self._first: Node | None = first.node
        except BaseException:
            lines.give_back(self._line)
            raise

    def read(self, position: int) -> bytes:
        return self._line.read(self._handle, position, self._line.chunk)

    def look(self) -> Node:
        """The first time as it was opened, without asking again."""
        first, self._first = self._first, None
        return first or self._line.look(self._handle)

    def close(self) -> None:
        self._line.close_handle(self._handle)
        self._lines.give_back(self._line)


def _vanished(index: Index) -> array[int]:
    """Hashes of what vanished, in order: there may be a million of them."""
    return array("q", sorted(hash(one.anchor) for kind in ("file", "folder") for one in index.vanished(kind)))


def _holds(some: array[int], one: int) -> bool:
    place = bisect_left(some, one)
    return place < len(some) and some[place] == one


def _code(error: Exception) -> int:
    return error.code if isinstance(error, ServerStatus) else 0
