"""What the connector sees: the root, the index, the watch and the scans that keep the index true."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from bridge.ports import BridgeError, Context, Refused, Unreachable, Waiting
from connectors.folder.index import Index
from connectors.folder.listing import Rules
from connectors.folder.scan import Seen
from connectors.smb import errors
from connectors.smb.errors import ServerStatus
from connectors.smb.line import FOLDER, LIST
from connectors.smb.lines import Lines
from connectors.smb.options import Options
from connectors.smb.scan import ShareScan
from connectors.smb.trash import recover
from connectors.smb.watch import Watch

_ROUNDS = 5
#: Time stamps of the server may lie a tick of its clock behind, in ns.
_TICK = 16_000_000
#: How long the server may take to tell the second half of a move (seconds).
_SETTLING = 0.2


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome of looking: ``whole`` when all was read without an error; ``folders`` listed; what a person reads."""

    whole: bool
    folders: int
    warnings: tuple[str, ...]


class Sight:
    """Blocking; its owner calls one method at a time, from any thread. ``now`` is the server's clock (ns)."""

    def __init__(self, options: Options, context: Context, *, wake: Callable[[], None]) -> None:
        self.options, self._context, self._wake = options, context, wake
        self.rules = Rules(options.include, options.exclude)
        self.lines = Lines(options, self._password)
        self.now: Callable[[], int] = lambda: time.time_ns() + self._ahead
        self._ahead = 0
        self._identity = ""
        self._index: Index | None = None
        self.watch: Watch | None = None
        self._deaf = ""
        self._waiting: dict[str, int] = {}
        self._retry: set[str] = set()
        self._scanned: float | None = None
        self._lost = True
        self._closing = False
        self._looked_again = False

    def _password(self) -> str:
        return self._context.secret(self.options.password).decode()

    # --- what there is ----------------------------------------------------------------------------------------------

    def verified(self) -> str:
        """The root's identity, volume and file id (see ``Node.anchor`` for the creation time); the same as before.

        Raises Unreachable, Refused, ConfigurationError.
        """
        try:
            with self.lines.borrow() as line, line.opened("", access=LIST, options=FOLDER) as handle:
                self._ahead = int(line.ahead * 1e9)
                found = f"{line.volume(handle):08x}-{handle.node.ino}"
        except ServerStatus as status:
            raise self.refused(status) from None
        if self._identity and found != self._identity:
            raise Unreachable(
                f"{self.options.place} is not the folder it was (expected {self._identity}, found {found}): it was "
                f"replaced or restored; nothing was concluded from what it shows"
            )
        self._identity = found
        return found

    def refused(self, status: ServerStatus) -> BridgeError:
        """The root itself can't be opened or read."""
        place = self.options.place
        if status.code == errors.ACCESS_DENIED:
            return Refused(f"{place}: access is denied: give {self.options.username} access to it")
        if status.code == errors.STOPPED_ON_SYMLINK:
            return Refused(f"{place} leads through a link: set root to the real place")
        if status.code in (errors.NAME_NOT_FOUND, errors.PATH_NOT_FOUND) and self.options.root and not self._identity:
            return Waiting(f"{place}: there is no folder of this name in the share (yet)")
        return Unreachable(f"{place} can't be opened ({status}): see whether it is there")

    @property
    def index(self) -> Index:
        if self._index is None:
            folder = self._context.directory
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            scope = f"{self._identity or self.verified()}\n{self.options.include}\n{self.options.exclude}"
            # With other patterns it is begun anew: leaving the scope is no deletion.
            digest = blake2b(scope.encode(), digest_size=16).hexdigest()
            self._index = Index(folder / "smb.sqlite" if folder else None, digest)
        return self._index

    def close(self) -> None:
        self._closing = True
        self._leave()
        if self._index is not None:
            self._index.close()
            self._index = None
        self.lines.close()

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self, *, everything: bool) -> Look:
        """Bring the index up to date. Raises Unreachable or Refused; nothing is concluded then."""
        if not self.options.read_only:
            with self.lines.borrow() as line:
                recover(line)
        dirty, lost = self._take_dirty()
        whole = everything or lost or self._lost or self._is_due()
        self._lost = True
        try:
            seen = self._scan(dirty, whole=whole)
        except ServerStatus as status:
            raise self.refused(status) from None
        self._lost = False
        if whole:
            self._scanned = self._context.monotonic()
        return Look(not seen.failed, seen.folders, tuple(self._warnings(seen)))

    def _scan(self, dirty: set[str], *, whole: bool) -> Seen:
        index, scan = self.index, self._scanner()
        if whole:
            scan.everything()
        else:
            scan.some(dirty | self._retry)
        more = self._settled(scan)
        if self._closing:
            raise Unreachable(f"{self.options.place}: the connector was closed while it listed")
        self.verified()
        seen = scan.seen
        if seen.failed or more:
            index.disown()
        else:
            scan.decide()
        self._retry = set(seen.failed) | seen.again
        self._waiting.update({path: at + self._quiet for path, at in seen.waiting.items()})
        return seen

    def _scanner(self) -> ShareScan:
        return ShareScan(self.index, self.lines, rules=self.rules, young=self._young, stop=lambda: self._closing)

    def _settled(self, scan: ShareScan) -> bool:
        """Look again where things came or went while others were listed; True when it does not come to rest.

        What vanished here may have come up in a folder that was listed before.
        """
        vanished: set[str] = set()
        for _ in range(_ROUNDS):
            again, scan.seen.again = scan.seen.again, set()
            now = {one.anchor for one in self.index.vanished()}
            if not again and now <= vanished:
                return False
            vanished = now
            if self.watch is None or not self.watch.alive:
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
        return True

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
        self._scanner().some([path])

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

    def _take_dirty(self) -> tuple[set[str], bool]:
        """What is dirty, and whether everything is."""
        now = self.now()
        due = {path for path, at in self._waiting.items() if at <= now}
        for path in due:
            del self._waiting[path]
        if not self.options.watch:
            return due, True
        if self.watch is not None and not self.watch.hears():
            self._leave()
        joined = self.watch is None and self._join()
        if self.watch is None:
            return due, True
        dirty, lost = self.watch.take_dirty()
        return dirty | due, lost or joined

    def _join(self) -> bool:
        line = self.lines.take()
        try:
            self.watch, self._deaf = Watch(line, ignores=self.rules.excludes_name, wake=self._wake), ""
        except ServerStatus as status:
            self.lines.give_back(line)
            self._deaf = str(status)
            return False
        return True

    def _leave(self) -> None:
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    # --- what a person reads ----------------------------------------------------------------------------------------

    def _warnings(self, seen: Seen) -> list[str]:
        place = self.options.place
        lines = [
            f"{place}: {count} not mirrored: {why} (for example {seen.examples[why]})"
            for why, count in sorted(seen.counted.items())
        ]
        if seen.failed:
            first = min(seen.failed)
            lines.append(
                f"{place}: {len(seen.failed)} folders can't be read (for example {first}: {seen.failed[first]}); no "
                f"deletion is concluded until they can"
            )
        if self._deaf and self.options.watch:
            lines.append(f"{place}: the server does not tell of changes ({self._deaf}): everything is listed each time")
        return lines
