"""Sites: each drive's own, by id or all of them, as far as clients ask for the site of a library."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from connectors.sandbox.drive_find import group_drive, site_drive
from connectors.sandbox.drive_model import Drive
from connectors.sandbox.drive_shapes import HOST, select, selection, site_id
from connectors.sandbox.wire import Call, Handler, Reply


def _shown(call: Call, drive: Drive) -> dict[str, Any]:
    owner = call.tenant.entries.get(drive.owner_id)
    title = owner.properties.get("displayName") if owner else None
    body = {
        "id": site_id(drive),
        "name": drive.web_path.rsplit("/", 1)[-1],
        "displayName": title,
        "createdDateTime": call.service.stamp(drive.created_at),
        "webUrl": f"https://{HOST}{quote(drive.web_path)}",
        "siteCollection": {"hostname": HOST},
        "isPersonalSite": drive.kind == "business",
    }
    return select(body, selection(call))


def list_sites(call: Call) -> Reply:
    """``GET /sites``, with ``?search=`` by name."""
    wanted = call.query.get("search", "").strip('"*').lower()
    found = [_shown(call, drive) for drive in call.service.drives.drives.values() if drive.kind != "business"]
    if wanted:
        found = [one for one in found if wanted in f"{one.get('name')} {one.get('displayName')}".lower()]
    return Reply(200, {"@odata.context": call.context("sites"), "value": found})


def read_site(call: Call) -> Reply:
    """``GET /sites/{id}``."""
    return Reply(200, {"@odata.context": call.context("sites/$entity"), **_shown(call, site_drive(call))})


def group_site(call: Call) -> Reply:
    """``GET /groups/{id}/sites/root``."""
    return Reply(200, {"@odata.context": call.context("sites/$entity"), **_shown(call, group_drive(call))})


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/sites"): list_sites,
    ("GET", "/sites/{id}"): read_site,
    ("GET", "/groups/{id}/sites/root"): group_site,
}
