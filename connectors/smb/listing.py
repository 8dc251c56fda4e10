"""Folders as the server lists them, in the terms of the index; several at a time, each over a connection of its own.

All of it comes from the listing, times and ids included, never from a request for a single file.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.lines import Lines
from connectors.smb.trash import remove
from connectors.smb.wire import DIRECTORY, REPARSE_POINT, Node, Rows
from connectors.tree.index import Directory, Entry, Index, Vanished
from connectors.tree.rules import Rules, is_part, is_waste, join
from connectors.tree.storage import Task, Wanted


@dataclass(slots=True)
class Listing:
    """See ``connectors.tree.storage.Listed``. ``numbers``: as in ``Rows``, of each file."""

    lister: ShareLister
    anchor: str
    path: str
    names: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    folders: dict[str, Node] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    hidden: array[int] = field(default_factory=lambda: array("q"))
    shut: list[str] = field(default_factory=list)
    _nodes: dict[str, Node] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Name, id, mtime, ctime, size of each file."""
        every = self.numbers
        for place, name in enumerate(self.names):
            start = place * 6
            yield name, every[start], every[start + 2], every[start + 3], every[start + 4]

    @property
    def digest(self) -> bytes:
        """The fingerprint: the same as long as nothing in the folder changes."""
        digest = blake2b("\0".join(self.names).encode(errors="surrogatepass"), digest_size=16)
        digest.update(self.numbers)
        digest.update("\0".join(f"{name}\0{node.ino}" for name, node in self.folders.items()).encode())
        return digest.digest()

    def look(self, name: str) -> Node | None:
        return self._nodes[name]

    def sweep(self, name: str) -> bool:
        return self.lister.sweep(join(self.path, name))

    def sort_out(self, index: Index, here: Directory) -> None:
        """Samba shows a symbolic link to a folder as that folder: a second place of one that is still at its first.

        A folder that is known keeps its anchor, see ``Node.anchor``.
        """
        for name, node in list(self.folders.items()):
            known = index.folder_with_id(node.ino)
            if known is not None:
                self.folders[name] = replace(node, btime=known.vanished().btime)
            if node.ino != self.lister.top and (known is None or (known.parent, known.name) == (here.id, name)):
                continue
            path = index.path(known.id) if known else ""
            if path is not None and self.lister.has(path, node.ino):
                del self.folders[name]
                self.odd.append((name, "link to another folder"))

    def recognise(self, index: Index, here: Directory) -> None:
        """Let a file be the one it was although its creation time is told otherwise now (see ``Node.anchor``).

        That is so at the same place, and elsewhere when size and time of the last write are the same.
        """
        every = self.numbers
        nodes = {name: Node(*every[place * 6 : place * 6 + 6]) for place, name in enumerate(self.names)}
        before = index.files(here.id)
        names = Counter(node.ino for node in nodes.values())
        for name, node in nodes.items():
            links = names[node.ino]
            old: Entry | Vanished | None = before.get(name)
            if old is None or old.ino != node.ino:
                gone = index.vanished_id(node.ino)
                elsewhere = [gone] if gone and gone.kind == "file" else _elsewhere(index, node)
                links += len(elsewhere)
                old = next((one for one in elsewhere if (one.mtime, one.size) == (node.mtime, node.size)), None)
            born = old.btime if old is not None else node.btime
            if (born, links) != (node.btime, 1):
                nodes[name] = replace(node, btime=born, links=links)
        self._nodes = nodes


def _elsewhere(index: Index, node: Node) -> Sequence[Entry | Vanished]:
    return [one for row in index.rows_of(f"{node.ino}:") for one in index.files(row).values() if one.ino == node.ino]


class ShareLister:
    """See ``connectors.tree.storage.Lister``: as many folders at a time as there are connections.

    ``top`` is the id of the root, once it was listed.
    """

    def __init__(self, lines: Lines, rules: Rules) -> None:
        self._lines, self._rules = lines, rules
        self._workers = lines.options.connections
        self.top = 0

    def each(self, stack: list[Task]) -> Generator[tuple[Task, Listing | str | None], None, None]:
        pending: dict[Future[tuple[Node, Rows]], Task] = {}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="schoolbridge-smb") as pool:
            try:
                while stack or pending:
                    while stack and len(pending) < self._workers * 2:
                        task = stack.pop()
                        pending[pool.submit(self._list, task.path)] = task
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        task = pending.pop(future)
                        yield task, self._listed(task.path, future)
            finally:
                for future in pending:
                    future.cancel()

    def _list(self, path: str) -> tuple[Node, Rows]:
        with self._lines.borrow() as line:
            return line.list(path)

    def _listed(self, path: str, future: Future[tuple[Node, Rows]]) -> Listing | str | None:
        try:
            node, rows = future.result()
        except ServerStatus as status:
            if path == "":
                raise
            return None if status.code in ABSENT else str(status)
        if path == "":
            self.top = node.ino
        return self._sorted_out(Listing(self, node.anchor, path), rows, path)

    def _sorted_out(self, found: Listing, rows: Rows, path: str) -> Listing:
        """What of a listing is mirrored."""
        names, numbers, every = found.names, found.numbers, rows.numbers
        excluded, by_path = self._rules.excludes_name, self._rules.by_path
        for place, name in enumerate(rows.names):
            start = place * 6
            attributes = every[start + 5]
            if excluded(name) or (by_path and self._rules.ignores(path, name, is_folder=bool(attributes & DIRECTORY))):
                if is_part(name) and not attributes & (DIRECTORY | REPARSE_POINT):
                    found.parts.append(name)
                elif not is_waste(name):
                    found.hidden.append(every[start])
                    if attributes & DIRECTORY and not attributes & REPARSE_POINT:
                        found.shut.append(name)
                continue
            if attributes & REPARSE_POINT:
                found.odd.append((name, "link or reparse point"))
            elif not _readable(name):
                found.odd.append((name, "name is not Unicode"))
            elif attributes & DIRECTORY:
                found.folders[name] = Node(*every[start : start + 6])
            else:
                names.append(name)
                numbers.extend(every[start : start + 6])
        return found

    def sweep(self, path: str) -> bool:
        """Remove a part unless its writer has it open: who writes one lets nobody else delete it."""
        try:
            with self._lines.borrow() as line:
                remove(line, path)
        except ServerStatus:
            return False
        return True

    def find(self, path: str, wanted: Wanted) -> tuple[set[int], Sequence[str]]:
        try:
            _, rows = self._list(path)
        except ServerStatus:
            return set(), ()
        found: set[int] = set()
        folders: list[str] = []
        for place, name in enumerate(rows.names):
            node = Node(*rows.numbers[place * 6 : place * 6 + 6])
            one = wanted.get(node.ino)
            if one is not None and _is(node, one):
                found.add(one.ino)
            if node.is_folder and not node.attributes & REPARSE_POINT and not is_waste(name):
                folders.append(name)
        return found, folders

    def still(self, path: str, known: Entry) -> bool:
        return self.has(path, known.ino)

    def has(self, path: str, ino: int) -> bool:
        """Whether what is at a path (still) has this file id."""
        try:
            with self._lines.borrow() as line, line.opened(path) as handle:
                return handle.node.ino == ino
        except ServerStatus:
            return False


def _is(node: Node, one: Vanished) -> bool:
    """Whether it is what vanished, although its creation time may be told otherwise now (see ``Node.anchor``)."""
    if one.kind == "folder":
        return node.is_folder
    return node.btime == one.btime or (node.mtime, node.size) == (one.mtime, one.size)


def _readable(name: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in name)
