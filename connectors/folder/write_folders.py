"""Writes to folders. Each is one rename or one mkdir, so that there is nothing halfway."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import datetime

from bridge.core.model import Action, Evidence
from bridge.ports import Write, Written
from connectors.folder.parts import inherit
from connectors.folder.places import Place, Places, Rejected
from connectors.folder.records import folder_version
from connectors.folder.system import look, rename
from connectors.folder.trash import Origin, Trash, moment_of

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class FolderWrites:
    """Blocking; raises Rejected and OSError."""

    def __init__(self, places: Places, clock: Callable[[], datetime]) -> None:
        self._places, self._sight, self._clock = places, places.sight, clock

    def carry_out(self, write: Write) -> Written:
        if write.action is Action.CREATE:
            return self._create(write)
        if write.action is Action.DELETE:
            return self._delete(write)
        if write.action is Action.RESTORE:
            return self._restore(write)
        return self._move(write)

    def _create(self, write: Write) -> Written:
        index = self._sight.index
        with self._places.target(write.fields.get("parent"), write.fields.get("name")) as place:
            try:
                os.mkdir(place.name, 0o777, dir_fd=place.fd)
            except FileExistsError:
                node = look(place.fd, place.name)
                if not node.is_directory or node.mount != self._sight.root.node.mount:
                    raise
                # It is adopted as it is; the next observation tells what is in it.
                self._sight.mark(place.path)
                return Written(write.id, node.anchor, folder_version(place.anchor, place.name), adopted=True)
            made = os.open(place.name, _DIRECTORY, dir_fd=place.fd)
            try:
                inherit(made, place.fd, is_folder=True)
                anchor = look(made).anchor
            finally:
                os.close(made)
            os.fsync(place.fd)
            index.add_directory(anchor, place.row, place.name)
            index.fingerprint(place.row, b"")
            index.log([(anchor, "folder", None)])
            return Written(write.id, anchor, folder_version(place.anchor, place.name))

    def _move(self, write: Write) -> Written:
        index = self._sight.index
        with self._places.directory(write) as (place, known):
            parent = write.fields.get("parent", place.anchor)
            with self._places.target(parent, write.fields.get("name", place.name)) as target:
                if (target.row, target.name) != (place.row, place.name):
                    rename(place.fd, place.name, target.fd, target.name)
                    if look(target.fd, target.name).anchor != known.anchor:
                        rename(target.fd, target.name, place.fd, place.name)
                        raise self._raced(place, known.anchor)
                    os.fsync(target.fd)
                    index.place_directory(known.id, target.row, target.name)
                    for row in (place.row, target.row):
                        index.fingerprint(row, b"")
                    index.log([(known.anchor, "folder", None)])
                return Written(write.id, known.anchor, folder_version(target.anchor, target.name))

    def _raced(self, place: Place, anchor: str) -> Rejected:
        self._sight.mark(place.path)
        return Rejected("stale", f"folder {anchor} was exchanged meanwhile; the next observation tells", transient=True)

    def _delete(self, write: Write) -> Written:
        index = self._sight.index
        with self._places.directory(write) as (place, known):
            self._refuse_unless_empty(place, known.anchor)
            now = self._clock()
            origin = Origin(known.anchor, "folder", known.name, place.full, moment_of(now), deleted=True, size=0)
            with Trash(self._sight.root.fd).entry(origin, now.date()) as (bin_, _):
                rename(place.fd, place.name, bin_, place.name)
                # Somebody may have put something into it between the look and the rename.
                trashed = Place(bin_, place.row, place.anchor, place.path, place.name)
                try:
                    if look(bin_, place.name).anchor != known.anchor:
                        raise self._raced(place, known.anchor)
                    self._refuse_unless_empty(trashed, known.anchor)
                except BaseException:
                    rename(bin_, place.name, place.fd, place.name)
                    raise
            os.fsync(place.fd)
            index.drop_directory(known.id)
            index.fingerprint(place.row, b"")
            index.appear(known.anchor)
            index.log([(known.anchor, "folder", Evidence.DELETED)])
            return Written(write.id, known.anchor, folder_version(place.anchor, known.name))

    def _refuse_unless_empty(self, place: Place, anchor: str) -> None:
        opened = os.open(place.name, _DIRECTORY, dir_fd=place.fd)
        try:
            with os.scandir(opened) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if not self._sight.rules.ignores(place.full, entry.name, is_folder=is_folder):
                        self._sight.mark(place.full)
                        raise Rejected(
                            "not_empty",
                            f"folder {anchor} is not empty: it goes when nothing that is mirrored, and no link or "
                            f"device, lies in it",
                            transient=True,
                        )
        finally:
            os.close(opened)

    def _restore(self, write: Write) -> Written:
        index, anchor = self._sight.index, write.anchor or ""
        trash = Trash(self._sight.root.fd)
        found = trash.find(anchor)
        if found is None or found.origin.kind != "folder":
            raise Rejected("gone", f"folder {anchor} is not in the trash any more")
        parent = write.fields["parent"] if "parent" in write.fields else self._parent_of(found.origin.path)
        with self._places.target(parent, write.fields.get("name", found.origin.name)) as place:
            trash.take_out(found, place.fd, place.name)
            now = look(place.fd, place.name).anchor
            if index.by_anchor(now) is None:
                index.add_directory(now, place.row, place.name)
            index.fingerprint(place.row, b"")
            index.log([(now, "folder", None)])
            return Written(write.id, now, folder_version(place.anchor, place.name))

    def _parent_of(self, path: str) -> str | None:
        """The anchor of the folder in which something was; None for the root, also when the folder is gone."""
        with contextlib.suppress(AttributeError):
            folder = self._sight.index.by_path(path.rpartition("/")[0])
            return folder.anchor or None if folder else None
        return None
