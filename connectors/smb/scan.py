"""The scan of a share: like that of a directory of this machine, but folders are listed by several workers at once.

What is compared, logged and decided is decided by ``connectors.folder`` (``Scan``, ``Differences``); only where the
entries come from differs: all of it from the listing, times and ids included, never a request for a single file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from connectors.folder.differences import Differences
from connectors.folder.index import ROOT, Directory, Entry, Index, Vanished
from connectors.folder.listing import Rules
from connectors.folder.scan import Scan, Seen
from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.lines import Lines
from connectors.smb.listing import Listing, sorted_out
from connectors.smb.wire import Node, Rows

#: Folders that go into one transaction of the index.
_BATCH = 400
_Task = tuple[str, int | None, bool]


class ShareDifferences(Differences):
    """The comparison of one folder's listing with the index. ``still`` asks whether a file id is still at a path."""

    def __init__(
        self, index: Index, here: Directory, *, young: Callable[[int], bool], still: Callable[[str, int], bool]
    ) -> None:
        super().__init__(index, -1, here, opened=-1, young=young)
        self._still = still
        self._nodes: dict[str, Node] = {}

    def take(self, listing: Listing) -> None:
        """See ``Differences.settle``."""
        self._nodes = listing.nodes()
        self._keep_identities()
        self.settle(listing)  # type: ignore[arg-type]

    def _keep_identities(self) -> None:
        """Let a file be the one it was although its creation time is told otherwise now (see ``Node.anchor``).

        That is so at the same place, and elsewhere when size and time of the last write are the same.
        """
        before = self._index.files(self._here.id)
        vanished = {one.ino: one for one in self._index.vanished() if one.kind == "file"}
        names = Counter(node.ino for node in self._nodes.values())
        for name, node in self._nodes.items():
            links = names[node.ino]
            old: Entry | Vanished | None = before.get(name)
            if old is None or old.ino != node.ino:
                gone = vanished.get(node.ino)
                elsewhere = [gone] if gone else self._elsewhere(node)
                links += len(elsewhere)
                old = next((one for one in elsewhere if (one.mtime, one.size) == (node.mtime, node.size)), None)
            born = old.btime if old is not None else node.btime
            if (born, links) != (node.btime, 1):
                self._nodes[name] = replace(node, btime=born, links=links)

    def _elsewhere(self, node: Node) -> Sequence[Entry | Vanished]:
        rows = self._index.rows_of(f"{node.ino}:")
        return [one for row in rows for one in self._index.files(row).values() if one.ino == node.ino]

    def _look(self, name: str) -> Node:  # type: ignore[override]
        return self._nodes[name]

    def _still_there(self, row: int, known: Entry) -> bool:
        path = self._index.path(row)
        return path is not None and self._still(join(path, known.name), known.ino)


class ShareScan(Scan):
    """One scan of a root with ``workers`` connections. Blocking."""

    def __init__(
        self, index: Index, lines: Lines, *, rules: Rules, young: Callable[[int], bool], stop: Callable[[], bool]
    ) -> None:
        self._index, self._lines, self._rules, self._young, self._stop = index, lines, rules, young, stop
        self._workers = lines.options.connections
        self._top = ""
        self.seen = Seen()

    def _below(self, start: list[tuple[str, int | None]], *, deep: bool) -> None:
        stack: list[_Task] = [(path, row, deep) for path, row in reversed(start)]
        pending: dict[Future[tuple[Node, Rows]], _Task] = {}
        taken = 0
        self._index.begin()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="schoolbridge-smb") as pool:
            try:
                while (stack or pending) and not self._stop():
                    while stack and len(pending) < self._workers * 2:
                        task = stack.pop()
                        pending[pool.submit(self._list, task[0])] = task
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        stack += self._taken(pending.pop(future), future)
                        taken += 1
                    if taken >= _BATCH:
                        taken = 0
                        self._index.commit()
                        self._index.begin()
                self._index.commit()
            except BaseException:
                self._index.roll_back()
                raise
            finally:
                for future in pending:
                    future.cancel()

    def _list(self, path: str) -> tuple[Node, Rows]:
        with self._lines.borrow() as line:
            return line.list(path)

    def _taken(self, task: _Task, future: Future[tuple[Node, Rows]]) -> Iterable[_Task]:
        path, row, whole = task
        try:
            node, rows = future.result()
        except ServerStatus as status:
            if path == "":
                raise
            if status.code in ABSENT:
                # It was moved or deleted meanwhile: whoever holds it now shows it.
                return self._once_more(path, path.rpartition("/")[0], row)
            self.seen.failed[path] = str(status)
            return []
        here = self._known(path, row, anchor=node.anchor)
        if here is None:
            return self._once_more(path, path.rpartition("/")[0], row)
        if here.id == ROOT:
            self._top = node.anchor
        self.seen.folders += 1
        return self._compared(path, here, sorted_out(rows, path, self._rules), whole=whole)

    def _compared(self, path: str, here: Directory, listing: Listing, *, whole: bool) -> Iterable[_Task]:
        self._leave_aliases_out(here, listing)
        for name, why in listing.odd:
            self.seen.counted[why] += 1
            self.seen.examples.setdefault(why, join(path, name))
        if listing.digest == here.digest:
            below = self._index.below(here.id) if whole and listing.folders else {}
            return [(join(path, one.name), one.id, True) for name, one in below.items() if name in listing.folders]
        found = ShareDifferences(self._index, here, young=self._young, still=self.still)
        found.take(listing)
        self._index.fingerprint(here.id, b"" if found.waiting or found.again else listing.digest)
        if found.waiting:
            self.seen.waiting[path] = max(found.waiting)
        return [(join(path, one.name), one.id, True) for one, new in reversed(found.folders) if whole or new]

    def _leave_aliases_out(self, here: Directory, listing: Listing) -> None:
        """Samba shows a symbolic link to a folder as that folder: a second place of one that is still at its first."""
        for name, node in list(listing.folders.items()):
            known = self._index.by_anchor(node.anchor)
            if node.anchor != self._top and (known is None or (known.parent, known.name) == (here.id, name)):
                continue
            path = self._index.path(known.id) if known else ""
            if path is not None and self.still(path, node.ino):
                del listing.folders[name]
                listing.odd.append((name, "link to another folder"))

    def still(self, path: str, ino: int) -> bool:
        """Whether what is at a path (still) has this file id."""
        try:
            with self._lines.borrow() as line, line.opened(path) as handle:
                return handle.node.ino == ino
        except ServerStatus:
            return False


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
