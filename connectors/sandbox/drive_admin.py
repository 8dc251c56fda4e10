"""Drives below ``/_sandbox/``: read-back, quota, locks, somebody else's changes, bulk load.

A drive is named by its id or by its owner (id of a user or group); an item by its id, or by drive and ``path``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.drive_content import write_content
from connectors.sandbox.drive_find import provision
from connectors.sandbox.drive_model import LIVE, Drive, Item
from connectors.sandbox.drive_names import follow, split
from connectors.sandbox.errors import GraphError

if TYPE_CHECKING:
    from connectors.sandbox.service import Service

Body = dict[str, Any]
_SYSTEM = "sandbox"


def find_drive(service: Service, key: str) -> Drive:
    """A drive by its id or its owner's, made when the owner has none yet, licence or not.

    Raises:
        ValueError: nothing is known by that id.
    """
    drive = service.drives.drives.get(key.lower()) or service.drives.owners.get(key)
    if drive is not None:
        return drive
    entry = service.tenant.entries.get(key)
    if entry is None or entry.kind not in ("user", "group"):
        raise ValueError(f"no drive, user or group '{key}'")
    return provision(service, entry, 0.0)


def _find_item(service: Service, body: Body) -> Item:
    if "id" in body:
        item = service.drives.items.get(str(body["id"]).upper())
        if item is None:
            raise ValueError(f"no item '{body['id']}'")
        return item
    try:
        return follow(find_drive(service, body["drive"]).root, split(body["path"]))
    except GraphError:
        raise ValueError(f"no item at '{body['path']}'") from None


def _summary(drive: Drive) -> Body:
    alive = sum(1 for item in drive.order if item.state == LIVE) - 1
    return {
        "id": drive.id, "owner": drive.owner_id, "kind": drive.kind, "quota": drive.quota, "used": drive.used,
        "binned": drive.binned, "items": alive, "sessions": 0,
    }  # fmt: skip


def list_drives(service: Service, _: Body) -> Body:
    """``GET drives``: all of them with use and quota."""
    shown = {drive.id: _summary(drive) for drive in service.drives.drives.values()}
    for session in service.drives.sessions.values():
        if not session.done:
            shown[service.drives.items[session.folder_id].drive.id]["sessions"] += 1
    return {"value": list(shown.values())}


def tree(drive: Drive) -> dict[str, Body]:
    """All living items of a drive by path (``/a/b.txt``): size, hash, times, tags, versions, for read-back."""
    found = {}
    for item in drive.root.below():
        if item is not drive.root:
            found[item.path()] = {
                "id": item.id, "folder": item.folder, "size": item.size, "hash": item.digest, "eTag": item.e_tag,
                "cTag": item.c_tag, "modified": item.client_modified, "versions": len(item.versions) + 1,
                "locked": item.locked,
            }  # fmt: skip
    return found


def read_tree(service: Service, body: Body) -> Body:
    """``POST drives/tree`` with ``drive``: its items by path."""
    return {"value": tree(find_drive(service, body["drive"]))}


def change_drive(service: Service, body: Body) -> Body:
    """``PATCH drives`` with ``drive``: sets ``quota`` in bytes."""
    drive = find_drive(service, body["drive"])
    if "quota" in body:
        drive.quota = int(body["quota"])
        service.drives.dirty_drives[drive.id] = None
    return _summary(drive)


def change_item(service: Service, body: Body) -> Body:
    """``PATCH drives/items``: ``locked`` as by an open Office document; ``touch`` changes the eTag as others would."""
    item = _find_item(service, body)
    if "locked" in body:
        item.locked = bool(body["locked"])
        service.drives.dirty[item.id] = None
    if body.get("touch"):
        service.drives.touch(item, by=_SYSTEM)
    return {"id": item.id, "locked": item.locked, "eTag": item.e_tag}


def load(service: Service, body: Body) -> Body:
    """``POST drives/load`` with ``drive`` and ``files``: ``{path: text}``; folders are made, files replaced."""
    drive = find_drive(service, body["drive"])
    for path, text in body["files"].items():
        put_file(service, drive, path, str(text).encode())
    return _summary(drive)


def put_file(service: Service, drive: Drive, path: str, content: bytes, *, modified: int | None = None) -> Item:
    """Put a file in a drive as somebody else would; ``modified`` in seconds since the epoch."""
    drives, folder = service.drives, drive.root
    *above, name = split(path)
    for part in above:
        folder = folder.child(part) or drives.add(folder, part, by=_SYSTEM, folder=True)
    spool = drives.blobs.spool()
    spool.write(content)
    item, _ = write_content(service, folder, name, spool, how="replace", by=_SYSTEM, times=None)
    if modified is not None:
        item.client_modified = modified
    return item


ROUTES = {
    ("GET", "drives"): list_drives,
    ("PATCH", "drives"): change_drive,
    ("POST", "drives/tree"): read_tree,
    ("PATCH", "drives/items"): change_item,
    ("POST", "drives/load"): load,
}
