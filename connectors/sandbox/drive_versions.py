"""Older versions of files: list, read, bring back (Graph: driveItem: list versions, driveItemVersion)."""

from __future__ import annotations

from connectors.sandbox import drive_shapes
from connectors.sandbox.drive_errors import full, invalid, missing
from connectors.sandbox.drive_find import check_unlocked, find_item
from connectors.sandbox.drive_items import below
from connectors.sandbox.drive_links import download_url
from connectors.sandbox.drive_model import Item, Version
from connectors.sandbox.wire import Call, Handler, Reply


def list_versions(call: Call) -> Reply:
    """``GET .../versions``: the present one first."""
    item, service = find_item(call), call.service
    if item.folder:
        raise invalid("A folder has no versions.")
    held = [(len(item.versions) + 1, item.size, item.modified_at, item.modified_by)]
    held += [(one.number, one.size, one.modified_at, one.modified_by) for one in reversed(item.versions)]
    value = [
        {
            "id": f"{number}.0",
            "lastModifiedDateTime": service.stamp(at),
            "size": size,
            "lastModifiedBy": drive_shapes.identity(service, by),
        }
        for number, size, at, by in held
    ]
    return Reply(200, {"@odata.context": call.context("drives/root/versions"), "value": value})


def _version(call: Call) -> tuple[Item, Version]:
    item = find_item(call)
    for version in item.versions:
        if f"{version.number}.0" == call.params["version"]:
            return item, version
    raise missing()


def version_content(call: Call) -> Reply:
    """``GET .../versions/{id}/content``: 302, as of the file itself; the present one is not asked for by number."""
    item, version = _version(call)
    return Reply(302, None, {"Location": download_url(call.service, item, version.number)})


def restore_version(call: Call) -> Reply:
    """``POST .../versions/{id}/restoreVersion``: 204; what was present becomes a version."""
    item, version = _version(call)
    check_unlocked(item)
    if item.drive.used + item.drive.binned + version.size > item.drive.quota:
        raise full()
    call.service.drives.restore_version(item, version, by=call.app.client_id)
    return Reply(204)


ROUTES: dict[tuple[str, str], Handler] = below(
    {
        ("GET", "/items/{item}/versions"): list_versions,
        ("GET", "/items/{item}/versions/{version}/content"): version_content,
        ("POST", "/items/{item}/versions/{version}/restoreVersion"): restore_version,
    }
)
