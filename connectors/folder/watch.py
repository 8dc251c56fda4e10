"""Hints: one tree of watches for each base directory of the process, shared by all roots below it.

inotify instances are few (128 for all programs of a user), so a tree is opened with the first root below a base and
closed with the last. Events are read by a thread, or by whoever has to know that nothing is waiting (``drain``).
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.folder.tree import Event, Tree
from connectors.tree.rules import is_waste


@dataclass(slots=True)
class Mirror:
    """What a root wants to know. ``dirty``: paths of folders in which something happened, below the root. ``lost``:
    something was missed, everything is dirty. ``wake`` is called from another thread."""

    root: bytes
    ignores: Callable[[str], object]
    wake: Callable[[], None]
    dirty: set[str] = field(default_factory=set)
    lost: bool = True
    heard: bool = False


class Watch:
    """The tree below one base, its thread and the roots that listen."""

    def __init__(self, base: bytes) -> None:
        self.base = base
        self._mirrors: dict[bytes, Mirror] = {}
        self._lock = threading.RLock()
        self._tree = Tree(base)
        self._stopping, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="schoolbridge-watch", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether events still come."""
        return not self._tree.dead and self._thread.is_alive()

    @property
    def watches(self) -> int:
        return self._tree.watches

    def add(self, mirror: Mirror) -> None:
        with self._lock:
            self._mirrors[mirror.root] = mirror

    def remove(self, mirror: Mirror) -> int:
        """Returns how many roots still listen."""
        with self._lock:
            if self._mirrors.get(mirror.root) is mirror:
                del self._mirrors[mirror.root]
            return len(self._mirrors)

    def close(self) -> None:
        os.write(self._stop, b"!")
        self._thread.join(5)
        with self._lock:
            self._tree.dead = True
            self._tree.give_back()
            for fd in (self._stopping, self._stop):
                os.close(fd)

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._tree.fd, select.POLLIN)
        poller.register(self._stopping, select.POLLIN)
        while not self._tree.dead:
            ready = {fd for fd, _ in poller.poll()}
            if self._stopping in ready:
                return
            self.drain()

    def drain(self) -> None:
        """Take in every event of what happened before this call."""
        with self._lock:
            try:
                while not self._tree.dead and self._tree.waiting:
                    for event in self._tree.take():
                        self._dispatch(event)
            except OSError:
                self._tree.lost = self._tree.dead = True
            if self._tree.lost:
                self._tree.lost = False
                for mirror in self._mirrors.values():
                    mirror.lost = True
                    mirror.wake()

    def _dispatch(self, event: Event) -> None:
        here = event.folder
        while here not in self._mirrors:
            if len(here) <= len(self.base):
                return
            here = os.path.dirname(here)  # noqa: PTH120 - bytes
        mirror = self._mirrors[here]
        if event.opened:
            mirror.heard = mirror.heard or event.folder == mirror.root
            return
        if event.source:
            self._moved(mirror, event)
        name = os.fsdecode(event.name)
        if not name or (mirror.ignores(name) and (not event.arrived or is_waste(name))):
            return
        path = os.fsdecode(event.folder[len(here) + 1 :])
        if any(mirror.ignores(step) for step in path.split("/")) if path else False:
            return
        mirror.dirty.add(path)
        mirror.wake()

    @staticmethod
    def _moved(mirror: Mirror, event: Event) -> None:
        """Folders that are dirty have gone with the one that they are in; from another root it is looked at anyway."""
        before, after = (os.fsdecode(one[len(mirror.root) + 1 :]) for one in (event.source, event.folder))
        if event.source.startswith(mirror.root + b"/"):
            gone = {one for one in mirror.dirty if one == before or one.startswith(before + "/")}
            mirror.dirty |= {after + one[len(before) :] for one in gone}

    def hears(self, mirror: Mirror) -> bool:
        """The canary: open the root and see whether the kernel tells. It needs no right to write.

        False: the watch is deaf (the root is another directory than the watched one, its file system went away, the
        instance was closed), and nothing may be concluded from its silence.
        """
        with self._lock:
            if not self.alive:
                return False
            self.drain()  # a root that was made a moment ago is watched once that was read
            mirror.heard = False
            if not self._tree.knock(mirror.root):
                return False
            self.drain()
            return mirror.heard

    def take_dirty(self, mirror: Mirror) -> tuple[set[str], bool]:
        """What is dirty up to now, and whether everything is; both are clean afterwards."""
        self.drain()
        with self._lock:
            dirty, mirror.dirty = mirror.dirty, set()
            lost, mirror.lost = mirror.lost, False
            return dirty, lost


class Watches:
    """The trees of this process by base; each is there as long as somebody listens."""

    def __init__(self) -> None:
        self._by_base: dict[bytes, Watch] = {}
        self._lock = threading.Lock()

    def join(self, base: bytes, mirror: Mirror) -> Watch:
        """Listen below a base. Raises OSError when the kernel's limits don't allow it."""
        with self._lock:
            watch = self._by_base.get(base)
            if watch is None or not watch.alive:
                watch = self._by_base[base] = Watch(base)
            watch.add(mirror)
            return watch

    def leave(self, watch: Watch, mirror: Mirror) -> None:
        with self._lock:
            if watch.remove(mirror) == 0:
                if self._by_base.get(watch.base) is watch:
                    del self._by_base[watch.base]
                watch.close()


#: One for the process: inotify instances are counted for all of it.
WATCHES = Watches()
