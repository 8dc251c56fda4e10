"""Writes to folders. Each is one rename or one creation, so that there is nothing halfway."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from bridge.core.model import Action, Evidence
from bridge.ports import Write, Written
from connectors.tree.hands import Place, Raced, Rejected
from connectors.tree.index import Directory
from connectors.tree.places import Places
from connectors.tree.records import folder_version
from connectors.tree.trash import Origin, moment_of


class FolderWrites:
    """Blocking; raises Rejected, Raced and the storage's ``failure``."""

    def __init__(self, places: Places, clock: Callable[[], datetime]) -> None:
        self._places, self._sight, self._hands, self._clock = places, places.sight, places.hands, clock

    def carry_out(self, write: Write) -> Written:
        acts = {Action.CREATE: self._create, Action.DELETE: self._delete, Action.RESTORE: self._restore}
        return acts.get(write.action, self._move)(write)

    def _create(self, write: Write) -> Written:
        with self._places.target(write.fields.get("parent"), write.fields.get("name")) as place:
            anchor, made = self._hands.make(place)
            if made:
                self._made(place, anchor)
            else:
                # It is adopted as it is; the next observation tells what is in it.
                anchor = self._sight.index.known(anchor)
                self._sight.mark(place.path)
            return Written(write.id, anchor, folder_version(place.anchor, place.name), adopted=not made)

    def _made(self, place: Place, anchor: str) -> None:
        index = self._sight.index
        self._sight.takes(place, anchor)
        self._sight.made(anchor)
        known = index.by_anchor(anchor)
        if known is None:
            index.add_directory(anchor, place.row, place.name)
        else:  # one that was there before can't be told from it
            index.place_directory(known.id, place.row, place.name)
        self._told(anchor, place.row)

    def _move(self, write: Write) -> Written:
        with self._places.directory(write) as (place, known, held), self._places.wanted(write, place) as target:
            if target is not place:
                try:
                    self._hands.move(held, place, target)
                except Raced:
                    raise self._raced(place, known) from None
                self._sight.takes(target, known.anchor)
                self._sight.index.place_directory(known.id, target.row, target.name)
                self._told(known.anchor, place.row, target.row)
            return Written(write.id, known.anchor, folder_version(target.anchor, target.name))

    def _raced(self, place: Place, known: Directory) -> Raced:
        self._sight.mark(place.path)
        return Raced(f"folder {known.anchor} was exchanged meanwhile; the next observation tells")

    def _delete(self, write: Write) -> Written:
        index = self._sight.index

        def check(entries: Iterable[tuple[str, bool]]) -> None:
            self._refuse_unless_empty(place, known, entries)

        with self._places.directory(write) as (place, known, held):
            check(self._hands.entries(held, place))
            moment = moment_of(self._clock())
            origin = Origin(known.anchor, "folder", known.name, place.full, moment, deleted=True, size=0)
            try:
                # Somebody may have put something into it since: it is looked into again where nobody else gets at it.
                self._hands.discard(held, place, origin, entry=None, check=check)
            except Raced:
                raise self._raced(place, known) from None
            index.drop_directory(known.id)
            index.fingerprint(place.row, b"")
            index.appear(known.anchor)
            index.log([(known.anchor, "folder", Evidence.DELETED)])
            return Written(write.id, known.anchor, folder_version(place.anchor, known.name))

    def _refuse_unless_empty(self, place: Place, known: Directory, entries: Iterable[tuple[str, bool]]) -> None:
        for name, is_folder in entries:
            if not self._sight.rules.ignores(place.full, name, is_folder=is_folder):
                self._sight.mark(place.full)
                raise Rejected(
                    "not_empty",
                    f"folder {known.anchor} is not empty: it goes when nothing that is mirrored, and no link or "
                    f"device, lies in it",
                    transient=True,
                )

    def _restore(self, write: Write) -> Written:
        index, anchor = self._sight.index, write.anchor or ""
        found = self._hands.trashed(anchor)
        if found is None or found.origin.kind != "folder":
            raise Rejected("gone", f"folder {anchor} is not in the trash any more")
        parent = self._places.was(write, found.origin.path)
        with self._places.target(parent, write.fields.get("name", found.origin.name)) as place:
            self._hands.take_out(found, place)
            told = self._hands.look(place).anchor
            now = anchor if index.same(told, anchor) else told
            self._sight.takes(place, now)
            if index.by_anchor(now) is None:
                index.add_directory(now, place.row, place.name)
            self._told(now, place.row)
            # What lies in it that is not known yet is found by the next look.
            self._sight.mark(place.full)
            return Written(write.id, now, folder_version(place.anchor, place.name))

    def _told(self, anchor: str, *rows: int) -> None:
        for row in rows:
            self._sight.index.fingerprint(row, b"")
        self._sight.index.log([(anchor, "folder", None)])
