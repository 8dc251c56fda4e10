"""The tree of inotify watches below a base directory: watchdog's, with another way of reading it.

watchdog 6 drops the kernel's overflow (``max_queued_events``) in silence, does not watch a directory that was moved in
from outside, and its queues hold events back to pair moves. Here an event only says in which folder to look, so none of
that pairing is needed, and what is waiting can be read at once by whoever wants to know.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import termios
from dataclasses import dataclass

from watchdog.observers import inotify_c
from watchdog.observers.inotify_c import Inotify, InotifyConstants

#: No opening, no reading: our own scans are no events. No IN_MODIFY: a file is looked at when it is closed.
_MASK = (
    InotifyConstants.IN_CREATE | InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_ATTRIB | InotifyConstants.IN_DELETE_SELF
)  # fmt: skip
_FROM, _TO, _CREATE = InotifyConstants.IN_MOVED_FROM, InotifyConstants.IN_MOVED_TO, InotifyConstants.IN_CREATE
_OPEN, _UNMOUNT, _OVERFLOW, _IGNORED = 0x20, 0x2000, 0x4000, 0x8000
_SELF, _IS_DIRECTORY = InotifyConstants.IN_DELETE_SELF, 0x40000000
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to ``name`` in a folder (absolute path as bytes); without a name: to the folder itself.

    ``source``: the folder was there before, and what happened in it is now at its new path. ``arrived``: the name came
    by a rename, so that something known may bear it now.
    """

    folder: bytes
    name: bytes
    opened: bool = False
    source: bytes = b""
    arrived: bool = False


class Tree(Inotify):
    """All watches below ``base``. Raises OSError (ENOSPC: too many watches, EMFILE: too many instances) when made.

    ``lost``: events are missing, everything has to be looked at. ``dead``: no more will come.
    """

    def __init__(self, base: bytes) -> None:
        super().__init__(base, recursive=True, event_mask=_MASK)
        self.lost = self.dead = False
        self._leaving: dict[int, bytes] = {}

    @property
    def watches(self) -> int:
        return len(self._path_for_wd)

    @property
    def waiting(self) -> bool:
        """Whether there are events that nobody has read."""
        size = array.array("i", [0])
        fcntl.ioctl(self.fd, termios.FIONREAD, size)
        return size[0] > 0

    def take(self) -> list[Event]:
        """Read what is waiting; blocks when nothing is. Not thread-safe."""
        # A move comes as two events, one right after the other: what has not arrived by the next reading has left.
        left, self._leaving = self._leaving, {}
        taken: list[Event] = []
        for wd, mask, cookie, name in self._parse_event_buffer(os.read(self.fd, _READ)):
            if mask & _OVERFLOW:
                self.lost = True
                continue
            folder = self._path_for_wd.get(wd)
            if folder is None:
                continue
            if mask & (_SELF | _UNMOUNT | _IGNORED):
                self._forget(wd, folder, mask)
                continue
            if mask & _IS_DIRECTORY and name:
                path = folder + b"/" + name
                if source := self._follow(path, mask, cookie, left):
                    taken.append(Event(path, b"", source=source))
            taken.append(Event(folder, name, bool(mask & _OPEN), arrived=bool(mask & _TO)))
        for path in left.values():
            self._unwatch(path)
        return taken

    def _forget(self, wd: int, folder: bytes, mask: int) -> None:
        if mask & _IGNORED:
            self._path_for_wd.pop(wd, None)
            if self._wd_for_path.get(folder) == wd:
                del self._wd_for_path[folder]
        if folder == self.path:
            self.lost = self.dead = True

    def _follow(self, path: bytes, mask: int, cookie: int, left: dict[int, bytes]) -> bytes:
        """Keep the tree of watches: new, moved in, moved within (returns whence), moved out."""
        if mask & _FROM:
            self._leaving[cookie] = path
        elif mask & _TO:
            source = self._leaving.pop(cookie, None) or left.pop(cookie, None)
            if source is not None and source in self._wd_for_path:
                self._moved(source, path)
                return source
            self._watch(path)
        elif mask & _CREATE:
            self._watch(path)
        return b""

    def _watch(self, path: bytes) -> None:
        try:
            if not os.path.islink(path):  # noqa: PTH114 - bytes
                self._add_dir_watch(path, _MASK, recursive=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            # Gone again is fine; out of watches is not: from now on something is not seen.
            self.lost = self.lost or os.path.isdir(path)  # noqa: PTH112 - bytes
            self.dead = self.dead or error.errno == 28

    def _moved(self, source: bytes, path: bytes) -> None:
        taken = path in self._wd_for_path
        inside = source + b"/"
        for known in [one for one in self._wd_for_path if one == source or one.startswith(inside)]:
            wd = self._wd_for_path.pop(known)
            now = path + known[len(source) :]
            self._wd_for_path[now] = wd
            self._path_for_wd[wd] = now
        # Two folders that changed places, or others at their names by now: which is which can't be told from events.
        if taken or not self._leads_to(path):
            self.lost = self.dead = True

    def _leads_to(self, path: bytes) -> bool:
        """Whether the folder that is believed to be at a path is there; one that has gone on since is told of yet."""
        return inotify_c.inotify_add_watch(self.fd, path, _MASK) in (-1, self._wd_for_path[path])

    def _unwatch(self, path: bytes) -> None:
        inside = path + b"/"
        for known in [one for one in self._wd_for_path if one == path or one.startswith(inside)]:
            inotify_c.inotify_rm_watch(self.fd, self._wd_for_path[known])

    def knock(self, path: bytes) -> bool:
        """Open a watched directory and tell the kernel to say so; False when it is not watched."""
        if path not in self._wd_for_path or self.dead:
            return False
        try:
            if inotify_c.inotify_add_watch(self.fd, path, _MASK | _OPEN) != self._wd_for_path[path]:
                return False
            os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                inotify_c.inotify_add_watch(self.fd, path, _MASK)
        return True

    def give_back(self) -> None:
        """Close everything."""
        for fd in (self.fd, self._kill_r, self._kill_w):
            with contextlib.suppress(OSError):
                os.close(fd)
