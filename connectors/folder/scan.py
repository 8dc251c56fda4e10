"""The scan: the truth about a root, one folder after the other, into the index.

1. list a folder; where its fingerprint is the one in the index, nothing in it changed
2. where it differs, compare in detail (``differences``)
3. go on with its folders; a scan of single folders goes into those only that are new there
4. when all is read without an error, decide about what vanished: moved, replaced at its place, or gone
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bridge.core.model import Evidence
from connectors.folder.differences import Differences
from connectors.folder.index import ROOT, Directory, Index, Vanished
from connectors.folder.listing import Listing, Rules, read_folder
from connectors.folder.system import look, open_beneath

#: Folders that go into one transaction of the index.
_BATCH = 400
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(slots=True)
class Seen:
    """What a scan met. ``again``: paths of folders that changed while they were read; ``waiting``: path → mtime (ns) of
    the youngest file in it that may still be written; ``odd``: why → (count, an example)."""

    folders: int = 0
    again: set[str] = field(default_factory=set)
    waiting: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


class Scan:
    """One scan of a root (open as ``root``). ``young`` says of an mtime (ns) that the file may still be written.

    Blocking: runs in a thread. Every ``step`` the caller may look whether to go on.
    """

    def __init__(
        self, index: Index, root: int, *, rules: Rules, young: Callable[[int], bool], stop: Callable[[], bool]
    ) -> None:
        self._index, self._root, self._rules, self._young, self._stop = index, root, rules, young, stop
        self._mount = look(root).mount
        self.seen = Seen()

    def everything(self) -> None:
        """Scan the whole root. Raises OSError when the root itself can't be read."""
        self._below([("", ROOT)], deep=True)

    def some(self, paths: Iterable[str]) -> None:
        """Scan the folders at these paths and what is new in them; of one that is gone, its parent."""
        self._below([(path, None) for path in sorted(set(paths))], deep=False)

    def _below(self, start: list[tuple[str, int | None]], *, deep: bool) -> None:
        # (path, row if known, whether everything below is scanned)
        stack = [(path, row, deep) for path, row in reversed(start)]
        self._index.begin()
        try:
            while stack:
                if self._stop():
                    break
                path, row, whole = stack.pop()
                if self.seen.folders % _BATCH == _BATCH - 1:
                    self._index.commit()
                    self._index.begin()
                stack += self._folder(path, row, whole=whole)
            self._index.commit()
        except BaseException:
            self._index.roll_back()
            raise

    def _folder(self, path: str, row: int | None, *, whole: bool) -> list[tuple[str, int | None, bool]]:
        """Scan one folder; returns the folders to scan next."""
        parent = path.rpartition("/")[0]
        try:
            opened = open_beneath(self._root, path, _DIRECTORY)
        except OSError as error:
            if path == "":
                raise
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV):
                # It was moved or deleted meanwhile: whoever holds it now shows it.
                return self._once_more(path, parent, row)
            self.seen.failed[path] = os.strerror(error.errno or 0)
            return []
        try:
            here = self._known(path, row, anchor=look(opened).anchor)
            if here is None:
                return self._once_more(path, parent, row)
            self.seen.folders += 1
            return self._listed(opened, path, here, whole=whole)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT) or path == "":
                raise
            self.seen.failed[path] = os.strerror(error.errno or 0)
            return []
        finally:
            os.close(opened)

    def _once_more(self, path: str, parent: str, row: int | None) -> list[tuple[str, int | None, bool]]:
        if row is None:
            return [(parent, None, False)] if path else []
        self.seen.again.add(parent)
        return []

    def _known(self, path: str, row: int | None, *, anchor: str) -> Directory | None:
        """The row of the folder at a path, None when another folder stands there now."""
        if path == "":
            return self._index.directory(ROOT)
        here = self._index.directory(row) if row is not None else self._index.by_path(path)
        return here if here is not None and here.anchor == anchor else None

    def _listed(self, opened: int, path: str, here: Directory, *, whole: bool) -> list[tuple[str, int | None, bool]]:
        listing = read_folder(opened, path, rules=self._rules, mount=self._mount)
        self._note_odd(path, listing)
        if listing.digest == here.digest:
            below = self._index.below(here.id) if whole and listing.folders else {}
            return [(_join(path, one.name), one.id, True) for one in reversed(below.values())]
        found = Differences(self._index, self._root, here, opened=opened, young=self._young)
        found.settle(listing)
        settled = not found.waiting and not found.again
        self._index.fingerprint(here.id, listing.digest if settled else b"")
        if found.waiting:
            self.seen.waiting[path] = max(found.waiting)
        if found.again:
            self.seen.again.add(path)
        return [(_join(path, one.name), one.id, True) for one, new in reversed(found.folders) if whole or new]

    def _note_odd(self, path: str, listing: Listing) -> None:
        for name, why in listing.odd:
            self.seen.counted[why] += 1
            self.seen.examples.setdefault(why, _join(path, name))

    # --- what vanished ----------------------------------------------------------------------------------------------

    def decide(self) -> None:
        """Decide about all that vanished, when everything that may have taken it in was scanned without error."""
        index = self._index
        index.begin()
        try:
            for one in index.vanished():
                if one.kind == "folder":
                    self._folder_gone(one)
                elif not self._inherited(one):
                    index.log([(one.anchor, "file", Evidence.DELETED)])
                index.appear(one.anchor)
            index.commit()
        except BaseException:
            index.roll_back()
            raise

    def _inherited(self, one: Vanished) -> bool:
        """Whether another file stands at the place of one that is gone, as office programs save: it is the same file.

        The new inode takes over the anchor, so that what is seen is another content of the file, not its deletion.
        """
        here = self._index.files(one.directory).get(one.name) if one.heir else None
        if here is None or f"{here.ino}:{here.btime}" != one.heir or here.special:
            return self._index.find(one.anchor) is not None
        self._index.withdraw(here.anchor)
        self._index.inherit(one.directory, here, anchor=one.anchor)
        self._index.log([(one.anchor, "file", None)])
        return True

    def _folder_gone(self, one: Vanished) -> None:
        top = self._index.by_anchor(one.anchor)
        if top is None:
            return
        # From the bottom up, so that nothing is reported gone before what is in it.
        order, level = [top], [top]
        while level:
            known = {one.id for one in order}
            below = [one for folder in level for one in self._index.below(folder.id).values()]
            level = [one for one in below if one.id not in known]
            order += level
        for folder in reversed(order):
            files = self._index.files(folder.id).values()
            self._index.log([(file.anchor, "file", Evidence.DELETED) for file in files])
            self._index.log([(folder.anchor, "folder", Evidence.DELETED)])
            self._index.drop_directory(folder.id)
            self._index.appear(folder.anchor)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
