"""Writes to files: what is there goes into the trash before anything takes its place, if it is what was read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bridge.core.model import Action, Evidence
from bridge.ports import Write, Written
from connectors.folder.contents import refuse_while_written
from connectors.folder.index import Entry
from connectors.folder.parts import Part
from connectors.folder.places import Place, Places, Rejected
from connectors.folder.records import file_version, nanoseconds, unread
from connectors.folder.system import EXCHANGE, Node, look, rename
from connectors.folder.trash import Origin, Trash, moment_of


class FileWrites:
    """Blocking; raises Rejected and OSError. ``part`` is the new content, complete, in the folder where it belongs."""

    def __init__(self, places: Places, clock: Callable[[], datetime]) -> None:
        self._places, self._sight, self._clock = places, places.sight, clock

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
        if write.action in (Action.CREATE, Action.RESTORE):
            return
        with self._places.file(write) as (place, _, _):
            self._refuse_while_written(place, write.anchor or "")

    def _refuse_while_written(self, place: Place, anchor: str) -> None:
        try:
            fd = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.fd)
        except PermissionError:
            return
        try:
            refuse_while_written(fd, anchor)
        finally:
            os.close(fd)

    # --- actions ----------------------------------------------------------------------------------------------------

    def _create(self, write: Write, part: Part | None) -> Written:
        with self._places.target(write.fields.get("parent"), write.fields.get("name")) as place:
            if part is None:
                part = Part.begin(place.fd)
                try:
                    return self._placed(write, place, part)
                finally:
                    part.end()
            return self._placed(write, place, part)

    def _placed(self, write: Write, place: Place, part: Part) -> Written:
        part.finish(mtime=_mtime(write), like=None)
        # Nothing is ever replaced: FileExistsError where the name is taken.
        rename(part.folder, part.name, place.fd, place.name)
        os.fsync(place.fd)
        return self._noted(write, place, anchor="", stamp=None, part=part)

    def _update(self, write: Write, part: Part | None) -> Written:
        with self._places.file(write) as (place, entry, node):
            if part is not None:
                self._refuse_while_written(place, entry.anchor)
            parent = write.fields.get("parent", place.anchor)
            with self._places.target(parent, write.fields.get("name", place.name)) as target:
                if (target.row, target.name) != (place.row, place.name):
                    entry = self._moved(place, target, entry)
                if part is not None:
                    part.copy_attributes(target.fd, target.name)
                    part.finish(mtime=_mtime(write), like=node)
                    self._replaced(target, entry, part)
                    return self._noted(write, target, anchor=entry.anchor, stamp=None, part=part)
                if (mtime := _mtime(write)) is not None:
                    entry = self._dated(target, entry, mtime)
                return self._noted(write, target, anchor=entry.anchor, stamp=entry.stamp, part=None)

    def _moved(self, place: Place, target: Place, entry: Entry) -> Entry:
        rename(place.fd, place.name, target.fd, target.name)
        there = look(target.fd, target.name)
        if (there.ino, there.btime) != (entry.ino, entry.btime):
            rename(target.fd, target.name, place.fd, place.name)
            raise self._raced(place, entry)
        os.fsync(target.fd)
        self._sight.index.replace_file(place.row, place.name, None)
        # What was written into it since it was looked at keeps its own stamp.
        stamp = entry.stamp if (there.mtime, there.size) == (entry.mtime, entry.size) else there.ctime
        now = replace(
            entry, name=target.name, mtime=there.mtime, ctime=there.ctime, size=there.size, stamp=stamp,
            special=_special(entry.anchor, there),
        )  # fmt: skip
        self._sight.index.replace_file(target.row, target.name, now)
        self._sight.index.log([(entry.anchor, "file", None)])
        return now

    def _dated(self, place: Place, entry: Entry, mtime: int) -> Entry:
        """Set the time of change only; the bytes are what they were, so the stamp stays."""
        accessed = os.stat(place.name, dir_fd=place.fd, follow_symlinks=False).st_atime_ns
        os.utime(place.name, ns=(accessed, mtime), dir_fd=place.fd, follow_symlinks=False)
        return entry

    def _delete(self, write: Write) -> Written:
        with self._places.file(write) as (place, entry, _):
            self._refuse_while_written(place, entry.anchor)
            now = self._clock()
            with Trash(self._sight.root.fd).entry(self._origin(place, entry, deleted=True), now.date()) as (bin_, _):
                rename(place.fd, place.name, bin_, place.name)
                if not _is(look(bin_, place.name), entry):
                    rename(bin_, place.name, place.fd, place.name)
                    raise self._raced(place, entry)
            os.fsync(place.fd)
            self._sight.index.replace_file(place.row, place.name, None)
            self._sight.index.log([(entry.anchor, "file", Evidence.DELETED)])
            return Written(write.id, entry.anchor, file_version(place.anchor, entry))

    def _restore(self, write: Write, part: Part | None) -> Written:
        anchor, index = write.anchor or "", self._sight.index
        trash = Trash(self._sight.root.fd)
        found = trash.find(anchor)
        if found is None or found.origin.kind != "file":
            raise Rejected("gone", f"file {anchor} is not in the trash any more")
        if "parent" in write.fields:
            parent = write.fields["parent"]
        else:
            folder = index.by_path(found.origin.path.rpartition("/")[0])
            parent = folder.anchor if folder else None
        with self._places.target(parent, write.fields.get("name", found.origin.name)) as place:
            trash.take_out(found, place.fd, place.name)
            done = self._noted(write, place, anchor=anchor, stamp=None, part=None)
        if part is None and "modified" not in write.fields:
            return done
        later = replace(write, action=Action.UPDATE, expected=done.version)
        return self._update(later, part)

    # --- replacing --------------------------------------------------------------------------------------------------

    def _replaced(self, place: Place, entry: Entry, part: Part) -> None:
        """Put the new content where the old one is, which is in the trash before and after every step."""
        origin = self._origin(place, entry, deleted=False)
        with Trash(self._sight.root.fd).entry(origin, self._clock().date()) as (bin_, _):
            try:
                os.link(place.name, place.name, src_dir_fd=place.fd, dst_dir_fd=bin_, follow_symlinks=False)
                if not _is(look(bin_, place.name), entry):
                    os.unlink(place.name, dir_fd=bin_)
                    raise self._raced(place, entry)
                os.fsync(bin_)
                self._exchanged(place, bin_, entry, part)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                    raise
                self._swapped_by_steps(place, bin_, entry, part)
        os.fsync(place.fd)

    def _exchanged(self, place: Place, bin_: int, entry: Entry, part: Part) -> None:
        try:
            rename(part.folder, part.name, place.fd, place.name, flags=EXCHANGE)
        except BaseException:
            os.unlink(place.name, dir_fd=bin_)
            # The link that was made and taken away changed its ctime.
            self._sight.mark(place.path)
            raise
        # The old content bears the temporary name now, and lies in the trash as well.
        if not _is(look(part.folder, part.name), entry):
            rename(part.folder, part.name, place.fd, place.name, flags=EXCHANGE)
            os.unlink(place.name, dir_fd=bin_)
            raise self._raced(place, entry)

    def _swapped_by_steps(self, place: Place, bin_: int, entry: Entry, part: Part) -> None:
        """The same for file systems without links or exchanging: the name is free for a moment, nothing is lost."""
        rename(place.fd, place.name, bin_, place.name)
        try:
            if not _is(look(bin_, place.name), entry):
                raise self._raced(place, entry)
            rename(part.folder, part.name, place.fd, place.name)
        except BaseException:
            rename(bin_, place.name, place.fd, place.name)
            raise

    def _raced(self, place: Place, entry: Entry) -> Rejected:
        self._sight.mark(place.path)
        return Rejected(
            "stale",
            f"file {entry.anchor} was changed by somebody else at the very moment; nothing was written, the next "
            f"observation shows what it is now",
            transient=True,
        )

    def _origin(self, place: Place, entry: Entry, *, deleted: bool) -> Origin:
        return Origin(
            entry.anchor, "file", place.name, place.full, moment_of(self._clock()), deleted=deleted, size=entry.size
        )

    # --- the index --------------------------------------------------------------------------------------------------

    def _noted(self, write: Write, place: Place, *, anchor: str, stamp: int | None, part: Part | None) -> Written:
        """Take what was written into the index and tell it again: whoever missed the answer has to learn of it."""
        node = look(place.fd, place.name)
        if not node.is_file:
            raise Rejected("stale", f"something else took the place of {place.full}", transient=True)
        entry = Entry(
            place.name, node.ino, node.btime, node.mtime, node.ctime, node.size, node.ctime if stamp is None else stamp,
            _special(anchor, node),
        )  # fmt: skip
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


def _special(anchor: str, node: Node) -> str:
    return anchor if anchor and anchor != node.anchor else ""


def _is(node: Node, entry: Entry) -> bool:
    """Whether it is the file that was read; a rename or a link changes the ctime only."""
    return (node.ino, node.btime, node.mtime, node.size) == (entry.ino, entry.btime, entry.mtime, entry.size)


def _mtime(write: Write) -> int | None:
    modified = write.fields.get("modified")
    if not modified:
        return None
    try:
        return nanoseconds(str(modified))
    except ValueError:
        raise Rejected("invalid", f"{modified} is no time: expected such as 2026-11-23T19:05:31Z") from None
