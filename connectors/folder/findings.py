"""``check --online``: what has to be there for this directory to be mirrored."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.ports import BridgeError, Finding, Topic
from connectors.folder.mounts import kind_of, tells_of_changes
from connectors.folder.options import Options
from connectors.folder.root import Root
from connectors.folder.storage import FolderStorage

#: Bytes that should be free so that what comes from the cloud has a place.
_FREE = 1 << 30
_MOST_FOLDERS = 100_000


def probe(options: Options, storage: FolderStorage) -> Sequence[Finding]:
    """Look without writing. Blocking; never raises for what it finds wrong."""
    subject = f"directory {options.path}"
    try:
        storage.identity()
        return list(_findings(options, storage.root, subject))
    except BridgeError as error:
        return [Finding(subject, False, str(error), "create or mount it, or correct base and root")]
    except OSError as error:
        return [Finding(subject, False, os.strerror(error.errno or 0), "see whether its disk is mounted and sound")]


def _findings(options: Options, root: Root, subject: str) -> Iterator[Finding]:
    node, kind = root.node, kind_of(root.node.mount) or "unknown file system"
    yield Finding(subject, True, f"{kind}, inode and birth time {root.identity}")
    if not node.btime:
        yield Finding(
            f"{subject}: birth times", None, f"{kind} keeps none: a deleted file and a new one may look the same",
            "move the share to ext4, xfs, btrfs or zfs",
        )  # fmt: skip
    if not options.read_only:
        able = os.access(f"/proc/self/fd/{root.fd}", os.W_OK | os.X_OK, effective_ids=True)
        yield Finding(
            f"{subject}: writing", able, "allowed" if able else "not allowed",
            "" if able else "give the service the right to write, or set read_only: true",
        )  # fmt: skip
    space = os.fstatvfs(root.fd)
    free = space.f_bavail * space.f_frsize
    yield Finding(
        f"{subject}: free space", True if free >= _FREE else None, f"{free / 10**9:.1f} GB",
        "" if free >= _FREE else "make room", Topic.SPACE, {"free": free},
    )  # fmt: skip
    yield from _watching(options, root, subject)


def _watching(options: Options, root: Root, subject: str) -> Iterator[Finding]:
    if not options.watch:
        return
    deaf = tells_of_changes(root.node.mount)
    if deaf is not None:
        yield Finding(
            f"{subject}: hints", None, f"{deaf} does not tell of changes by others: everything is scanned each time",
            "run schoolbridge on the file server, or use the connector smb",
        )  # fmt: skip
        return
    allowed = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
    folders = _folders(options.base, min(allowed, _MOST_FOLDERS))
    enough = folders < allowed
    yield Finding(
        f"{subject}: hints", True if enough else None, f"{folders} folders or more, {allowed} watches allowed",
        "" if enough else f"raise fs.inotify.max_user_watches to at least {2 * folders} (sysctl.d)",
    )  # fmt: skip


def _folders(base: Path, most: int) -> int:
    """How many folders are below the base, counted up to ``most``."""
    count = 0
    for _ in os.walk(base):
        count += 1
        if count >= most:
            break
    return count
