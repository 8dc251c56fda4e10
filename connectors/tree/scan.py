"""The scan: the truth about a root, one folder after the other, into the index.

1. list a folder; where its fingerprint is the one in the index, nothing in it changed
2. where it differs, compare in detail (``differences``)
3. go on with its folders; a scan of single folders goes into those only that are new there
4. when all is read without an error, decide about what vanished: moved, replaced at its place, or gone
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

from connectors.tree.differences import Differences
from connectors.tree.gone import decide
from connectors.tree.index import ROOT, Directory, Index
from connectors.tree.rules import join
from connectors.tree.scope import Scope
from connectors.tree.storage import Listed, Storage, Task

#: Folders that go into one transaction of the index.
_BATCH = 400


@dataclass(slots=True)
class Seen:
    """What a scan met. ``again``: paths of folders that changed while they were read, or elsewhere by a hard link;
    ``waiting``: path → mtime (ns) of the youngest file in it that may still be written; ``failed``: path → why;
    ``swept``: how many parts of a killed process were removed; ``counted``: why → how many are not mirrored,
    ``examples``: why → one of them."""

    folders: int = 0
    again: set[str] = field(default_factory=set)
    waiting: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    swept: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


class Scan:
    """One scan of a root. ``young`` says of an mtime (ns) that the file may still be written.

    Blocking: runs in a thread. ``stop`` is asked after every folder. ``sweeps``: parts that were left are removed.
    ``scope`` keeps what the patterns exclude.
    """

    def __init__(
        self,
        index: Index,
        storage: Storage,
        *,
        young: Callable[[int], bool],
        stop: Callable[[], bool],
        sweeps: bool,
        scope: Scope,
    ) -> None:
        self._sweeps, self._scope = sweeps, scope
        scope.begin()
        self._index, self._storage, self._young, self._stop = index, storage, young, stop
        self._lister = storage.lister()
        self.seen = Seen()

    def everything(self) -> None:
        """Scan the whole root. Raises the storage's ``failure`` when the root itself can't be read."""
        self._below([("", ROOT)], deep=True)

    def some(self, paths: Iterable[str]) -> None:
        """Scan the folders at these paths and what is new in them; of one that is gone, its parent."""
        self._below([(path, None) for path in sorted(set(paths))], deep=False)

    def _below(self, start: list[tuple[str, int | None]], *, deep: bool) -> None:
        stack = [Task(path, row, deep) for path, row in reversed(start)]
        taken = 0
        self._index.begin()
        try:
            with closing(self._lister.each(stack)) as answers:
                for task, answer in answers:
                    if self._stop():
                        break
                    stack += self._taken(task, answer)
                    taken += 1
                    if taken % _BATCH == 0:
                        self._index.commit()
                        self._index.begin()
            self._index.commit()
        except BaseException:
            self._index.roll_back()
            raise

    def _taken(self, task: Task, answer: Listed | str | None) -> Iterable[Task]:
        """Take in one folder; returns the folders to scan next."""
        path = task.path
        if isinstance(answer, str):
            self.seen.failed[path] = answer
            return []
        here = self._known(path, task.row, anchor=answer.anchor) if answer is not None else None
        if answer is None or here is None:
            # It was moved or deleted meanwhile: whoever holds it now shows it.
            return self._once_more(task)
        self.seen.folders += 1
        try:
            return self._compared(path, here, answer, whole=task.whole)
        except self._storage.failure as error:
            if path == "":
                raise
            self.seen.failed[path] = self._storage.why(error)
            return []

    def _once_more(self, task: Task) -> list[Task]:
        parent = task.path.rpartition("/")[0]
        if task.row is None:
            return [Task(parent, None, whole=False)] if task.path else []
        self.seen.again.add(parent)
        return []

    def _known(self, path: str, row: int | None, *, anchor: str) -> Directory | None:
        """The row of the folder at a path, None when another folder stands there now."""
        if path == "":
            return self._index.directory(ROOT)
        here = self._index.directory(row) if row is not None else self._index.by_path(path)
        return here if here is not None and here.anchor == self._index.known(anchor) else None

    def _compared(self, path: str, here: Directory, listed: Listed, *, whole: bool) -> list[Task]:
        listed.sort_out(self._index, here)
        for name, why in listed.odd:
            self.seen.counted[why] += 1
            self.seen.examples.setdefault(why, join(path, name))
        if self._sweeps:
            self.seen.swept += sum(listed.sweep(name) for name in listed.parts)
        self._scope.note(here.id, listed)
        digest = listed.digest
        if digest == here.digest:
            below = self._index.below(here.id) if whole and listed.folders else {}
            known = [one for one in reversed(below.values()) if one.name in listed.folders]
            return [Task(join(path, one.name), one.id, whole=True) for one in known]
        found = Differences(self._index, self._lister, here, listed=listed, young=self._young)
        found.settle()
        settled = not found.waiting and not found.again
        self._index.fingerprint(here.id, digest if settled else b"")
        if found.waiting:
            self.seen.waiting[path] = max(found.waiting)
        if found.again:
            self.seen.again.add(path)
        self.seen.again.update(other for row in found.linked if (other := self._index.path(row)) is not None)
        return [Task(join(path, one.name), one.id, whole=True) for one, new in reversed(found.folders) if whole or new]

    def decide(self) -> None:
        """Decide about all that vanished, when everything that may have taken it in was scanned without error."""
        decide(self._index, self._lister, self._scope)
