"""Records of folders and files as the engine sees them, made of what the index holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from bridge.core.model import Digest
from bridge.ports import UNREAD, Observation
from connectors.tree.tables import Directory, Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def file_version(parent: str, entry: Entry) -> str:
    """Changes whenever the place, a time or the size does."""
    return _short(f"{parent}/{entry.name}/{entry.mtime}/{entry.ctime}/{entry.size}")


def folder_version(parent: str, name: str) -> str:
    """A folder's record is its place only: what happens in it is told by what is in it."""
    return _short(f"{parent}/{name}")


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=10).hexdigest()


def unread(entry: Entry) -> Digest:
    """Stands for bytes that nobody has read: another value where they may be others."""
    return Digest(UNREAD, f"{entry.mtime & 0xFFFFFFFFFFFFFFFF:016x}{entry.stamp & 0xFFFFFFFFFFFFFFFF:016x}", entry.size)


def rfc3339(nanoseconds: int) -> str:
    """UTC in whole seconds, floored; times that no calendar holds become its ends."""
    try:
        moment = _EPOCH + timedelta(seconds=nanoseconds // 10**9)
    except OverflowError:
        return "9999-12-31T23:59:59Z" if nanoseconds > 0 else "0001-01-01T00:00:00Z"
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0")


def nanoseconds(text: str) -> int:
    """The reverse of ``rfc3339``; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 10**9 + passed.microseconds * 1000


def file_observation(parent: str, entry: Entry) -> Observation:
    fields = {
        "parent": parent or None,
        "name": entry.name,
        "content": unread(entry),
        "modified": rfc3339(entry.mtime),
    }
    return Observation("file", entry.anchor, file_version(parent, entry), fields)


def folder_observation(parent: str, folder: Directory) -> Observation:
    fields = {"parent": parent or None, "name": folder.name}
    return Observation("folder", folder.anchor, folder_version(parent, folder.name), fields)
