"""Where a write has to go: found in the index, opened where it lies, and proved to be what was observed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

from bridge.ports import Write
from connectors.tree.hands import Hands, Held, Place, Rejected, Spot
from connectors.tree.index import ROOT, Directory, Entry
from connectors.tree.records import file_version, folder_version
from connectors.tree.sight import Sight


class Places:
    """Finds and opens places for one write."""

    def __init__(self, sight: Sight, hands: Hands) -> None:
        self.sight, self.hands = sight, hands

    @contextlib.contextmanager
    def _folder(self, row: int) -> Iterator[tuple[Spot, Directory, str]]:
        """Open a folder of the index; it has to be the same one where it lies."""
        folder, path = self.sight.index.directory(row), self.sight.index.path(row)
        if folder is None or path is None:
            raise Rejected("gone", f"folder {row} is not there any more")
        with self.hands.folder(path) as spot:
            if spot is None or (row != ROOT and self.sight.index.known(spot.anchor) != folder.anchor):
                self.sight.mark(path.rpartition("/")[0])
                found = "nothing" if spot is None else "another folder"
                raise Rejected(
                    "stale",
                    f"folder {folder.anchor} was expected at {path}, {found} is there; the next observation tells",
                    transient=True,
                )
            yield spot, folder, path

    @contextlib.contextmanager
    def target(self, parent: object, name: object) -> Iterator[Place]:
        """The place for a name in the folder with an anchor (None: the root)."""
        wanted = self.hands.checked(str(name or ""))
        index = self.sight.index
        known = index.by_anchor(str(parent)) if parent else index.directory(ROOT)
        if known is None:
            raise Rejected(
                "gone", f"the folder {parent} that {wanted} belongs into is not there any more", transient=True
            )
        with self._folder(known.id) as (spot, folder, path):
            ignores = self.sight.rules.ignores
            if ignores(path, wanted, is_folder=False) and ignores(path, wanted, is_folder=True):
                raise Rejected("name_refused", f"{wanted} is excluded by the patterns of this tree: rename it")
            yield Place(folder.id, folder.anchor, path, wanted, spot)

    @contextlib.contextmanager
    def wanted(self, write: Write, place: Place) -> Iterator[Place]:
        """Where a write wants what is at a place; the place itself when it stays."""
        parent, name = write.fields.get("parent", place.anchor), write.fields.get("name", place.name)
        if ((parent or ""), name) == (place.anchor, place.name):
            yield place
            return
        with self.target(parent, name) as target:
            yield target

    def was(self, write: Write, path: str) -> object:
        """The folder into which a write restores what lay at a path; None for the root, also when it is gone."""
        if "parent" in write.fields:
            return write.fields["parent"]
        folder = self.sight.index.by_path(path.rpartition("/")[0])
        return (folder.anchor or None) if folder else None

    @contextlib.contextmanager
    def file(self, write: Write) -> Iterator[tuple[Place, Entry, Held]]:
        """The file that a write is about, held, unchanged since it was observed. Raises Rejected: gone, stale."""
        anchor, index = write.anchor or "", self.sight.index
        found = index.find(anchor) or (self.sight.look_again() and index.find(anchor))
        if not found:
            raise Rejected("gone", f"file {anchor} is not there any more")
        row, entry = found
        with self._folder(row) as (spot, folder, path):
            place = Place(row, folder.anchor, path, entry.name, spot)
            version = file_version(folder.anchor, entry)
            if write.expected and write.expected != version:
                self._stale("file", anchor, path, expected=write.expected, now=version)
            with self._held("file", anchor, place) as held:
                if not held.node.is_still(entry):
                    self._stale("file", anchor, path, expected=write.expected or version, now="another one")
                yield place, entry, held

    @contextlib.contextmanager
    def directory(self, write: Write) -> Iterator[tuple[Place, Directory, Held]]:
        """The folder that a write is about, held, at the place in the folder that it is in."""
        anchor, index = write.anchor or "", self.sight.index
        known = index.by_anchor(anchor) or (self.sight.look_again() and index.by_anchor(anchor)) if anchor else None
        if not known:
            raise Rejected("gone", f"folder {anchor} is not there any more")
        with self._folder(known.parent) as (spot, parent, path):
            place = Place(known.parent, parent.anchor, path, known.name, spot)
            version = folder_version(parent.anchor, known.name)
            with self._held("folder", anchor, place) as held:
                if index.known(held.node.anchor) != anchor or (write.expected and write.expected != version):
                    self._stale("folder", anchor, path, expected=write.expected, now=version)
                yield place, known, held

    @contextlib.contextmanager
    def _held(self, kind: str, anchor: str, place: Place) -> Iterator[Any]:
        with self.hands.hold(place, folder=kind == "folder") as held:
            if held is None:
                raise self._away(kind, anchor, place.path)
            yield held

    def _away(self, kind: str, anchor: str, path: str) -> Rejected:
        """Not where it was: renamed here, as far as one look into the folder tells, or gone from it."""
        self.sight.look_into(path)
        index = self.sight.index
        known = index.find(anchor) if kind == "file" else index.by_anchor(anchor)
        if known and not index.is_vanished(anchor):
            return Rejected(
                "stale", f"{kind} {anchor} was renamed meanwhile; the next observation tells", transient=True
            )
        return Rejected("gone", f"{kind} {anchor} is not in {path or 'the root'} any more")

    def _stale(self, kind: str, anchor: str, path: str, *, expected: str, now: str) -> NoReturn:
        self.sight.mark(path)
        raise Rejected(
            "stale",
            f"{kind} {anchor}: expected version {expected}, found {now}; the next observation shows what it is now",
            transient=True,
        )
