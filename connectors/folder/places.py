"""Where a write has to go: found in the index, opened beneath the root, and proved to be what was observed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from bridge.ports import Write
from connectors.folder.index import ROOT, Directory, Entry
from connectors.folder.records import file_version, folder_version
from connectors.folder.sight import Sight
from connectors.folder.system import Node, look

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Rejected(Exception):
    """A write that is not carried out; see ``bridge.ports.Failed``."""

    def __init__(self, cause: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.cause, self.transient = cause, transient


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder: ``row`` and ``anchor`` of the folder (empty: the root), ``path`` of it."""

    fd: int
    row: int
    anchor: str
    path: str
    name: str

    @property
    def full(self) -> str:
        return f"{self.path}/{self.name}" if self.path else self.name


class Places:
    """Finds and opens places for writes."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight

    @contextlib.contextmanager
    def folder(self, row: int) -> Iterator[tuple[int, Directory, str]]:
        """Open a folder of the index; it has to be the same one on the disk."""
        folder, path = self.sight.index.directory(row), self.sight.index.path(row)
        if folder is None or path is None:
            raise Rejected("gone", f"folder {row} is not there any more")
        try:
            fd = self.sight.root.open(path, _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            self._stale(path, folder.anchor, "nothing is there")
        try:
            if row != ROOT and look(fd).anchor != folder.anchor:
                self._stale(path, folder.anchor, "another folder is there")
            yield fd, folder, path
        finally:
            os.close(fd)

    def _stale(self, path: str, anchor: str, found: str) -> NoReturn:
        self.sight.mark(path.rpartition("/")[0])
        raise Rejected(
            "stale", f"folder {anchor} was expected at {path}, {found}; the next observation tells", transient=True
        )

    @contextlib.contextmanager
    def target(self, parent: object, name: object) -> Iterator[Place]:
        """The place for a name in the folder with an anchor (None: the root)."""
        wanted = self.checked(name)
        folder = self.sight.index.by_anchor(str(parent)) if parent else self.sight.index.directory(ROOT)
        if folder is None:
            raise Rejected(
                "gone", f"the folder {parent} that {wanted} belongs into is not there any more", transient=True
            )
        with self.folder(folder.id) as (fd, known, path):
            if self.sight.rules.ignores(path, wanted, is_folder=False) and self.sight.rules.ignores(
                path, wanted, is_folder=True
            ):
                raise Rejected("name_refused", f"{wanted} is excluded by the patterns of this directory: rename it")
            yield Place(fd, known.id, known.anchor, path, wanted)

    @staticmethod
    def checked(name: object) -> str:
        """A name that a file system takes; raises Rejected."""
        text = str(name or "")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            size = 0
        if not size or text in (".", "..") or "/" in text or "\0" in text:
            raise Rejected("name_refused", f"{text!r} is no name for a file here: rename it on the other side")
        if size > 255:
            raise Rejected("name_refused", f"a name of {size} bytes is too long, 255 are possible: shorten it")
        return text

    @contextlib.contextmanager
    def file(self, write: Write) -> Iterator[tuple[Place, Entry, Node]]:
        """The file that a write is about, unchanged since it was observed; raises Rejected gone, stale."""
        anchor = write.anchor or ""
        found = self.sight.index.find(anchor) or (self.sight.look_again() and self.sight.index.find(anchor))
        if not found:
            raise Rejected("gone", f"file {anchor} is not there any more")
        row, entry = found
        with self.folder(row) as (fd, folder, path):
            try:
                node = look(fd, entry.name)
            except FileNotFoundError:
                raise self._away("file", anchor, path) from None
            version = file_version(folder.anchor, entry)
            same = (node.ino, node.btime, node.mtime, node.ctime, node.size) == (
                entry.ino, entry.btime, entry.mtime, entry.ctime, entry.size
            )  # fmt: skip
            if (write.expected and write.expected != version) or not same:
                self.sight.mark(path)
                now = version if same else "another one"
                raise Rejected(
                    "stale",
                    f"file {anchor}: expected version {write.expected or version}, found {now}; the next observation "
                    f"shows what it is now",
                    transient=True,
                )
            yield Place(fd, row, folder.anchor, path, entry.name), entry, node

    def _away(self, kind: str, anchor: str, path: str) -> Rejected:
        """Not where it was: renamed here, as far as one look into the folder tells, or gone from it."""
        self.sight.look_into(path)
        index = self.sight.index
        if anchor not in {one.anchor for one in index.vanished()} and (
            index.find(anchor) if kind == "file" else index.by_anchor(anchor)
        ):
            return Rejected(
                "stale", f"{kind} {anchor} was renamed meanwhile; the next observation tells", transient=True
            )
        return Rejected("gone", f"{kind} {anchor} is not in {path or 'the root'} any more")

    @contextlib.contextmanager
    def directory(self, write: Write) -> Iterator[tuple[Place, Directory]]:
        """The folder that a write is about, at the place in the folder that holds it."""
        anchor = write.anchor or ""
        index = self.sight.index
        known = index.by_anchor(anchor) or (self.sight.look_again() and index.by_anchor(anchor)) if anchor else None
        if not known:
            raise Rejected("gone", f"folder {anchor} is not there any more")
        with self.folder(known.parent) as (fd, parent, path):
            try:
                node = look(fd, known.name)
            except FileNotFoundError:
                raise self._away("folder", anchor, path) from None
            version = folder_version(parent.anchor, known.name)
            if node.anchor != anchor or (write.expected and write.expected != version):
                self.sight.mark(path)
                raise Rejected(
                    "stale",
                    f"folder {anchor}: expected version {write.expected}, found {version}; the next observation shows "
                    f"where it is now",
                    transient=True,
                )
            yield Place(fd, known.parent, parent.anchor, path, known.name), known
