"""All drives of the tenant. Every mutation passes a method here, which keeps index, sizes, quota and log in step.

    provision · add · write (content) · change (metadata) · move · bin / restore / purge · grant / revoke

As in :mod:`connectors.sandbox.tenant`, routes validate first and mutate afterwards within one turn of the event loop.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from connectors.sandbox.drive_blobs import Blobs, Spool
from connectors.sandbox.drive_model import BINNED, LIVE, PURGED, Drive, Grant, Item, Version, drive_id, item_id

if TYPE_CHECKING:
    from connectors.sandbox.drive_upload import Session

#: Deleted items leave the recycle bin after this many seconds (SharePoint: 93 days).
BIN_LIFE = 93 * 86400.0
#: Older versions of a file that are kept (SharePoint's default).
MOST_VERSIONS = 500
#: The GUID in every root folder's id (decoded from published samples; an inference).
_ROOT = "ea8cc6be-ffdb-43d7-976f-bc7da445c639"


@dataclass(slots=True)
class Drives:
    """State of all drives; ``clock`` gives seconds since the epoch, ``rng`` gives ids."""

    clock: Callable[[], float]
    rng: Random
    blobs: Blobs
    quota: int = 1 << 40
    drives: dict[str, Drive] = field(default_factory=dict)
    owners: dict[str, Drive] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    swept_at: float = 0.0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    users_of_blob: Counter[str] = field(default_factory=Counter)
    bin: dict[str, None] = field(default_factory=dict)
    later: list[tuple[float, str, str]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    dirty: dict[str, None] = field(default_factory=dict)
    dirty_drives: dict[str, None] = field(default_factory=dict)
    dirty_sessions: dict[str, None] = field(default_factory=dict)

    def guid(self) -> str:
        """A new GUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    # -- drives

    def provision(self, owner_id: str, *, kind: str, name: str, web_path: str, delay: float) -> Drive:
        """Make the drive of a user or group; it answers when ``delay`` seconds have passed."""
        site, web, listing, now = self.guid(), self.guid(), self.guid(), self.clock()
        drive = Drive(
            id=drive_id(site, web, listing), site=site, web=web, listing=listing, kind=kind, owner_id=owner_id,
            name=name, web_path=web_path, created_at=now, ready_at=now + delay, quota=self.quota,
        )  # fmt: skip
        self.adopt(drive)
        root = self._item(drive, None, "root", _ROOT, by="", folder=True)
        drive.root_id = root.id
        self.log(root)
        return drive

    def adopt(self, drive: Drive) -> None:
        """Take in a drive."""
        self.drives[drive.id.lower()] = drive
        self.owners[drive.owner_id] = drive
        self.dirty_drives[drive.id] = None

    # -- items

    def _item(self, drive: Drive, parent: Item | None, name: str, guid: str, *, by: str, folder: bool) -> Item:
        now = self.clock()
        item = Item(
            id=item_id(drive.listing, guid), guid=guid, drive=drive, parent=parent, name=name, created_at=now,
            modified_at=now, client_created=int(now), client_modified=int(now), created_by=by, modified_by=by,
            children={} if folder else None, position=len(drive.order),
        )  # fmt: skip
        drive.items[item.id] = self.items[item.id] = item
        drive.order.append(item)
        return item

    def add(self, parent: Item, name: str, *, by: str, folder: bool) -> Item:
        """A new empty item; the caller has checked that the name is free."""
        item = self._item(parent.drive, parent, name, self.guid(), by=by, folder=folder)
        self._attach(item, parent)
        self.log(item)
        return item

    def write(self, item: Item, spool: Spool, *, by: str, keep: bool = True) -> None:
        """Give a file new content; the old one becomes a version when there is one and ``keep``."""
        before = item.size
        if item.blob and keep:
            # A version goes on counting against the quota, but no longer in the size of the folders above.
            self.keep_version(item)
        elif item.blob:
            item.drive.used -= before
            self.drop_blob(item.blob)
        item.ctag += bool(item.blob)
        item.blob, item.digest = self.blobs.keep(spool), spool.digest()
        self.users_of_blob[item.blob] += 1
        item.drive.used += spool.length
        self._weigh(item, spool.length - before)
        self.touch(item, by=by)
        item.client_modified = int(self.clock())

    def write_blob(self, item: Item, source: Item, *, by: str) -> None:
        """Give a new file the content of another, without copying bytes."""
        item.blob, item.digest = source.blob, source.digest
        self.users_of_blob[item.blob] += 1
        item.drive.used += source.size
        self._weigh(item, source.size)
        item.client_created, item.client_modified = source.client_created, source.client_modified
        self.touch(item, by=by)

    def keep_version(self, item: Item) -> None:
        """Keep a file's present state as a version."""
        version = Version(len(item.versions) + 1, item.blob, item.size, item.modified_at, item.modified_by)
        if len(item.versions) < MOST_VERSIONS:
            item.versions.append(version)
        else:
            self.drop_blob(item.blob)
            item.drive.used -= item.size

    def restore_version(self, item: Item, version: Version, *, by: str) -> None:
        """Make an older version the present content; what is present becomes a version."""
        before = item.size
        self.users_of_blob[version.blob] += 1
        self.keep_version(item)
        item.blob, item.digest, item.ctag = version.blob, self.blobs.digest(version.blob), item.ctag + 1
        item.drive.used += version.size
        self._weigh(item, version.size - before)
        self.touch(item, by=by)

    def repeat_version(self, item: Item) -> None:
        """Keep a file's present state as a version while its content stays."""
        self.users_of_blob[item.blob] += 1
        item.drive.used += item.size
        self.keep_version(item)

    def drop_blob(self, blob: str) -> None:
        """One use of a blob less; after the last one its bytes go, once that is stored (:meth:`forget`)."""
        self.users_of_blob[blob] -= 1
        if self.users_of_blob[blob] <= 0:
            del self.users_of_blob[blob]
            self.dropped.append(blob)

    def _weigh(self, item: Item | None, by: int) -> None:
        while item is not None and by:
            item.size += by
            item = item.parent

    def touch(self, item: Item, *, by: str) -> None:
        """Note a change of an item: eTag, time and author."""
        item.etag += 1
        item.modified_at, item.modified_by = self.clock(), by
        self.log(item)

    def log(self, item: Item) -> None:
        """Let delta show an item, and let it be stored."""
        item.drive.log(item, self.clock())
        self.dirty[item.id] = None
        self.dirty_drives[item.drive.id] = None

    def move(self, item: Item, parent: Item, name: str, *, by: str) -> None:
        """Rename and move; the caller has checked that the place is free and not below the item itself."""
        self._detach(item)
        item.name = name
        self._attach(item, parent)
        self.touch(item, by=by)

    def _attach(self, item: Item, parent: Item) -> None:
        item.parent = parent
        assert parent.children is not None  # noqa: S101 - the caller has checked that it is a folder
        parent.children[item.name.lower()] = item
        parent.listed = None
        self._weigh(parent, item.size)

    def _detach(self, item: Item) -> None:
        parent = item.parent
        if parent is None or parent.children is None:
            return
        if parent.children.get(item.name.lower()) is item:
            del parent.children[item.name.lower()]
            parent.listed = None
            self._weigh(parent, -item.size)

    # -- bin

    def delete(self, item: Item) -> None:
        """Move an item with all below it to the recycle bin."""
        self._detach(item)
        item.drive.used -= self._stored(item)
        item.drive.binned += self._stored(item)
        item.deleted_at = self.clock()
        self.bin[item.id] = None
        for one in item.below():
            one.state = BINNED
            self.log(one)

    def restore(self, item: Item, parent: Item, name: str, *, by: str) -> None:
        """Bring an item back from the bin with all below it; the caller has checked that the place is free."""
        del self.bin[item.id]
        item.name, item.deleted_at = name, None
        for one in item.below():
            one.state = LIVE
            self.log(one)
        item.drive.binned -= self._stored(item)
        item.drive.used += self._stored(item)
        self._attach(item, parent)
        self.touch(item, by=by)

    def purge(self, item: Item) -> None:
        """Remove an item for good, with all below it."""
        if item.state == LIVE:
            self.delete(item)
        self.bin.pop(item.id, None)
        item.drive.binned -= self._stored(item)
        for one in list(item.below()):
            for blob in (*(version.blob for version in one.versions), one.blob):
                if blob:
                    self.drop_blob(blob)
            one.state, one.blob, one.versions, one.grants = PURGED, "", [], {}
            self.dirty[one.id] = None
        self.dirty_drives[item.drive.id] = None

    def _stored(self, item: Item) -> int:
        """Bytes that an item and all below it take, with older versions."""
        return sum(
            (0 if one.folder else one.size) + sum(version.size for version in one.versions) for one in item.below()
        )

    def settle(self) -> None:
        """Purge what lay in the bin for 93 days; called before each request."""
        now = self.clock()
        while self.bin:
            oldest = self.items[next(iter(self.bin))]
            if (oldest.deleted_at or now) + BIN_LIFE > now:
                break
            self.purge(oldest)

    # -- permissions

    def grant(self, item: Item, grant: Grant) -> None:
        """Give a permission on an item."""
        item.grants[grant.id] = grant
        self.log(item)

    def revoke(self, item: Item, grant_id: str) -> None:
        """Take a permission away."""
        del item.grants[grant_id]
        self.log(item)

    def forget(self) -> None:
        """Drop the notes of what is to be stored, and the bytes that nothing names any more."""
        for blob in self.dropped:
            self.blobs.remove(blob)
        self.dropped.clear()
        self.dirty.clear()
        self.dirty_drives.clear()
        self.dirty_sessions.clear()

    def referenced(self) -> Iterable[str]:
        """Names of all blobs in use."""
        return self.users_of_blob.keys()
