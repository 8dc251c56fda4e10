"""Writes to files: what is there goes into the trash before anything takes its place, if it is what was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bridge.core.model import Action, Evidence
from bridge.ports import Write, Written
from connectors.folder.index import Entry
from connectors.folder.records import file_version, nanoseconds, unread
from connectors.folder.trash import Origin, moment_of
from connectors.smb.line import DELETE, FILE, SHARE_READ, Handle
from connectors.smb.parts import Part
from connectors.smb.places import Place, Places, Rejected
from connectors.smb.trash import Trash, rename
from connectors.smb.wire import Node, basic

_BASIC = 4


class FileWrites:
    """Blocking; raises Rejected and ServerStatus. ``part`` is the new content, complete, in the folder of its place."""

    def __init__(self, places: Places, clock: Callable[[], datetime]) -> None:
        self._places, self._sight, self._line, self._clock = places, places.sight, places.line, clock

    def carry_out(self, write: Write, part: Part | None) -> Written:
        if write.action is Action.CREATE:
            return self._create(write, part)
        if write.action is Action.DELETE:
            return self._delete(write)
        if write.action is Action.RESTORE:
            return self._restore(write, part)
        return self._update(write, part)

    def check(self, write: Write) -> None:
        """Whether the write could be carried out now: asked before its content is transferred. Raises as that would."""
        if write.action not in (Action.CREATE, Action.RESTORE):
            with self._places.file(write):
                pass

    def _create(self, write: Write, part: Part | None) -> Written:
        place = self._places.target(write.fields.get("parent"), write.fields.get("name"))
        own = part or Part.begin(self._sight.lines, place.path)
        try:
            own.finish(mtime=_mtime(write))
            own.place(place.full)
        finally:
            if part is None:
                own.end()
        return self._noted(write, place, anchor="", stamp=None, part=own)

    def _update(self, write: Write, part: Part | None) -> Written:
        with self._places.file(write) as (place, entry, handle):
            wanted = write.fields.get("parent", place.anchor), write.fields.get("name", place.name)
            target = place
            if wanted != (place.anchor, place.name):
                target = self._places.target(*wanted)
                rename(self._line, handle, target.full)
                self._sight.index.replace_file(place.row, place.name, None)
            if part is not None:
                part.finish(mtime=_mtime(write))
                self._exchange(target, entry, handle, part)
            elif (mtime := _mtime(write)) is not None:
                self._line.set(handle, _BASIC, basic(mtime=mtime))
        stamp = None if part is not None else entry.stamp
        return self._noted(write, target, anchor=entry.anchor, stamp=stamp, part=part)

    def _exchange(self, place: Place, entry: Entry, handle: Handle, part: Part) -> None:
        """Put the new content where the old one is. The name is free for a moment; ``recover`` undoes a crash there."""
        trash = Trash(self._line)
        with trash.entry(self._origin(place, entry, deleted=False), self._clock().date()) as bin_:
            kept = f"{bin_}/{place.name}"
            with trash.pending(kept=kept, path=place.full, part=part.path):
                rename(self._line, handle, kept)
                try:
                    part.place(place.full)
                except BaseException:
                    rename(self._line, handle, place.full)
                    raise

    def _delete(self, write: Write) -> Written:
        with self._places.file(write) as (place, entry, handle):
            origin = self._origin(place, entry, deleted=True)
            with Trash(self._line).entry(origin, self._clock().date()) as bin_:
                rename(self._line, handle, f"{bin_}/{place.name}")
        self._sight.index.replace_file(place.row, place.name, None)
        self._sight.index.log([(entry.anchor, "file", Evidence.DELETED)])
        return Written(write.id, entry.anchor, file_version(place.anchor, entry))

    def _restore(self, write: Write, part: Part | None) -> Written:
        anchor, index, trash = write.anchor or "", self._sight.index, Trash(self._line)
        found = trash.find(anchor)
        if found is None or found.origin.kind != "file":
            raise Rejected("gone", f"file {anchor} is not in the trash any more")
        if "parent" in write.fields:
            parent = write.fields["parent"]
        else:
            folder = index.by_path(found.origin.path.rpartition("/")[0])
            parent = folder.anchor if folder else None
        place = self._places.target(parent, write.fields.get("name", found.origin.name))
        kept = f"{found.place}/{found.origin.name}"
        with self._line.opened(kept, access=DELETE, share=SHARE_READ, options=FILE) as handle:
            rename(self._line, handle, place.full)
        trash.emptied(found.place)
        done = self._noted(write, place, anchor=anchor, stamp=None, part=None)
        if part is None and "modified" not in write.fields:
            return done
        return self._update(replace(write, action=Action.UPDATE, expected=done.version), part)

    def _origin(self, place: Place, entry: Entry, *, deleted: bool) -> Origin:
        return Origin(
            entry.anchor, "file", place.name, place.full, moment_of(self._clock()), deleted=deleted, size=entry.size
        )

    def _noted(self, write: Write, place: Place, *, anchor: str, stamp: int | None, part: Part | None) -> Written:
        """Take what was written into the index and tell it again: whoever missed the answer has to learn of it."""
        # Closed first and opened anew: a server may set the time of change when a file is closed.
        with self._line.opened(place.full) as handle:
            node = handle.node
        if not node.is_file:
            raise Rejected("stale", f"something else took the place of file {anchor}", transient=True)
        entry = _entry(place.name, node, anchor=anchor, stamp=node.ctime if stamp is None else stamp)
        index = self._sight.index
        index.replace_file(place.row, place.name, entry)
        index.appear(entry.anchor)
        index.log([(entry.anchor, "file", None)])
        return Written(
            write.id,
            entry.anchor,
            file_version(place.anchor, entry),
            content=part.digest if part else None,
            shown=unread(entry) if part else None,
        )


def _entry(name: str, node: Node, *, anchor: str, stamp: int) -> Entry:
    special = anchor if anchor and anchor != node.anchor else ""
    return Entry(name, node.ino, node.btime, node.mtime, node.ctime, node.size, stamp, special)


def _mtime(write: Write) -> int | None:
    modified = write.fields.get("modified")
    if not modified:
        return None
    try:
        return nanoseconds(str(modified))
    except ValueError:
        raise Rejected("invalid", f"{modified} is no time: expected such as 2026-11-23T19:05:31Z") from None
