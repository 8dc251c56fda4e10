"""Writes to files: what is there goes into the trash before anything takes its place, if it is what was read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from bridge.core.model import Action, Evidence
from bridge.ports import Write, Written
from connectors.tree.hands import Held, Part, Place, Raced, Rejected
from connectors.tree.index import Entry
from connectors.tree.places import Places
from connectors.tree.records import file_version, nanoseconds, unread
from connectors.tree.traits import Traits
from connectors.tree.trash import Origin, Trashed, moment_of

#: As coarse as a file system may keep a time that it is told (FAT), in ns.
_COARSE = 2 * 10**9


class FileWrites:
    """Blocking; raises Rejected, Raced, Busy and the storage's ``failure``.

    ``part`` is the new content, complete, in the folder where it belongs.
    """

    def __init__(self, places: Places, clock: Callable[[], datetime]) -> None:
        self._places, self._sight, self._hands, self._clock = places, places.sight, places.hands, clock

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
        if write.action is Action.RESTORE:
            self._trashed(write)
        if write.action in (Action.CREATE, Action.RESTORE):
            return
        with self._places.file(write) as (place, _, held):
            self._hands.refuse_while_written(held, place)

    # --- actions ----------------------------------------------------------------------------------------------------

    def _create(self, write: Write, part: Part | None) -> Written:
        with self._places.target(write.fields.get("parent"), write.fields.get("name")) as place:
            own = part or self._hands.begin(place)
            try:
                self._hands.put(own, place, mtime=_mtime(write))
                return self._noted(write, place, self._hands.look(place), anchor="", stamp=None, part=own)
            finally:
                if part is None:
                    own.end()

    def _update(self, write: Write, part: Part | None) -> Written:
        hands, mtime = self._hands, _mtime(write)
        with self._places.file(write) as (place, entry, held):
            if part is not None:
                hands.refuse_while_written(held, place)
            with self._places.wanted(write, place) as target:
                if target is not place:
                    entry = self._moved(held, place, target, entry)
                with self._marked(target, entry):
                    if part is not None:
                        origin = self._origin(target, entry, deleted=False)
                        hands.exchange(held, target, entry, part, mtime=mtime, origin=origin)
                        self._sight.mark_links(entry.ino, besides=target.row)
                    elif mtime is not None:
                        hands.set_time(held, target, mtime)
                node = hands.look(target, held)
                if part is None:  # its content is what it was
                    made = mtime if mtime is not None else entry.mtime, entry.size
                    node = self._as_made(node, made, target, slack=_COARSE if mtime is not None else 0)
                stamp = None if part is not None else entry.stamp
                return self._noted(write, target, node, anchor=entry.anchor, stamp=stamp, part=part)

    def _moved(self, held: Held, place: Place, target: Place, entry: Entry) -> Entry:
        with self._marked(place, entry):
            there = self._hands.move(held, place, target)
        index = self._sight.index
        index.replace_file(place.row, place.name, None)
        self._sight.takes(target, entry.anchor)
        # What was written into it since it was looked at keeps its own stamp.
        stamp = entry.stamp if (there.mtime, there.size) == (entry.mtime, entry.size) else there.ctime
        now = _entry(target.name, there, anchor=entry.anchor, stamp=stamp)
        index.replace_file(target.row, target.name, now)
        index.log([(entry.anchor, "file", None)])
        return now

    def _delete(self, write: Write) -> Written:
        with self._places.file(write) as (place, entry, held):
            self._hands.refuse_while_written(held, place)
            origin = self._origin(place, entry, deleted=True)
            with self._marked(place, entry):
                self._hands.discard(held, place, origin, entry=entry, check=lambda _: None)
            self._sight.index.replace_file(place.row, place.name, None)
            self._sight.index.log([(entry.anchor, "file", Evidence.DELETED)])
            self._sight.mark_links(entry.ino, besides=place.row)
            return Written(write.id, entry.anchor, file_version(place.anchor, entry))

    def _restore(self, write: Write, part: Part | None) -> Written:
        found = self._trashed(write)
        parent = self._places.was(write, found.origin.path)
        with self._places.target(parent, write.fields.get("name", found.origin.name)) as place:
            self._hands.take_out(found, place)
            node = self._hands.look(place)
            done = self._noted(write, place, node, anchor=write.anchor or "", stamp=None, part=None)
        if part is None and "modified" not in write.fields:
            return done
        return self._update(replace(write, action=Action.UPDATE, expected=done.version), part)

    def _trashed(self, write: Write) -> Trashed:
        found = self._hands.trashed(write.anchor or "")
        if found is None or found.origin.kind != "file":
            raise Rejected("gone", f"file {write.anchor} is not in the trash any more")
        return found

    # --- what they share --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _marked(self, place: Place, entry: Entry) -> Iterator[None]:
        """What fails half way may have left other times behind; what raced is another file now: look there again."""
        try:
            yield
        except Raced:
            self._sight.mark(place.path)
            raise Raced(
                f"file {entry.anchor} was changed by somebody else at the very moment; nothing was written, the next "
                f"observation shows what it is now"
            ) from None
        except BaseException:
            self._sight.mark(place.path)
            raise

    def _origin(self, place: Place, entry: Entry, *, deleted: bool) -> Origin:
        return Origin(
            entry.anchor, "file", place.name, place.full, moment_of(self._clock()), deleted=deleted, size=entry.size
        )

    def _as_made(self, node: Traits, made: tuple[int | None, int], place: Place, *, slack: int = 0) -> Traits:
        """What the last step left (mtime, size): where somebody wrote into it since, theirs is a change of that."""
        mtime, size = made
        if size == node.size and (mtime is None or abs(node.mtime - mtime) <= slack):
            return node
        self._sight.mark(place.path)
        return replace(node, mtime=node.mtime if mtime is None else mtime, size=size)

    def _noted(
        self, write: Write, place: Place, node: Traits, *, anchor: str, stamp: int | None, part: Part | None
    ) -> Written:
        """Take what was written into the index and tell it again: whoever missed the answer has to learn of it."""
        if not node.is_file:
            raise Rejected("stale", f"something else took the place of {place.full}", transient=True)
        if part is not None:
            node = self._as_made(node, part.made, place)
        entry = _entry(place.name, node, anchor=anchor, stamp=node.ctime if stamp is None else stamp)
        if node.names > 1:
            self._sight.mark_links(node.ino, besides=place.row)
        index = self._sight.index
        self._sight.takes(place, entry.anchor)
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


def _entry(name: str, node: Traits, *, anchor: str, stamp: int) -> Entry:
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
