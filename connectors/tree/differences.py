"""What changed in one folder since it was listed last, written into the index; only called where fingerprints differ.

A file is matched by its place first (same name, same inode and birth time: another content), then by its anchor (a
rename here, a move from another folder), else it is new. What is in the index and not matched has vanished: whether it
is gone is known only when the whole scan has looked everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b

from bridge.core.model import Evidence
from connectors.tree.index import Directory, Entry, Files, Index, Vanished
from connectors.tree.rules import join
from connectors.tree.storage import Listed, Lister
from connectors.tree.traits import Traits

Logged = tuple[str, str, Evidence | None]


class _Left:
    """Files of the index that no name of the listing has been matched with; several may be the same inode."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_inode: dict[tuple[int, int], list[Entry]] = {}
        for one in entries:
            self._by_inode.setdefault((one.ino, one.btime), []).append(one)

    def __iter__(self) -> Iterator[Entry]:
        return (one for some in self._by_inode.values() for one in some)

    def take(self, ino: int, btime: int) -> Entry | None:
        some = self._by_inode.get((ino, btime))
        return some.pop() if some else None

    def drop(self, entry: Entry) -> bool:
        some = self._by_inode.get((entry.ino, entry.btime), [])
        if entry not in some:
            return False
        some.remove(entry)
        return True


