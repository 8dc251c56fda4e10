"""What goes over the wire, packed and unpacked by hand where it is much (MS-FSCC 2.4, MS-SMB2 2.2); times in ns."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.tree.tables import Entry
from connectors.tree.traits import Traits

#: FILETIME counts 100 ns from 1601 on (MS-DTYP 2.3.3); this is 1970 in it.
_EPOCH = 116_444_736_000_000_000
#: Bit 63 is dropped: ids are kept as signed numbers, and creation times tell apart what only differs there.
_ID = (1 << 63) - 1
_NO_ID = frozenset({0, (1 << 64) - 1})

DIRECTORY, REPARSE_POINT, READ_ONLY, NORMAL = 0x10, 0x400, 0x1, 0x80
#: What people set by hand on a file: read-only, hidden, system.
BY_HAND = READ_ONLY | 0x2 | 0x4
OFFLINE = 0x1000 | 0x400000  # OFFLINE, RECALL_ON_DATA_ACCESS: reading would fetch it from a tape or a cloud

#: FILE_ID_FULL_DIRECTORY_INFORMATION (MS-FSCC 2.4.18) up to the name.
_ENTRY = struct.Struct("<I4xQ8xQQQ8xIII4xQ")
ID_FULL_DIRECTORY = 38
#: SMB2 CREATE response (MS-SMB2 2.2.14) up to the file id.
_CREATED = struct.Struct("<2xBBIQQQQQQI4x16s")
_NOTIFIED = struct.Struct("<III")


def nanoseconds(filetime: int) -> int:
    return (filetime - _EPOCH) * 100 if filetime else 0


def filetime(nanoseconds: int) -> int:
    return nanoseconds // 100 + _EPOCH


@dataclass(frozen=True, slots=True)
class Node(Traits):
    """What the server says of one name. ``ino`` is the file id, ``btime`` the creation time."""

    attributes: int
    links: int = 1
    """More than 1: the same file is known by another name too. A listing does not tell how many there are."""

    @property
    def is_folder(self) -> bool:
        return bool(self.attributes & DIRECTORY)

    @property
    def is_file(self) -> bool:
        return not self.attributes & (DIRECTORY | REPARSE_POINT)

    @property
    def is_link(self) -> bool:
        """A reparse point: link, junction, or a file that lies elsewhere."""
        return bool(self.attributes & REPARSE_POINT)

    @property
    def anchor(self) -> str:
        """File id and creation time: an id may be given away again after a deletion (MS-FSCC 2.1.9).

        For what was not made over SMB, Samba (4.17, measured) has no creation time and tells the earliest of the other
        times, which moves on, of a folder with every change inside. So what the index knows is known again by its id,
        and keeps the anchor that it got first; what comes after a deletion was told is something else. Windows does not
        give an id away again.
        """
        return f"{self.ino}:{self.btime}"

    @property
    def names(self) -> int:
        return self.links

    def holds(self, entry: Entry) -> bool:
        """Not by the creation time, see ``anchor``."""
        return (self.ino, self.mtime, self.size) == (entry.ino, entry.mtime, entry.size)


@dataclass(slots=True)
class Rows:
    """Entries of a listing. ``numbers``: id, creation, write, change time, size, attributes of each, one after the
    other. ``unidentified`` counts those for which the server gave no id."""

    names: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    unidentified: int = 0

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        every = self.numbers
        for place, name in enumerate(self.names):
            yield name, Node(*every[place * 6 : place * 6 + 6])


def read_entries(buffer: bytes, rows: Rows) -> None:
    """Add the entries of one QUERY_DIRECTORY response."""
    unpack, names, numbers = _ENTRY.unpack_from, rows.names, rows.numbers
    append, extend = names.append, numbers.extend
    start, end = 0, len(buffer)
    while start < end:
        following, born, wrote, changed, size, attributes, length, _, number = unpack(buffer, start)
        name = buffer[start + 80 : start + 80 + length].decode("utf-16-le", "surrogatepass")
        if name not in (".", ".."):
            if number in _NO_ID:
                rows.unidentified += 1
            append(name)
            extend((
                number & _ID,
                (born - _EPOCH) * 100 if born else 0,
                (wrote - _EPOCH) * 100 if wrote else 0,
                (changed - _EPOCH) * 100 if changed else 0,
                size,
                attributes,
            ))  # fmt: skip
        if not following:
            return
        start += following


def read_created(response: bytes, number: int) -> tuple[bytes, Node, bool]:
    """The handle, what was opened, and whether it was made, from a CREATE response and the file id."""
    (_, _, action, born, _, wrote, changed, _, size, attributes, handle) = _CREATED.unpack_from(response)
    times = (nanoseconds(born), nanoseconds(wrote), nanoseconds(changed))
    return handle, Node(number & _ID, *times, size, attributes), action == 2


def has_id(number: int) -> bool:
    """Whether a file id is one: 0 and all ones say that the file system has none."""
    return number not in _NO_ID


def read_notified(buffer: bytes) -> list[str]:
    """The names in a CHANGE_NOTIFY response (FILE_NOTIFY_INFORMATION, MS-FSCC 2.7.1), with slashes."""
    names, start = [], 0
    while start + _NOTIFIED.size <= len(buffer):
        following, _, length = _NOTIFIED.unpack_from(buffer, start)
        first = start + _NOTIFIED.size
        names.append(buffer[first : first + length].decode("utf-16-le", "surrogatepass").replace("\\", "/"))
        if not following:
            break
        start += following
    return names


def basic(*, mtime: int | None = None, attributes: int = 0) -> bytes:
    """FILE_BASIC_INFORMATION (MS-FSCC 2.4.7) with the time of the last write and attributes; 0 leaves what it is."""
    return struct.pack("<QQQQII", 0, 0, filetime(mtime) if mtime is not None else 0, 0, attributes, 0)


def renaming(path: str, *, replace: bool = False) -> bytes:
    """FILE_RENAME_INFORMATION for SMB2 (MS-FSCC 2.4.43.2): the path from the share on."""
    name = path.replace("/", "\\").encode("utf-16-le", "surrogatepass")
    # Windows refuses what is shorter than its own structure, 24 bytes.
    return (struct.pack("<B7xQI", replace, 0, len(name)) + name).ljust(24, b"\0")


def disposition() -> bytes:
    """FILE_DISPOSITION_INFORMATION (MS-FSCC 2.4.11): delete on close."""
    return b"\x01"
