"""How drives and their items are shown: full in GETs and listings, bare in delta."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connectors.sandbox.drive_links import download_url
from connectors.sandbox.drive_model import LIVE, Drive, Item
from connectors.sandbox.drive_names import web_prefix

if TYPE_CHECKING:
    from connectors.sandbox.service import Service
    from connectors.sandbox.wire import Call

#: The name that real hosts have; it stands in ids and web addresses and is never called.
HOST = "contoso-my.sharepoint.com"
DOWNLOAD = "@microsoft.graph.downloadUrl"
_ALWAYS = ("id", "parentReference")


def selection(call: Call) -> frozenset[str] | None:
    """The names in $select; None for all."""
    text = call.query.get("select", "").strip()
    names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
    return names or None


def select(body: dict[str, Any], names: frozenset[str] | None) -> dict[str, Any]:
    """Only the selected properties; ``@odata.etag`` stays, as in the real service."""
    if names is None or "*" in names:
        return body
    # rclone and others ask for content.downloadUrl, which is the older name of the same.
    wanted = names | ({DOWNLOAD.lower()} if "content.downloadurl" in names else set())
    return {name: value for name, value in body.items() if name.lower() in wanted or name == "@odata.etag"}


def site_id(drive: Drive) -> str:
    """The id of a drive's site."""
    return f"{HOST},{drive.site},{drive.web}"


def identity(service: Service, entry_id: str) -> dict[str, Any]:
    """Who did it: an application, or a user by entry id."""
    app = service.applications.get(entry_id.lower())
    if app is not None:
        return {"application": {"id": app.client_id, "displayName": app.name}}
    entry = service.tenant.entries.get(entry_id)
    if entry is None:
        return {"user": {"displayName": "System Account"}}
    return {entry.kind: {"id": entry_id, "displayName": entry.properties.get("displayName")}}


def shown_drive(service: Service, drive: Drive) -> dict[str, Any]:
    """A drive with its quota."""
    remaining = max(0, drive.quota - drive.used - drive.binned)
    share = (drive.used + drive.binned) / drive.quota if drive.quota else 1.0
    state = "exceeded" if share >= 1 else "critical" if share > 0.99 else "nearing" if share > 0.9 else "normal"
    return {
        "id": drive.id,
        "driveType": drive.kind,
        "name": drive.name,
        "description": "",
        "createdDateTime": service.stamp(drive.created_at),
        "lastModifiedDateTime": service.stamp(drive.times[-1] if drive.times else drive.created_at),
        "webUrl": f"https://{HOST}{quote(web_prefix(drive))}",
        "createdBy": {"user": {"displayName": "System Account"}},
        "owner": identity(service, drive.owner_id),
        "quota": {
            "deleted": drive.binned, "remaining": remaining, "state": state, "total": drive.quota, "used": drive.used,
        },
    }  # fmt: skip


def _parent(item: Item, *, path: bool) -> dict[str, Any]:
    drive, parent = item.drive, item.parent
    shown: dict[str, Any] = {"driveId": drive.id, "driveType": drive.kind}
    if parent is None:
        return shown
    shown["id"] = parent.id
    if path:
        shown["name"] = parent.name if parent.parent else drive.name
        shown["path"] = f"/drives/{drive.id}/root:{quote(parent.path())}"
        shown["siteId"] = drive.site
    return shown


def _facets(item: Item) -> dict[str, Any]:
    if item.folder:
        shown: dict[str, Any] = {"folder": {"childCount": len(item.children or ())}}
        return shown if item.parent else {**shown, "root": {}}
    kind = mimetypes.guess_type(item.name)[0] or "application/octet-stream"
    return {"file": {"mimeType": kind, "hashes": {"quickXorHash": item.digest}}}


def shown_item(
    service: Service, item: Item, *, names: frozenset[str] | None = None, delta: bool = False
) -> dict[str, Any]:
    """An item. In delta: no path, no cTag, and a download URL only when it is selected (Graph: driveItem: delta)."""
    body: dict[str, Any] = {
        "@odata.etag": item.e_tag,
        "id": item.id,
        "name": item.name,
        "eTag": item.e_tag,
        "size": item.size,
        "createdDateTime": service.stamp(item.created_at),
        "lastModifiedDateTime": service.stamp(item.modified_at),
        "webUrl": f"https://{HOST}{quote(web_prefix(item.drive) + item.path())}",
        "createdBy": identity(service, item.created_by),
        "lastModifiedBy": identity(service, item.modified_by),
        "parentReference": _parent(item, path=not delta),
        "fileSystemInfo": {
            "createdDateTime": service.stamp(item.client_created),
            "lastModifiedDateTime": service.stamp(item.client_modified),
        },
        **_facets(item),
    }
    if item.description is not None:
        body["description"] = item.description
    if item.grants:
        body["shared"] = {"scope": "users"}
    if not item.folder:
        if not delta:
            body["cTag"] = item.c_tag
        if not delta or (names and names & {DOWNLOAD.lower(), "content.downloadurl"}):
            body[DOWNLOAD] = download_url(service, item)
    return select(body, names)


def shown_children(item: Item) -> list[Item]:
    """The children of a folder by name, case ignored; sorted once until the folder changes."""
    if item.listed is None:
        item.listed = sorted((item.children or {}).values(), key=lambda one: one.name.lower())
    return item.listed


def expanded(call: Call, item: Item, body: dict[str, Any]) -> dict[str, Any]:
    """Add what $expand asks for: ``children``, up to 200 of them, with ``($select=...)`` of their own."""
    text = call.query.get("expand", "")
    relation, _, options = text.partition("(")
    if relation == "children" and item.folder:
        names = None
        for option in options.rstrip(")").split(";"):
            name, _, value = option.partition("=")
            if name.strip().lstrip("$") == "select":
                names = frozenset(part.strip().lower() for part in value.split(","))
        children = [one for one in shown_children(item) if one.state == LIVE][:200]
        body["children"] = [shown_item(call.service, one, names=names) for one in children]
    return body
