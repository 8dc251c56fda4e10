"""Where a write has to go: found in the index, opened on the server, and proved to be what was observed.

What is about to be replaced, renamed or deleted is opened so that nobody else can write, rename or delete it until the
write is done (share mode READ): a program that has it open for writing makes it busy, and nothing comes in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from bridge.ports import Write
from connectors.folder.index import ROOT, Directory, Entry
from connectors.folder.records import file_version, folder_version
from connectors.smb.errors import ABSENT, ServerStatus
from connectors.smb.line import DELETE, FILE, FOLDER, READ, SHARE_ALL, SHARE_READ, WRITE_ATTRIBUTES, Handle, Line
from connectors.smb.scan import join
from connectors.smb.sight import Sight

_FORBIDDEN = frozenset('\\/:*?"<>|') | {chr(one) for one in range(32)}


class Rejected(Exception):
    """A write that is not carried out; see ``bridge.ports.Failed``."""

    def __init__(self, cause: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.cause, self.transient = cause, transient


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a folder: ``row`` and ``anchor`` of the folder (empty: the root), ``path`` of it."""

    row: int
    anchor: str
    path: str
    name: str

    @property
    def full(self) -> str:
        return join(self.path, self.name)


class Places:
    """Finds places for writes over one line."""

    def __init__(self, sight: Sight, line: Line) -> None:
        self.sight, self.line = sight, line

    def _folder(self, row: int) -> tuple[Directory, str]:
        """A folder of the index; it has to be the same one on the server."""
        folder, path = self.sight.index.directory(row), self.sight.index.path(row)
        if folder is None or path is None:
            raise Rejected("gone", f"folder {row} is not there any more")
        if row != ROOT:
            try:
                with self.line.opened(path, options=FOLDER) as handle:
                    found = handle.node.anchor
            except ServerStatus as status:
                if status.code not in ABSENT:
                    raise
                found = "nothing"
            if found != folder.anchor:
                self.sight.mark(path.rpartition("/")[0])
                raise Rejected(
                    "stale",
                    f"folder {folder.anchor} was expected, found {found}; the next observation tells",
                    transient=True,
                )
        return folder, path

    def target(self, parent: object, name: object) -> Place:
        """The place for a name in the folder with an anchor (None: the root)."""
        wanted = checked(name)
        index = self.sight.index
        known = index.by_anchor(str(parent)) if parent else index.directory(ROOT)
        if known is None:
            raise Rejected("gone", f"the folder {parent} that it belongs into is not there any more", transient=True)
        folder, path = self._folder(known.id)
        ignores = self.sight.rules.ignores
        if ignores(path, wanted, is_folder=False) and ignores(path, wanted, is_folder=True):
            raise Rejected("name_refused", f"{wanted} is excluded by the patterns of this share: rename it")
        return Place(folder.id, folder.anchor, path, wanted)

    @contextlib.contextmanager
    def file(self, write: Write) -> Iterator[tuple[Place, Entry, Handle]]:
        """The file that a write is about, unchanged since it was observed, open for renaming; nobody else may write.

        Raises Rejected: gone, stale, or ServerStatus: a sharing violation where a program has it open.
        """
        anchor = write.anchor or ""
        found = self.sight.index.find(anchor) or (self.sight.look_again() and self.sight.index.find(anchor))
        if not found:
            raise Rejected("gone", f"file {anchor} is not there any more")
        row, entry = found
        folder, path = self._folder(row)
        version = file_version(folder.anchor, entry)
        if write.expected and write.expected != version:
            self._stale(path, anchor, expected=write.expected, now=version)
        place = Place(row, folder.anchor, path, entry.name)
        access = DELETE | READ | WRITE_ATTRIBUTES
        try:
            handle = self.line.open(place.full, access=access, share=SHARE_READ, options=FILE)
        except ServerStatus as status:
            if status.code not in ABSENT:
                raise
            raise self._away("file", anchor, path) from None
        try:
            if handle.node.state != (entry.ino, entry.mtime, entry.ctime, entry.size):
                self._stale(path, anchor, expected=write.expected or version, now="another one")
            yield place, entry, handle
        finally:
            self.line.close_handle(handle)

    def _away(self, kind: str, anchor: str, path: str) -> Rejected:
        """Not where it was: renamed here, as far as one look into the folder tells, or gone from it."""
        self.sight.look_into(path)
        index = self.sight.index
        known = index.find(anchor) if kind == "file" else index.by_anchor(anchor)
        if known and anchor not in {one.anchor for one in index.vanished()}:
            return Rejected(
                "stale", f"{kind} {anchor} was renamed meanwhile; the next observation tells", transient=True
            )
        return Rejected("gone", f"{kind} {anchor} is not where it was any more")

    @contextlib.contextmanager
    def directory(self, write: Write) -> Iterator[tuple[Place, Directory, Handle]]:
        """The folder that a write is about, open for renaming, at the place in the folder that holds it."""
        anchor = write.anchor or ""
        index = self.sight.index
        known = index.by_anchor(anchor) or (self.sight.look_again() and index.by_anchor(anchor)) if anchor else None
        if not known:
            raise Rejected("gone", f"folder {anchor} is not there any more")
        parent, path = self._folder(known.parent)
        place = Place(known.parent, parent.anchor, path, known.name)
        version = folder_version(parent.anchor, known.name)
        try:
            handle = self.line.open(place.full, access=DELETE | READ, share=SHARE_ALL, options=FOLDER)
        except ServerStatus as status:
            if status.code not in ABSENT:
                raise
            raise self._away("folder", anchor, path) from None
        try:
            if handle.node.anchor != anchor or (write.expected and write.expected != version):
                self._stale(path, anchor, expected=write.expected, now=version)
            yield place, known, handle
        finally:
            self.line.close_handle(handle)

    def _stale(self, path: str, anchor: str, *, expected: str, now: str) -> NoReturn:
        self.sight.mark(path)
        raise Rejected(
            "stale",
            f"{anchor}: expected version {expected}, found {now}; the next observation shows what it is now",
            transient=True,
        )


def checked(name: object) -> str:
    """A name that Windows takes (MS-FSCC 2.1.5); raises Rejected."""
    text = str(name or "")
    bad = sorted(set(text) & _FORBIDDEN)
    if not text or text in (".", "..") or bad or text[-1:] in (".", " "):
        why = f"it has {' '.join(map(repr, bad))} in it" if bad else "it is empty or ends in a dot or a space"
        raise Rejected("name_refused", f"{text!r} is no name for a file on a share, {why}: rename it on the other side")
    try:
        size = len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise Rejected("name_refused", f"{text!r} is not Unicode: rename it on the other side") from None
    if size > 255:
        raise Rejected("name_refused", f"a name of {size} characters is too long, 255 are possible: shorten it")
    return text
