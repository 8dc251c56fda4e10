"""What the connector sees: the root, the index, the watch and the scans that keep the index true."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from hashlib import blake2b

from bridge.ports import Context, Unreachable
from connectors.tree.hands import Place
from connectors.tree.index import Index
from connectors.tree.options import TreeOptions
from connectors.tree.rules import Rules
from connectors.tree.scan import Scan, Seen
from connectors.tree.scope import Scope
from connectors.tree.storage import Storage


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome of looking: ``whole`` when all was read without an error; ``folders`` listed; what a person reads."""

    whole: bool
    folders: int
    warnings: tuple[str, ...]


class Sight:
    """Blocking; its owner calls one method at a time, from any thread. ``index_file`` is its name in the directory.

    ``now`` is the clock of the storage's time stamps (ns); tests replace it.
    """

    def __init__(self, storage: Storage, options: TreeOptions, context: Context, *, index_file: str) -> None:
        self.storage, self.options, self._context, self._index_file = storage, options, context, index_file
        self.rules = Rules(options.include, options.exclude)
        self.now = storage.now
        self._index: Index | None = None
        self._outside = Scope()
        self._waiting: dict[str, int] = {}
        self._retry: set[str] = set()
        self._scanned: float | None = None
        # Something may have been missed: only a look at everything tells.
        self._lost = True
        self._closing = False
        #: Folders that the last look listed.
        self.listed = 0
        self._looked_again = False

    # --- what there is ----------------------------------------------------------------------------------------------

    @property
    def index(self) -> Index:
        if self._closing:
            raise self._closed()
        if self._index is None:
            folder = self._context.directory
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._index = Index(folder / self._index_file if folder else None, _short(self.storage.identity()))
            self._index.drifts = self.storage.drifts
            # With other patterns it is kept: what they exclude leaves the scope only if it is known what it was.
            self._index.hold_to(_short(f"{self.options.include}\n{self.options.exclude}"))
        return self._index

    @property
    def watching(self) -> bool:
        """Whether a watch lives, so that an observation costs what changed only."""
        return self.storage.watching

    def close(self) -> None:
        self.stop()
        if self._index is not None:
            self._index.close()
            self._index = None
        self.storage.close()

    def stop(self) -> None:
        """End a look that goes on: it raises Unreachable, and so does whoever asks for the index from now on."""
        self._closing = True

    def _closed(self) -> Unreachable:
        return Unreachable(f"{self.storage.where}: the connector was closed while it was looked at")

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self, *, everything: bool) -> Look:
        """Bring the index up to date. Raises Unreachable or Refused; nothing is concluded then."""
        try:
            if not self.options.read_only:
                self.storage.prepare()
            dirty, lost = self._dirty()
            whole = everything or lost or self._lost or self._is_due()
            self._lost = True
            seen = self._scan(dirty, whole=whole)
        except self.storage.failure as error:
            raise self.storage.refused(error) from error
        self._lost = False
        if whole:
            self._scanned = self._context.monotonic()
            self._empty_trash()
        self.listed = seen.folders
        return Look(not seen.failed, seen.folders, tuple(self._warnings(seen)))

    def _scan(self, dirty: set[str], *, whole: bool) -> Seen:
        index, scan, begun = self.index, self._scanner(), self.now()
        if whole:
            scan.everything()
        else:
            scan.some(dirty | self._retry)
        more = self.storage.rest(scan, index, begun=begun)
        if self._closing:
            raise self._closed()
        self.storage.identity()
        seen = scan.seen
        if seen.failed or more:
            index.disown()
        else:
            scan.decide()
        self._retry = set(seen.failed) | more
        self._waiting.update({path: at + self._quiet for path, at in seen.waiting.items()})
        return seen

    def _scanner(self) -> Scan:
        sweeps = not self.options.read_only
        return Scan(
            self.index,
            self.storage,
            young=self._young,
            stop=lambda: self._closing,
            sweeps=sweeps,
            scope=self._outside,
        )

    def _dirty(self) -> tuple[set[str], bool]:
        """What is dirty, and whether everything is."""
        now = self.now()
        due = {path for path, at in self._waiting.items() if at <= now}
        for path in due:
            del self._waiting[path]
        dirty, lost = self.storage.told()
        return dirty | due, lost

    def _is_due(self) -> bool:
        last = self._scanned
        return last is None or self._context.monotonic() - last >= self.options.scan_hours * 3600

    def _empty_trash(self) -> None:
        """Take away what was kept long enough; what can't be removed is tried again with the next look at all."""
        if not self.options.read_only:
            with contextlib.suppress(self.storage.failure):
                self.storage.empty_trash(self._context.clock().date(), self.options.trash_days)

    # --- files that are still being written -------------------------------------------------------------------------

    @property
    def _quiet(self) -> int:
        return int(self.options.quiet_seconds * 10**9)

    def _young(self, mtime: int) -> bool:
        # A time stamp from the future was set by a program, not by a write that goes on.
        return self._quiet > 0 and -self.storage.tick <= self.now() - mtime < self._quiet

    def next_due(self) -> float | None:
        """Seconds until a file that was too young can be looked at again; None when there is none."""
        return max(0.0, (min(self._waiting.values()) - self.now()) / 10**9) + 0.01 if self._waiting else None

    # --- for writes -------------------------------------------------------------------------------------------------

    def begin_writing(self) -> None:
        """A call of ``apply`` begins. Raises Unreachable or Refused."""
        self.storage.identity()
        try:
            self.storage.prepare()
        except self.storage.failure as error:
            raise self.storage.refused(error) from error
        self._looked_again = False

    def look_again(self) -> bool:
        """Bring the index up to date for an anchor that it does not know, once for each call of ``apply``."""
        again, self._looked_again = not self._looked_again, True
        if again:
            self.look(everything=False)
        return again

    def look_into(self, path: str) -> None:
        """Bring one folder up to date at once; nothing is concluded about what vanished from it."""
        scan = self._scanner()
        scan.some([path])
        self._retry |= {path} | scan.seen.again

    def mark(self, path: str) -> None:
        """Look into a folder at the next observation: something there is not as expected."""
        self._retry.add(path)

    def takes(self, place: Place, anchor: str) -> None:
        """Something was put at a place that was free: whatever the index had there is looked for."""
        if self.index.displace(place.row, place.name, by=anchor):
            self.mark(place.path)

    def made(self, anchor: str) -> None:
        """A folder was made: another one with its id is not there any more."""
        index = self.index
        before = index.by_anchor(index.known(anchor))
        if before is not None and before.anchor != anchor:
            index.vanish([before.vanished()])
            if (path := index.path(before.parent)) is not None:
                self.mark(path)

    def mark_links(self, ino: int, *, besides: int) -> None:
        """Look into all other folders that have a name of this file: what was done to one name changed its ctime."""
        rows = (row for row in self.index.rows_holding(ino) if row != besides)
        self._retry.update(path for row in rows if (path := self.index.path(row)) is not None)

    # --- what a person reads ----------------------------------------------------------------------------------------

    def _warnings(self, seen: Seen) -> list[str]:
        where = self.storage.where
        lines = [
            f"{where}: {count} not mirrored: {why} (for example {printable(seen.examples[why])})"
            for why, count in sorted(seen.counted.items())
        ]
        if seen.failed:
            first = min(seen.failed)
            lines.append(
                f"{where}: {len(seen.failed)} folders can't be read (for example {printable(first)}: "
                f"{seen.failed[first]}); no deletion is concluded until they can"
            )
        if seen.swept:
            lines.append(f"{where}: {seen.swept} unfinished files of an interrupted run were removed")
        if self.options.watch and self.storage.deaf:
            lines.append(f"{where}: {self.storage.deaf}")
        return lines


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def printable(name: str) -> str:
    """A name for a person, also one that is no Unicode."""
    return name.encode(errors="replace").decode()