class Differences:
    """The comparison of one folder (row ``here``, as ``listed``) with what the index has of it.

    After ``settle``: ``folders`` are its folders, each with whether it is new here; ``waiting`` the mtimes (ns) of
    files that are too young to be believed finished, ``again`` whether the folder changed while it was read, ``linked``
    the rows of other folders that have names of files that changed here: a watch tells of one name only.
    """

    def __init__(
        self, index: Index, lister: Lister, here: Directory, *, listed: Listed, young: Callable[[int], bool]
    ) -> None:
        self._index, self._lister, self._here, self._listed, self._young = index, lister, here, listed, young
        self.folders: list[tuple[Directory, bool]] = []
        self.waiting: list[int] = []
        self.again = False
        self.linked: set[int] = set()
        self._logged: list[Logged] = []
        self._vanished: list[Vanished] = []
        self._made: set[str] = set()

    def settle(self) -> None:
        """Take the listing into the index, all within the caller's transaction. Raises the storage's ``failure``.

        What can fail is asked before anything is written, so that a folder is taken in whole or not at all.
        """
        self._listed.recognise(self._index, self._here)
        before = self._index.files(self._here.id)
        after, seen = self._looked_at(before)
        self._settle_folders()
        self._settle_files(before, after, seen)
        self._index.vanish(self._vanished)
        self._index.log(self._logged)

    # --- folders ----------------------------------------------------------------------------------------------------

    def _settle_folders(self) -> None:
        index, row = self._index, self._here.id
        before = index.below(row)
        for name, node in self._listed.folders.items():
            old = before.get(name)
            if old is not None and old.anchor == node.anchor:
                self.folders.append((old, False))
                index.appear(old.anchor)
                continue
            known = index.by_anchor(node.anchor)
            if known is None:
                known = index.add_directory(node.anchor, row, name)
            else:
                index.place_directory(known.id, row, name)
                known = replace(known, parent=row, name=name)
                index.appear(known.anchor)
            self._logged.append((known.anchor, "folder", None))
            self.folders.append((known, True))
        there = {one.id for one, _ in self.folders}
        self._vanished += [
            Vanished(one.anchor, "folder", row, one.name) for one in before.values() if one.id not in there
        ]

    # --- files ------------------------------------------------------------------------------------------------------

    def _looked_at(self, before: Files) -> tuple[Files, list[tuple[str, Traits]]]:
        """Files that are as they were, and those that are not, looked at."""
        after: Files = {}
        seen: list[tuple[str, Traits]] = []
        touched: list[str] = []
        for name, ino, mtime, ctime, size in self._listed.files():
            old = before.get(name)
            if old is not None and (old.ino, old.mtime, old.ctime, old.size) == (ino, mtime, ctime, size):
                after[name] = old
            else:
                touched.append(name)
        for name in touched:
            node = self._listed.look(name)
            if node is None:
                self.again = True
            else:
                seen.append((name, node))
        return after, seen

    def _settle_files(self, before: Files, after: Files, seen: list[tuple[str, Traits]]) -> None:
        left = _Left(one for name, one in before.items() if name not in after)
        rest: list[tuple[str, Traits]] = []
        for name, node in seen:
            if node.names > 1:
                self._tell_of_links(node)
            old = before.get(name)
            if old is not None and (old.ino, old.btime) == (node.ino, node.btime):
                left.drop(old)
                after[name] = self._changed(old, node)
            else:
                rest.append((name, node))
        new: list[tuple[str, Traits]] = []
        for name, node in rest:
            moved = left.take(node.ino, node.btime)
            if moved is None:
                new.append((name, node))
            else:
                self._enter(after, _moved(moved, name, node))
        for name, node in new:
            self._new(after, left, name, node, before.get(name))
        for one in left:
            heir = after[one.name] if one.name in self._made else None
            self.linked.update(row for row in self._index.rows_holding(one.ino) if row != self._here.id)
            self._vanished.append(one.vanished(self._here.id, heir=f"{heir.ino}:{heir.btime}" if heir else ""))
        self._index.put_files(self._here.id, after, before=before)

    def _tell_of_links(self, node: Traits) -> None:
        """The other names of a file have its size and times as well; where they are known otherwise, look there too."""
        for row, known in self._index.holders(node.ino, node.btime):
            if row != self._here.id and (known.mtime, known.ctime, known.size) != (node.mtime, node.ctime, node.size):
                self.linked.add(row)

    def _changed(self, old: Entry, node: Traits) -> Entry:
        """The same file with other times, size or bytes; what is still being written stays as it was."""
        if (old.mtime, old.ctime, old.size) == (node.mtime, node.ctime, node.size):
            return old
        if self._young(node.mtime) and (old.mtime, old.size) != (node.mtime, node.size):
            self.waiting.append(node.mtime)
            return old
        self._logged.append((old.anchor, "file", None))
        return replace(old, mtime=node.mtime, ctime=node.ctime, size=node.size, stamp=node.ctime)

    def _enter(self, after: Files, entry: Entry) -> None:
        after[entry.name] = entry
        self._index.appear(entry.anchor)
        self._logged.append((entry.anchor, "file", None))

    def _new(self, after: Files, left: _Left, name: str, node: Traits, old: Entry | None) -> None:
        """A file whose inode was not in this folder: moved here, another name of a file, or new."""
        gone = self._index.vanished_file(node.ino, node.btime)
        if gone is not None:
            known = Entry(
                name, gone.ino, gone.btime, gone.mtime, 0, gone.size, gone.stamp,
                gone.anchor if gone.anchor != node.anchor else "",
            )  # fmt: skip
            self._enter(after, _moved(known, name, node))
            return
        special = ""
        for row, known in self._index.holders(node.ino, node.btime):
            if row == self._here.id:
                if known.name in after and after[known.name].ino == node.ino:
                    special = self._another(after, node.anchor, name)
                continue
            if node.names > 1 and self._still_there(row, known):
                special = self._another(after, node.anchor, name)
                continue
            self._index.replace_file(row, known.name, None)
            self._enter(after, _moved(known, name, node))
            return
        if self._young(node.mtime):
            self.waiting.append(node.mtime)
            if old is not None and left.drop(old):
                after[name] = old
            return
        taken = node.names > 1 and any(one.anchor == node.anchor for one in after.values())
        aside = self._index.aside(self._here.id, name)
        if aside is not None and not special:
            # Something was put out of the way for it, as programs do before they save: it is the same file.
            self._index.appear(aside.anchor)
            special = aside.anchor if aside.anchor != node.anchor else ""
        elif not special and (taken or self._index.find(node.anchor) is not None):
            special = self._another(after, node.anchor, name)
        made = Entry(name, node.ino, node.btime, node.mtime, node.ctime, node.size, node.ctime, special)
        self._enter(after, made)
        self._made.add(name)

    def _another(self, after: Files, anchor: str, name: str) -> str:
        """The anchor of a further name of a file (hard link), or of an inode whose own anchor another file inherited.

        It is made of the name that was new, which may have moved on since and kept it: then the next one is taken.
        """
        number, taken = 0, {one.special for one in after.values()}
        while True:
            text = f"{self._here.anchor}/{name}" + (f"/{number}" if number else "")
            wanted = f"{anchor}+{blake2b(text.encode(), digest_size=4).hexdigest()}"
            if wanted not in taken and not self._index.is_special(wanted):
                return wanted
            number += 1

    def _still_there(self, row: int, known: Entry) -> bool:
        path = self._index.path(row)
        return path is not None and self._lister.still(join(path, known.name), known)


def _moved(known: Entry, name: str, node: Traits) -> Entry:
    """The same file at another place; its bytes are the same if size and time of change say so."""
    same = (known.mtime, known.size) == (node.mtime, node.size)
    stamp = known.stamp if same else node.ctime
    return replace(known, name=name, mtime=node.mtime, ctime=node.ctime, size=node.size, stamp=stamp)
