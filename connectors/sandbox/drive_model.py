"""What a drive holds: folders and files with their ids, versions and permissions, and the log that its delta walks.

Ids are built as the real ones are: a drive is ``b!`` and base64url of three GUIDs (site, web, list), an item ``01`` and
base32 of a drive tag and a GUID. The log is as in :mod:`connectors.sandbox.entries`: every change gets the next number
of its drive, and a delta round shows each item once, at its last number.
"""

from __future__ import annotations

import base64
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

LIVE, BINNED, PURGED = "live", "deleted", "purged"


def guid_bytes(guid: str) -> bytes:
    """A GUID as Windows stores it: the first three groups little endian."""
    return uuid.UUID(guid).bytes_le


def drive_id(site: str, web: str, listing: str) -> str:
    """The id of a drive: ``b!`` and 64 characters."""
    raw = guid_bytes(site) + guid_bytes(web) + guid_bytes(listing)
    return "b!" + base64.urlsafe_b64encode(raw).decode()


def item_id(listing: str, guid: str) -> str:
    """The id of an item: 34 characters, the first of which are common to a drive."""
    return "01" + base64.b32encode(guid_bytes(listing)[:4] + guid_bytes(guid)).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Version:
    """An older state of a file; ``number`` counts from 1, ``blob`` names its bytes."""

    number: int
    blob: str
    size: int
    modified_at: float
    modified_by: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission given on one item: ``roles`` are read, write, owner; ``entry_id`` a user or a group, or a link."""

    id: str
    roles: tuple[str, ...]
    entry_id: str
    kind: str
    link: str = ""


@dataclass(slots=True, eq=False)
class Item:
    """A folder or a file. Times are seconds since the epoch; the client's are whole seconds.

    ``etag`` counts any change, ``ctag`` changes of the content. ``children`` maps the lower-case name; None is a file.
    ``size`` of a folder is that of all below it.
    """

    id: str
    guid: str
    drive: Drive
    parent: Item | None
    name: str
    created_at: float
    modified_at: float
    client_created: int
    client_modified: int
    created_by: str
    modified_by: str
    children: dict[str, Item] | None = None
    size: int = 0
    digest: str = ""
    blob: str = ""
    etag: int = 1
    ctag: int = 1
    state: str = LIVE
    deleted_at: float | None = None
    sequence: int = 0
    changed_at: float = 0.0
    position: int = 0
    versions: list[Version] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    locked: bool = False
    description: str | None = None
    listed: list[Item] | None = None

    @property
    def folder(self) -> bool:
        """Whether this is a folder."""
        return self.children is not None

    @property
    def e_tag(self) -> str:
        """The eTag as Graph shows it."""
        return f'"{{{self.guid.upper()}}},{self.etag}"'

    @property
    def c_tag(self) -> str:
        """The cTag as Graph shows it."""
        return f'"c:{{{self.guid.upper()}}},{self.ctag}"'

    def child(self, name: str) -> Item | None:
        """The live child of this name, case ignored."""
        return (self.children or {}).get(name.lower())

    def ancestors(self) -> list[Item]:
        """The folders above, the root first."""
        found: list[Item] = []
        above = self.parent
        while above is not None:
            found.append(above)
            above = above.parent
        return found[::-1]

    def path(self) -> str:
        """The decoded path below the root: ``/a/b.txt``, empty for the root."""
        if self.parent is None:
            return ""
        return "".join(f"/{one.name}" for one in [*self.ancestors()[1:], self])

    def below(self) -> Iterator[Item]:
        """This item and all below it, parents first."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            if one.children:
                waiting.extend(reversed(one.children.values()))


@dataclass(slots=True, eq=False)
class Drive:
    """A user's OneDrive (``business``) or a group's library (``documentLibrary``).

    ``order`` holds all items ever in the order of creation; ``numbers``, ``changed`` and ``times`` are the log.
    ``used`` and ``binned`` count bytes, older versions included in ``used``.
    """

    id: str
    site: str
    web: str
    listing: str
    kind: str
    owner_id: str
    name: str
    web_path: str
    created_at: float
    quota: int
    ready_at: float = 0.0
    used: int = 0
    binned: int = 0
    sequence: int = 0
    root_id: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    order: list[Item] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    changed: list[Item] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def root(self) -> Item:
        """The root folder."""
        return self.items[self.root_id]

    def log(self, item: Item, now: float) -> None:
        """Give an item's change the next number."""
        self.sequence += 1
        item.sequence, item.changed_at = self.sequence, now
        self.numbers.append(self.sequence)
        self.changed.append(item)
        self.times.append(now)

    def horizon(self, at: float) -> int:
        """The last number that was given at or before a time."""
        position = bisect_right(self.times, at)
        return self.numbers[position - 1] if position else 0

    def after(self, number: int) -> Iterator[tuple[int, Item]]:
        """``(number, item)`` of the log with a greater number, oldest first."""
        for position in range(bisect_right(self.numbers, number), len(self.numbers)):
            yield self.numbers[position], self.changed[position]
