"""Lists folders of a directory one after the other, each opened beneath the root."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Sequence

from connectors.folder.listing import Listing, read_folder
from connectors.folder.root import Root
from connectors.folder.system import look, open_beneath
from connectors.tree.index import Entry
from connectors.tree.rules import Rules, is_waste
from connectors.tree.storage import Task, Wanted

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: Errors that mean that something is not there any more.
AWAY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)


class FolderLister:
    """See ``connectors.tree.storage.Lister``."""

    def __init__(self, root: Root, rules: Rules) -> None:
        self._root, self._rules = root, rules
        self._mount = look(root.fd).mount

    def each(self, stack: list[Task]) -> Generator[tuple[Task, Listing | str | None], None, None]:
        while stack:
            task = stack.pop()
            try:
                opened = self._root.open(task.path, _DIRECTORY)
            except OSError as error:
                if task.path == "":
                    raise
                yield task, None if error.errno in AWAY else os.strerror(error.errno or 0)
                continue
            try:
                yield task, self._listed(task.path, opened)
            finally:
                os.close(opened)

    def _listed(self, path: str, opened: int) -> Listing | str:
        try:
            return read_folder(opened, path, rules=self._rules, mount=self._mount)
        except OSError as error:
            if path == "":
                raise
            return os.strerror(error.errno or 0)

    def find(self, path: str, wanted: Wanted) -> tuple[set[int], Sequence[str]]:
        try:
            opened = self._root.open(path, _DIRECTORY)
        except OSError:
            return set(), ()
        found: set[int] = set()
        folders: list[str] = []
        try:
            with os.scandir(opened) as entries:
                for entry in entries:
                    one = wanted.get(entry.inode())
                    if one is not None and look(opened, entry.name).btime == one.btime:
                        found.add(one.ino)
                    if entry.is_dir(follow_symlinks=False) and not is_waste(entry.name):
                        folders.append(entry.name)
        except OSError:
            pass  # what could be read counts
        finally:
            os.close(opened)
        return found, folders

    def still(self, path: str, known: Entry) -> bool:
        folder, _, name = path.rpartition("/")
        try:
            opened = open_beneath(self._root.fd, folder, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            node = look(opened, name)
        except OSError:
            return False
        finally:
            os.close(opened)
        return (node.ino, node.btime) == (known.ino, known.btime)
