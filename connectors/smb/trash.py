"""The trash of a share: everything gets there by rename. See ``tree.trash``.

While a content is exchanged the name is free for a moment: a mark ``.schoolbridge-trash/pending-*.json`` says so, and
whoever looks next after a crash puts the old version back (``recover``) before anything is listed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from datetime import date
from itertools import count

from connectors.smb.errors import ABSENT, CANNOT_DELETE, NAME_COLLISION, ServerStatus
from connectors.smb.line import (
    CREATE,
    DELETE,
    FILE,
    FOLDER,
    READ,
    SHARE_ALL,
    SHARE_READ,
    WRITE,
    WRITE_ATTRIBUTES,
    Handle,
    Line,
)
from connectors.smb.wire import NORMAL, basic, disposition, renaming
from connectors.tree.trash import RECORD, TRASH, Origin, Trashed, expired, place_of

_PENDING = "pending-"
_BASIC, _RENAME, _DISPOSITION = 4, 10, 13


def rename(line: Line, handle: Handle, path: str) -> None:
    """Move what is open (with DELETE) to a path below the root; NAME_COLLISION where that is taken."""
    line.set(handle, _RENAME, renaming(line.full(path)))


def remove(line: Line, path: str, *, folder: bool = False) -> None:
    """Delete a file or an empty folder of ours."""
    with line.opened(path, access=DELETE | WRITE_ATTRIBUTES, options=FOLDER if folder else FILE) as handle:
        delete(line, handle)


def delete(line: Line, handle: Handle) -> None:
    """Delete what is open (with DELETE and WRITE_ATTRIBUTES), also when it is read-only."""
    try:
        line.set(handle, _DISPOSITION, disposition())
    except ServerStatus as status:
        if status.code != CANNOT_DELETE:
            raise
        line.set(handle, _BASIC, basic(attributes=NORMAL))
        line.set(handle, _DISPOSITION, disposition())


def make_folder(line: Line, path: str) -> bool:
    """Make a folder unless it is there; whether it was made."""
    try:
        with line.opened(path, disposition=CREATE, options=FOLDER) as handle:
            return handle.made
    except ServerStatus as status:
        if status.code != NAME_COLLISION:
            raise
        return False


def write_small(line: Line, path: str, content: bytes) -> None:
    with line.opened(path, access=WRITE | READ, share=SHARE_READ, disposition=CREATE, options=FILE) as handle:
        line.write(handle, 0, content)
        line.flush(handle)


class Trash:
    """The trash, over one line; a ``tree.trash.Shelf``. Blocking. Raises as the line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    # --- reading ----------------------------------------------------------------------------------------------------

    def names(self, path: str) -> list[str]:
        try:
            return sorted(self._line.list(path)[1].names)
        except ServerStatus as status:
            if status.code in ABSENT:
                return []
            raise

    def read(self, path: str) -> bytes:
        try:
            with self._line.opened(path, access=READ, share=SHARE_ALL, options=FILE) as handle:
                return self._line.read(handle, 0, 1 << 16)
        except ServerStatus:
            return b""

    # --- writing ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def entry(self, origin: Origin) -> Iterator[str]:
        """Make a place (its path) for one version; taken away again when nothing came to lie there."""
        place = next(place for number in count(1) if self._made(place := place_of(origin, number)))
        write_small(self._line, f"{place}/{RECORD}", origin.written())
        try:
            yield place
        except BaseException:
            with contextlib.suppress(Exception):
                self._drop(place)
            raise

    def _made(self, place: str) -> bool:
        try:
            return make_folder(self._line, place)
        except ServerStatus as status:
            # Usually the trash and the day are there already.
            if status.code not in ABSENT:
                raise
        make_folder(self._line, TRASH)
        make_folder(self._line, place.rpartition("/")[0])
        return make_folder(self._line, place)

    def _drop(self, place: str) -> None:
        if self.names(place) == [RECORD]:
            remove(self._line, f"{place}/{RECORD}")
            remove(self._line, place, folder=True)

    @contextlib.contextmanager
    def pending(self, *, kept: str, path: str, part: str) -> Iterator[None]:
        """Around an exchange: ``kept`` is where the old version goes, ``part`` the new content, to ``path``."""
        mark = f"{TRASH}/{_PENDING}{secrets.token_hex(8)}.json"
        text = json.dumps({"kept": kept, "path": path, "part": part}, ensure_ascii=False)
        write_small(self._line, mark, text.encode())
        yield
        remove(self._line, mark)

    def take_out(self, one: Trashed, path: str) -> None:
        """Move what lies there to a path below the root; NAME_COLLISION where that is taken."""
        options, share = (FOLDER, SHARE_ALL) if one.origin.kind == "folder" else (FILE, SHARE_READ)
        with self._line.opened(one.path, access=DELETE, share=share, options=options) as handle:
            rename(self._line, handle, path)
        with contextlib.suppress(ServerStatus):
            self._drop(one.place)

    def expire(self, today: date, days: int) -> int:
        """Remove what lies here for longer; returns how many days' folders went."""
        gone = 0
        for day in expired(self, today, days):
            self._remove_all(f"{TRASH}/{day}")
            gone += 1
        return gone

    def _remove_all(self, path: str) -> None:
        for name, node in self._line.list(path)[1]:
            if node.is_folder and not node.is_link:
                self._remove_all(f"{path}/{name}")
            else:
                remove(self._line, f"{path}/{name}")
        remove(self._line, path, folder=True)


def recover(line: Line) -> int:
    """Undo exchanges that a crash or a lost line left half done; returns how many there were. Raises as the line."""
    trash = Trash(line)
    marks = [f"{TRASH}/{one}" for one in trash.names(TRASH) if one.startswith(_PENDING)]
    for mark in marks:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            got = json.loads(trash.read(mark))
            _undo(line, kept=str(got["kept"]), path=str(got["path"]), part=str(got["part"]))
        with contextlib.suppress(ServerStatus):
            remove(line, mark)
    return len(marks)


def _undo(line: Line, *, kept: str, path: str, part: str) -> None:
    with contextlib.suppress(ServerStatus), line.opened(kept, access=DELETE) as handle:
        # NAME_COLLISION: the new content is there already, and the old one stays in the trash.
        rename(line, handle, path)
    with contextlib.suppress(ServerStatus):
        remove(line, part)
