"""What the connector sees: the root, the index, the watch and the scans that keep the index true."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from bridge.ports import Context, Unreachable
from connectors.folder.index import Index
from connectors.folder.listing import Rules
from connectors.folder.mounts import tells_of_changes
from connectors.folder.options import Options
from connectors.folder.root import Root
from connectors.folder.scan import Scan, Seen
from connectors.folder.trash import Trash
from connectors.folder.watch import WATCHES, Mirror, Watch

#: How often folders that change while they are scanned are scanned again before a removal is put off.
_ROUNDS = 5
#: Time stamps of the file system may lie a tick of the kernel's clock (100 Hz or more) behind, in ns.
_TICK = 12_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome of looking: ``whole`` when all was read without an error; ``folders`` listed; what a person reads."""

    whole: bool
    folders: int
    warnings: tuple[str, ...]


class Sight:
    """Blocking; its owner calls one method at a time, from any thread.

    ``now`` is the clock of the file system's time stamps (ns); tests replace it.
    """

    def __init__(self, options: Options, context: Context, *, wake: Callable[[], None]) -> None:
        self.options, self._context = options, context
        self.rules = Rules(options.include, options.exclude)
        self.now: Callable[[], int] = time.time_ns
        self._root: Root | None = None
        self._index: Index | None = None
        self._watch: Watch | None = None
        self._mirror = Mirror(b"", self.rules.excludes_name, wake)
        self._deaf = ""
        self._waiting: dict[str, int] = {}
        self._retry: set[str] = set()
        self._scanned: float | None = None
        self._closing = False
        #: Folders that the last look listed.
        self.listed = 0
        self._looked_again = False

    # --- what there is ----------------------------------------------------------------------------------------------

    def verified(self) -> Root:
        """The root, proved to be the one it was. Raises Unreachable or Refused."""
        if self._root is None or self._root.fd < 0:
            self._root = Root(self.options.base, self.options.root)
        else:
            self._root.verify()
        return self._root

    @property
    def root(self) -> Root:
        return self._root or self.verified()

    @property
    def index(self) -> Index:
        if self._index is None:
            folder = self._context.directory
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._index = Index(folder / "folder.sqlite" if folder else None, self._scope())
        return self._index

    def _scope(self) -> str:
        """What the index is an index of. With other patterns it is begun anew: leaving the scope is no deletion."""
        text = f"{self.root.identity}\n{self.options.include}\n{self.options.exclude}"
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def close(self) -> None:
        self._closing = True
        self._leave()
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._root is not None:
            self._root.close()
            self._root = None

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self, *, everything: bool) -> Look:
        """Bring the index up to date. Raises Unreachable or Refused; nothing is concluded then."""
        dirty, lost = self._dirty()
        whole = everything or lost or self._is_due()
        try:
            seen = self._scan(dirty, whole=whole)
        except BaseException as error:
            self._mirror.lost = True
            if isinstance(error, OSError):
                raise _translated(error, self.options.path) from error
            raise
        if whole:
            self._scanned = self._context.monotonic()
            self._empty_trash()
        self.listed = seen.folders
        return Look(not seen.failed, seen.folders, tuple(self._warnings(seen)))

    def _scan(self, dirty: set[str], *, whole: bool) -> Seen:
        root, index = self.root, self.index
        scan = Scan(index, root.fd, rules=self.rules, young=self._young, stop=lambda: self._closing)
        begun = self.now()
        if whole:
            scan.everything()
        else:
            scan.some(dirty | self._retry)
        more: set[str] = set()
        for _ in range(_ROUNDS):
            more, begun = self._meanwhile(scan.seen, begun)
            if not more:
                break
            scan.some(more)
        if self._closing:
            raise Unreachable(f"directory {self.options.path}: the connector was closed while it scanned")
        root.verify()
        seen = scan.seen
        if seen.failed or more:
            index.disown()
        else:
            scan.decide()
        self._retry = set(seen.failed) | more
        self._waiting.update({path: at + self._quiet for path, at in seen.waiting.items()})
        return seen

    def _meanwhile(self, seen: Seen, begun: int) -> tuple[set[str], int]:
        """Folders that changed while others were scanned: what vanished there may have come up here."""
        more, seen.again = seen.again, set()
        alone = self._watch is None or self._mirror.lost
        if alone and self.index.vanished():
            # Whatever changes from now on has a later time stamp than what is looked for.
            time.sleep(2 * _TICK / 10**9)
        now = self.now()
        if self._watch is not None:
            dirty, lost = self._watch.take_dirty(self._mirror)
            self._mirror.lost = self._mirror.lost or lost
            more |= dirty
        if alone and self.index.vanished():
            more |= self._changed_since(begun - _TICK)
        return more, now

    def _changed_since(self, begun: int) -> set[str]:
        """Folders whose own time stamp says that a name came or went; one stat a folder."""
        found: set[str] = set()
        for row in self.index.all_directories():
            path = self.index.path(row)
            try:
                if path is not None and os.stat(path or ".", dir_fd=self.root.fd).st_mtime_ns >= begun:
                    found.add(path)
            except OSError:
                continue
        return found

    def _empty_trash(self) -> None:
        """Take away what was kept long enough; what can't be removed is tried again with the next scan."""
        if not self.options.read_only:
            with contextlib.suppress(OSError):
                Trash(self.root.fd).expire(self._context.clock().date(), self.options.trash_days)

    def _is_due(self) -> bool:
        last = self._scanned
        return last is None or self._context.monotonic() - last >= self.options.scan_hours * 3600

    # --- files that are still being written -------------------------------------------------------------------------

    @property
    def _quiet(self) -> int:
        return int(self.options.quiet_seconds * 10**9)

    def _young(self, mtime: int) -> bool:
        # A time stamp from the future was set by a program, not by a write that goes on.
        return -_TICK <= self.now() - mtime < self._quiet

    def next_due(self) -> float | None:
        """Seconds until a file that was too young can be looked at again; None when there is none."""
        return max(0.0, (min(self._waiting.values()) - self.now()) / 10**9) + 0.01 if self._waiting else None

    def look_into(self, path: str) -> None:
        """Bring one folder up to date at once; nothing is concluded about what vanished from it."""
        self._retry.add(path)
        Scan(self.index, self.root.fd, rules=self.rules, young=self._young, stop=lambda: False).some([path])

    def begin_writing(self) -> None:
        """A call of ``apply`` begins. Raises Unreachable or Refused."""
        self.verified()
        self._looked_again = False

    def look_again(self) -> bool:
        """Bring the index up to date for an anchor that it does not know, once for each call of ``apply``."""
        again, self._looked_again = not self._looked_again, True
        if again:
            self.look(everything=False)
        return again

    def mark(self, path: str) -> None:
        """Look into a folder at the next observation: something there is not as expected."""
        self._retry.add(path)

    # --- hints ------------------------------------------------------------------------------------------------------

    def _dirty(self) -> tuple[set[str], bool]:
        """What is dirty, and whether everything is."""
        now = self.now()
        due = {path for path, at in self._waiting.items() if at <= now}
        for path in due:
            del self._waiting[path]
        if not self.options.watch:
            return due, True
        if self._watch is not None and not self._watch.hears(self._mirror):
            self._leave()
        if self._watch is None:
            self._join()
        if self._watch is None:
            return due, True
        dirty, lost = self._watch.take_dirty(self._mirror)
        return dirty | due, lost

    def _join(self) -> None:
        base = os.fsencode(os.path.realpath(self.options.base))
        self._mirror.root = base + b"/" + os.fsencode(self.options.root) if self.options.root else base
        self._mirror.dirty, self._mirror.lost = set(), True
        kind = tells_of_changes(self.root.node.mount)
        if kind is not None:
            self._deaf = f"{kind} does not tell of what others change there"
            return
        try:
            self._watch = WATCHES.join(base, self._mirror)
        except OSError as error:
            self._deaf = f"{os.strerror(error.errno or 0)}; see fs.inotify.max_user_watches and max_user_instances"
            return
        self._deaf = ""
        if not self._watch.hears(self._mirror):
            self._deaf = "the kernel sends no events"
            self._leave()

    def _leave(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            WATCHES.leave(watch, self._mirror)

    @property
    def watching(self) -> bool:
        """Whether a watch lives, so that an observation costs what changed only."""
        return self._watch is not None and self._watch.alive

    # --- what a person reads ----------------------------------------------------------------------------------------

    def _warnings(self, seen: Seen) -> list[str]:
        path = self.options.path
        lines = [
            f"directory {path}: {count} not mirrored: {why} (for example {printable(seen.examples[why])})"
            for why, count in sorted(seen.counted.items())
        ]
        if seen.failed:
            first = min(seen.failed)
            lines.append(
                f"directory {path}: {len(seen.failed)} folders can't be read (for example {printable(first)}: "
                f"{seen.failed[first]}); no deletion is concluded until they can"
            )
        if self._deaf and self.options.watch:
            lines.append(f"directory {path}: the kernel does not tell of changes ({self._deaf}): scanned each time")
        return lines


def printable(name: str) -> str:
    """A name for a person, also one that is no UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def _translated(error: OSError, path: Path) -> Exception:
    return Unreachable(f"directory {path} can't be read ({os.strerror(error.errno or 0)}): see its disk")
