"""Writes to folders. Each is one rename or one creation, so that there is nothing halfway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bridge.core.model import Action, Evidence
from bridge.ports import Write, Written
from connectors.folder.records import folder_version
from connectors.folder.trash import Origin, moment_of
from connectors.smb.errors import NAME_COLLISION, ServerStatus
from connectors.smb.line import CREATE, DELETE, FOLDER
from connectors.smb.places import Places, Rejected
from connectors.smb.trash import Trash, rename
from connectors.smb.wire import DIRECTORY


class FolderWrites:
    """Blocking; raises Rejected and ServerStatus."""

    def __init__(self, places: Places, clock: Callable[[], datetime]) -> None:
        self._places, self._sight, self._line, self._clock = places, places.sight, places.line, clock

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
        place = self._places.target(write.fields.get("parent"), write.fields.get("name"))
        try:
            with self._line.opened(place.full, disposition=CREATE, options=FOLDER) as handle:
                anchor = handle.node.anchor
        except ServerStatus as status:
            if status.code != NAME_COLLISION:
                raise
            try:
                with self._line.opened(place.full, options=FOLDER) as handle:
                    anchor = handle.node.anchor
            except ServerStatus:
                raise status from None
            # It is adopted as it is; the next observation tells what is in it.
            self._sight.mark(place.path)
            return Written(write.id, anchor, folder_version(place.anchor, place.name), adopted=True)
        index.add_directory(anchor, place.row, place.name)
        index.fingerprint(place.row, b"")
        index.log([(anchor, "folder", None)])
        return Written(write.id, anchor, folder_version(place.anchor, place.name))

    def _move(self, write: Write) -> Written:
        index = self._sight.index
        with self._places.directory(write) as (place, known, handle):
            wanted = write.fields.get("parent", place.anchor), write.fields.get("name", place.name)
            target = self._places.target(*wanted)
            if (target.row, target.name) != (place.row, place.name):
                rename(self._line, handle, target.full)
                index.place_directory(known.id, target.row, target.name)
                for row in (place.row, target.row):
                    index.fingerprint(row, b"")
                index.log([(known.anchor, "folder", None)])
            return Written(write.id, known.anchor, folder_version(target.anchor, target.name))

    def _delete(self, write: Write) -> Written:
        index = self._sight.index
        with self._places.directory(write) as (place, known, handle):
            self._refuse_unless_empty(place.full, place.full, known.anchor)
            now = self._clock()
            origin = Origin(known.anchor, "folder", known.name, place.full, moment_of(now), deleted=True, size=0)
            with Trash(self._line).entry(origin, now.date()) as bin_:
                rename(self._line, handle, f"{bin_}/{place.name}")
                try:
                    # Somebody may have put something into it between the look and the rename.
                    self._refuse_unless_empty(f"{bin_}/{place.name}", place.full, known.anchor)
                except BaseException:
                    rename(self._line, handle, place.full)
                    raise
        index.drop_directory(known.id)
        index.fingerprint(place.row, b"")
        index.appear(known.anchor)
        index.log([(known.anchor, "folder", Evidence.DELETED)])
        return Written(write.id, known.anchor, folder_version(place.anchor, known.name))

    def _refuse_unless_empty(self, path: str, seen_at: str, anchor: str) -> None:
        for name, node in self._line.list(path)[1]:
            if not self._sight.rules.ignores(seen_at, name, is_folder=bool(node.attributes & DIRECTORY)):
                self._sight.mark(seen_at)
                raise Rejected(
                    "not_empty",
                    f"folder {anchor} is not empty: it goes when nothing that is mirrored, and no link, lies in it",
                    transient=True,
                )

    def _restore(self, write: Write) -> Written:
        index, anchor, trash = self._sight.index, write.anchor or "", Trash(self._line)
        found = trash.find(anchor)
        if found is None or found.origin.kind != "folder":
            raise Rejected("gone", f"folder {anchor} is not in the trash any more")
        if "parent" in write.fields:
            parent = write.fields["parent"]
        else:
            above = index.by_path(found.origin.path.rpartition("/")[0])
            parent = above.anchor if above else None
        place = self._places.target(parent, write.fields.get("name", found.origin.name))
        with self._line.opened(f"{found.place}/{found.origin.name}", access=DELETE, options=FOLDER) as handle:
            rename(self._line, handle, place.full)
            now = handle.node.anchor
        trash.emptied(found.place)
        if index.by_anchor(now) is None:
            index.add_directory(now, place.row, place.name)
        index.fingerprint(place.row, b"")
        index.log([(now, "folder", None)])
        # What lies in it that is not known yet is found by the next look.
        self._sight.mark(place.full)
        return Written(write.id, now, folder_version(place.anchor, place.name))
