"""What vanished, after everything that may have taken it in was scanned without an error: moved, replaced, or gone.

1. a file at whose place another one stands is the same file, as office programs save it (``_inherited``)
2. what is still there under a name or in a folder that the patterns exclude left the scope (``Scope.left``)
3. the rest is gone; a folder with all that is in it, from the bottom up: nothing is told before what is in it

The index holds all of it: a share of a million files may vanish, and no list of them is made.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.core.model import Evidence
from connectors.tree.index import Directory, Index, Vanished
from connectors.tree.scope import Scope
from connectors.tree.storage import Lister


def decide(index: Index, lister: Lister, scope: Scope) -> None:
    """Decide about all that vanished, in one transaction of the index."""
    index.begin()
    try:
        for one in index.vanished("file"):
            if _inherited(index, one):
                index.appear(one.anchor)
        left, sure = _outside(index, lister, scope)
        _tell(index, left, otherwise=Evidence.DELETED if sure else Evidence.MISSING)
        index.commit()
    except BaseException:
        index.roll_back()
        raise


def _inherited(index: Index, one: Vanished) -> bool:
    """Whether another file stands at the place of one that is gone, as office programs save: it is the same file.

    The new inode takes over the anchor, so that what is seen is another content of the file, not its deletion.
    """
    here = index.file(one.directory, one.name) if one.heir else None
    if here is None or f"{here.ino}:{here.btime}" != one.heir or here.special:
        return index.find(one.anchor) is not None
    index.withdraw(here.anchor)
    index.inherit(one.directory, here, anchor=one.anchor)
    index.log([(one.anchor, "file", None)])
    return True


class Sought:
    """By id: the files that vanished, the folders, and what was in them; looked up, because they may be a million."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._folders = {folder.id for one in index.vanished("folder") for folder in _with_all_below(index, one)}
        self._number = index.count_vanished("file") + len(self._folders) + sum(map(index.count_files, self._folders))

    def __len__(self) -> int:
        """How many there are, some of them twice perhaps."""
        return self._number

    def get(self, ino: int) -> Vanished | None:
        """The one with this id."""
        if (one := self._index.vanished_id(ino)) is not None:
            return one
        for row, entry in self._index.with_id(ino):
            if row in self._folders:
                return entry.vanished(row)
        folder = self._index.folder_with_id(ino)
        return folder.vanished() if folder is not None and folder.id in self._folders else None


def _outside(index: Index, lister: Lister, scope: Scope) -> tuple[set[int], bool]:
    """Ids of what only left the scope, and whether it is sure that the rest did not."""
    if scope.empty or not (wanted := Sought(index)):
        return set(), True
    return scope.left(index, lister, wanted)


def _with_all_below(index: Index, one: Vanished) -> list[Directory]:
    """A folder and those below it, level by level."""
    top = index.by_anchor(one.anchor)
    order = level = [top] if top is not None else []
    known = {folder.id for folder in order}
    while level:
        below = [folder for above in level for folder in index.below(above.id).values()]
        level = [folder for folder in below if folder.id not in known]
        known |= {folder.id for folder in level}
        order = order + level
    return order


def _tell(index: Index, left: set[int], *, otherwise: Evidence) -> None:
    for one in index.vanished("file"):
        index.appear(one.anchor)
        _log(index, [one], left, otherwise=otherwise)
    for one in index.vanished("folder"):
        index.appear(one.anchor)
        # Everything in a folder that left the scope left it too.
        whole = one.ino in left
        for folder in reversed(_with_all_below(index, one)):
            here = [file.vanished(folder.id) for file in index.files(folder.id).values()] + [folder.vanished()]
            index.drop_directory(folder.id)
            index.appear(folder.anchor)
            _log(index, here, {some.ino for some in here} if whole else left, otherwise=otherwise)


def _log(index: Index, some: list[Vanished], left: set[int], *, otherwise: Evidence) -> None:
    index.log((one.anchor, one.kind, Evidence.LEFT if one.ino in left else otherwise) for one in some)
    index.vanish(replace(one, kind="aside", heir="") for one in some if one.kind == "file" and one.ino in left)
