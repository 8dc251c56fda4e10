"""How a share is changed: what is replaced, renamed or deleted is opened so that nobody else can write to it meanwhile.

A program that has it open for writing makes it busy (a sharing violation), and nothing comes in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.smb.errors import ABSENT, NAME_COLLISION, ServerStatus
from connectors.smb.line import (
    CREATE,
    DELETE,
    FILE,
    FOLDER,
    READ,
    SHARE_ALL,
    SHARE_READ,
    WRITE_ATTRIBUTES,
    Handle,
    Line,
)
from connectors.smb.lines import Lines
from connectors.smb.parts import Part
from connectors.smb.trash import Trash, rename
from connectors.smb.wire import Node, basic
from connectors.tree.hands import Check, Place, Rejected
from connectors.tree.index import Entry
from connectors.tree.trash import Origin, Trashed, last_deleted

_BASIC = 4
_FORBIDDEN = frozenset('\\/:*?"<>|') | {chr(one) for one in range(32)}


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """A folder that is there; nothing stays open."""

    anchor: str


class ShareHands:
    """See ``connectors.tree.hands.Hands``. Works over one line; parts have lines of their own."""

    def __init__(self, line: Line, lines: Lines) -> None:
        self._line, self._lines, self._trash = line, lines, Trash(line)

    def checked(self, name: str) -> str:
        """What Windows takes (MS-FSCC 2.1.5)."""
        bad = sorted(set(name) & _FORBIDDEN)
        if not name or name in (".", "..") or bad or name[-1:] in (".", " "):
            why = f"it has {' '.join(map(repr, bad))} in it" if bad else "it is empty or ends in a dot or a space"
            raise Rejected(
                "name_refused", f"{name!r} is no name for a file on a share, {why}: rename it on the other side"
            )
        try:
            size = len(name.encode("utf-16-le")) // 2
        except UnicodeEncodeError:
            raise Rejected("name_refused", f"{name!r} is not Unicode: rename it on the other side") from None
        if size > 255:
            raise Rejected("name_refused", f"a name of {size} characters is too long, 255 are possible: shorten it")
        return name

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[KnownFolder | None]:
        yield self._known(path)

    def _known(self, path: str) -> KnownFolder | None:
        if not path:
            return KnownFolder("")
        try:
            with self._line.opened(path, options=FOLDER) as handle:
                return KnownFolder(handle.node.anchor)
        except ServerStatus as status:
            if status.code not in ABSENT:
                raise
            return None

    @contextlib.contextmanager
    def hold(self, place: Place, *, folder: bool) -> Iterator[Handle | None]:
        handle = self._held(place, folder=folder)
        try:
            yield handle
        finally:
            if handle is not None:
                self._line.close_handle(handle)

    def _held(self, place: Place, *, folder: bool) -> Handle | None:
        try:
            if folder:
                return self._line.open(place.full, access=DELETE | READ, share=SHARE_ALL, options=FOLDER)
            access = DELETE | READ | WRITE_ATTRIBUTES
            return self._line.open(place.full, access=access, share=SHARE_READ, options=FILE)
        except ServerStatus as status:
            if status.code not in ABSENT:
                raise
            return None

    def refuse_while_written(self, held: Handle, place: Place) -> None:
        """``hold`` found out."""

    def look(self, place: Place, held: Handle | None = None) -> Node:
        """Closed first and opened anew: a server may set the time of change when a file is closed."""
        if held is not None:
            self._line.close_handle(held)
        with self._line.opened(place.full) as handle:
            return handle.node

    # --- files ------------------------------------------------------------------------------------------------------

    def begin(self, place: Place) -> Part:
        return Part.begin(self._lines, place.path)

    def put(self, part: Part, place: Place, *, mtime: int | None) -> None:
        part.finish(mtime=mtime)
        part.place(place.full)

    def exchange(
        self, held: Handle, place: Place, entry: Entry, part: Part, *, mtime: int | None, origin: Origin
    ) -> None:
        """The name is free for a moment; ``recover`` undoes a crash there."""
        part.finish(mtime=mtime, attributes=held.node.attributes)
        with self._trash.entry(origin) as bin_:
            kept = f"{bin_}/{place.name}"
            with self._trash.pending(kept=kept, path=place.full, part=part.path):
                rename(self._line, held, kept)
                try:
                    part.place(place.full)
                except BaseException:
                    rename(self._line, held, place.full)
                    raise

    def set_time(self, held: Handle, place: Place, mtime: int) -> None:
        self._line.set(held, _BASIC, basic(mtime=mtime))

    # --- files and folders ------------------------------------------------------------------------------------------

    def move(self, held: Handle, place: Place, target: Place) -> Node:
        rename(self._line, held, target.full)
        # Nobody else could write to it: it is what it was.
        return held.node

    def make(self, place: Place) -> tuple[str, bool]:
        try:
            with self._line.opened(place.full, disposition=CREATE, options=FOLDER) as handle:
                return handle.node.anchor, True
        except ServerStatus as status:
            if status.code != NAME_COLLISION:
                raise
            try:
                with self._line.opened(place.full, options=FOLDER) as handle:
                    return handle.node.anchor, False
            except ServerStatus:
                raise status from None

    def entries(self, held: Handle, place: Place) -> Iterator[tuple[str, bool]]:
        return self._entries(place.full)

    def _entries(self, path: str) -> Iterator[tuple[str, bool]]:
        return ((name, node.is_folder) for name, node in self._line.list(path)[1])

    def discard(self, held: Handle, place: Place, origin: Origin, *, entry: Entry | None, check: Check) -> None:
        with self._trash.entry(origin) as bin_:
            rename(self._line, held, f"{bin_}/{place.name}")
            if entry is None:
                try:
                    check(self._entries(f"{bin_}/{place.name}"))
                except BaseException:
                    rename(self._line, held, place.full)
                    raise

    def trashed(self, anchor: str) -> Trashed | None:
        return last_deleted(self._trash, anchor)

    def take_out(self, one: Trashed, place: Place) -> None:
        self._trash.take_out(one, place.full)
