"""The trash of a root: ``.schoolbridge-trash/<day>/<anchor>/<name>`` and beside it ``origin.json`` that says whence.

It lies on the same share, so that everything gets there by rename. While a content is exchanged the name is free for a
moment: a mark ``.schoolbridge-trash/pending-*.json`` says so, and whoever looks next after a crash puts the old
version back (``recover``) before anything is listed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta

from connectors.folder.listing import OURS
from connectors.folder.trash import Origin, Trashed
from connectors.smb.errors import ABSENT, NAME_COLLISION, ServerStatus
from connectors.smb.line import (
    CREATE,
    DELETE,
    FILE,
    FOLDER,
    READ,
    SHARE_ALL,
    SHARE_READ,
    WRITE,
    Handle,
    Line,
)
from connectors.smb.wire import disposition, renaming

TRASH = OURS + "trash"
_RECORD, _PENDING = "origin.json", "pending-"
_RENAME, _DISPOSITION = 10, 13


def rename(line: Line, handle: Handle, path: str) -> None:
    """Move what is open (with DELETE) to a path below the root; NAME_COLLISION where that is taken."""
    line.set(handle, _RENAME, renaming(line.full(path)))


def remove(line: Line, path: str, *, folder: bool = False) -> None:
    """Delete a file or an empty folder of ours."""
    with line.opened(path, access=DELETE, options=FOLDER if folder else FILE) as handle:
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


def write_small(line: Line, path: str, text: str) -> None:
    with line.opened(path, access=WRITE | READ, share=SHARE_READ, disposition=CREATE, options=FILE) as handle:
        line.write(handle, 0, text.encode())
        line.flush(handle)


def read_small(line: Line, path: str) -> object:
    """JSON of ours; None when it isn't."""
    try:
        with line.opened(path, access=READ, share=SHARE_ALL, options=FILE) as handle:
            return json.loads(line.read(handle, 0, 1 << 16))
    except (ServerStatus, ValueError):
        return None


def names(line: Line, path: str) -> list[str]:
    """What is in a folder of ours; nothing when it is not there."""
    try:
        return sorted(line.list(path)[1].names)
    except ServerStatus as status:
        if status.code in ABSENT:
            return []
        raise


class Trash:
    """The trash, over one line. Blocking. Raises as the line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    @contextlib.contextmanager
    def entry(self, origin: Origin, day: date) -> Iterator[str]:
        """Make a place (its path) for one version; taken away again when nothing came to lie there."""
        line, top = self._line, f"{TRASH}/{day.isoformat()}"
        wanted = origin.anchor.replace(":", "-")
        # Usually the trash and the day are there already.
        place = f"{top}/{wanted}"
        for number in range(2, 10_000):
            try:
                made = make_folder(line, place)
            except ServerStatus as status:
                if status.code not in ABSENT:
                    raise
                make_folder(line, TRASH)
                make_folder(line, top)
                made = make_folder(line, place)
            if made:
                break
            place = f"{top}/{wanted}.{number}"
        write_small(line, f"{place}/{_RECORD}", json.dumps(asdict(origin), ensure_ascii=False))
        try:
            yield place
        except BaseException:
            with contextlib.suppress(Exception):
                self._drop(place)
            raise

    def _drop(self, place: str) -> None:
        if names(self._line, place) == [_RECORD]:
            remove(self._line, f"{place}/{_RECORD}")
            remove(self._line, place, folder=True)

    @contextlib.contextmanager
    def pending(self, *, kept: str, path: str, part: str) -> Iterator[None]:
        """Around an exchange: ``kept`` is where the old version goes, ``part`` the new content, to ``path``."""
        mark = f"{TRASH}/{_PENDING}{secrets.token_hex(8)}.json"
        write_small(self._line, mark, json.dumps({"kept": kept, "path": path, "part": part}, ensure_ascii=False))
        yield
        remove(self._line, mark)

    def find(self, anchor: str) -> Trashed | None:
        """What was deleted last with this anchor; an overwritten version is none of it."""
        wanted = anchor.replace(":", "-")
        best: Trashed | None = None
        for day in self._days():
            for name in names(self._line, f"{TRASH}/{day}"):
                if name != wanted and not name.startswith(wanted + "."):
                    continue
                place = f"{TRASH}/{day}/{name}"
                origin = self._read(place)
                if origin is None or origin.anchor != anchor or not origin.deleted:
                    continue
                if best is None or origin.moment >= best.origin.moment:
                    best = Trashed(origin, place)
            if best is not None:
                break
        return best

    def emptied(self, place: str) -> None:
        """What lay at a place was taken out."""
        with contextlib.suppress(ServerStatus):
            self._drop(place)

    def expire(self, today: date, days: int) -> int:
        """Remove what lies here for longer; returns how many days' folders went."""
        gone = 0
        for day in self._days():
            if date.fromisoformat(day) < today - timedelta(days=days):
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

    def _days(self) -> Iterator[str]:
        for name in reversed(names(self._line, TRASH)):
            with contextlib.suppress(ValueError):
                date.fromisoformat(name)
                yield name

    def _read(self, place: str) -> Origin | None:
        got = read_small(self._line, f"{place}/{_RECORD}")
        try:
            return Origin(**got) if isinstance(got, dict) else None
        except TypeError:
            return None


def recover(line: Line) -> int:
    """Undo exchanges that a crash or a lost line left half done; returns how many there were. Raises as the line."""
    marks = [one for one in names(line, TRASH) if one.startswith(_PENDING)]
    for mark in marks:
        got = read_small(line, f"{TRASH}/{mark}")
        if isinstance(got, dict) and {"kept", "path", "part"} <= got.keys():
            with contextlib.suppress(ServerStatus), line.opened(str(got["kept"]), access=DELETE) as handle:
                # NAME_COLLISION: the new content is there already, and the old one stays in the trash.
                rename(line, handle, str(got["path"]))
            with contextlib.suppress(ServerStatus):
                remove(line, str(got["part"]))
        with contextlib.suppress(ServerStatus):
            remove(line, f"{TRASH}/{mark}")
    return len(marks)
