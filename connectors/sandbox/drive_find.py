"""Which drive and which item a request is for: provisioning, ids, paths, preconditions, locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.drive_errors import changed, invalid, locked, missing
from connectors.sandbox.drive_model import LIVE, Drive, Item
from connectors.sandbox.drive_names import follow, split
from connectors.sandbox.errors import GraphError
from connectors.sandbox.members import find_group, is_unified
from connectors.sandbox.users import find_user

if TYPE_CHECKING:
    from connectors.sandbox.entries import Entry
    from connectors.sandbox.service import Service
    from connectors.sandbox.wire import Call

BEHAVIOUR = "@microsoft.graph.conflictBehavior"
_PLANS = ("SHAREPOINT", "ONEDRIVE")


def user_drive(call: Call) -> Drive:
    """The OneDrive of user ``{id}``, made on first access when a licence with SharePoint allows it.

    Raises:
        GraphError: 404 ``User's mysite not found`` without licence, or until the provisioning delay has passed.
    """
    entry = find_user(call, call.params["id"])
    drives, knobs = call.service.drives, call.service.knobs
    drive = drives.owners.get(entry.id)
    if drive is None and (knobs.drives == "all" or (knobs.drives == "licence" and _licensed(call, entry))):
        drive = provision(call.service, entry, knobs.drive_delay)
    if drive is None or drive.ready_at > call.tenant.clock():
        # Asking for OneDrives that do not exist is throttled by address on the real service: worth counting.
        call.service.counters.count("missing drives asked for")
        raise GraphError(404, "ResourceNotFound", "User's mysite not found.")
    return drive


def provision(service: Service, entry: Entry, delay: float) -> Drive:
    """Make the drive of a user or group; it answers after ``delay`` seconds."""
    if entry.kind == "user":
        name = str(entry.properties.get("userPrincipalName") or entry.id)
        path = "/personal/" + "".join(sign if sign.isalnum() else "_" for sign in name)
        return service.drives.provision(entry.id, kind="business", name="OneDrive", web_path=path, delay=delay)
    path = f"/sites/{entry.properties.get('mailNickname') or entry.id}"
    return service.drives.provision(entry.id, kind="documentLibrary", name="Documents", web_path=path, delay=delay)


def _licensed(call: Call, entry: Entry) -> bool:
    for sku in call.tenant.skus.values():
        if entry.id in sku.holders:
            disabled = sku.holders[entry.id]
            plans = [name for plan, name in sku.plans if plan not in disabled]
            if not sku.plans or any(word in name.upper() for name in plans for word in _PLANS):
                return True
    return False


def group_drive(call: Call) -> Drive:
    """The library of group ``{id}``: Microsoft 365 groups only.

    Raises:
        GraphError: 404 for a security group, or while provisioning is in progress.
    """
    entry = find_group(call, call.params["id"])
    drives, knobs = call.service.drives, call.service.knobs
    drive = drives.owners.get(entry.id)
    if not is_unified(entry.properties):
        raise GraphError(404, "ResourceNotFound", "Resource not found for the segment 'drive'.")
    if drive is None and knobs.drives != "none":
        drive = provision(call.service, entry, knobs.drive_delay)
    if drive is None or drive.ready_at > call.tenant.clock():
        call.service.counters.count("missing drives asked for")
        raise GraphError(404, "ResourceNotFound", "Resource provisioning is in progress. Please try again.")
    return drive


def find_drive(call: Call) -> Drive:
    """The drive that the path names: by id, or as a user's, group's or site's.

    Raises:
        GraphError: 404.
    """
    if call.template.startswith("/users/"):
        return user_drive(call)
    if call.template.startswith("/groups/"):
        return group_drive(call)
    if call.template.startswith("/sites/"):
        return site_drive(call)
    return drive_by_id(call, call.params["drive"])


def drive_by_id(call: Call, key: str) -> Drive:
    """A drive by id, while its owner lives.

    Raises:
        GraphError: 404.
    """
    drive = call.service.drives.drives.get(key.lower())
    owner = call.tenant.entries.get(drive.owner_id) if drive else None
    if drive is None or drive.ready_at > call.tenant.clock() or owner is None or owner.state != "live":
        raise missing()
    return drive


def site_drive(call: Call) -> Drive:
    """The default library of site ``{id}``: ``host,guid,guid``, or the site's GUID alone.

    Raises:
        GraphError: 404.
    """
    parts = call.params["id"].lower().split(",")
    wanted = parts[1] if len(parts) == 3 else parts[0]
    for drive in call.service.drives.drives.values():
        if drive.site == wanted and drive.ready_at <= call.tenant.clock():
            return drive
    raise missing()


def find_item(call: Call) -> Item:
    """The live item that the path names, by id or by path.

    Raises:
        GraphError: 404.
    """
    start, names = address(call)
    return follow(start, names)


def address(call: Call) -> tuple[Item, list[str]]:
    """The item that ``{item}`` begins with and the names that follow it."""
    drive = find_drive(call)
    key, _, path = call.params.get("item", "root").partition(":")
    start = drive.root if key.lower() == "root" else drive.items.get(key.upper())
    if start is None or start.state != LIVE:
        raise missing()
    return start, split(path.rstrip(":"))


def _named(header: str) -> set[str]:
    """The tags of an If-Match or If-None-Match header: clients send them quoted, bare or as weak ones."""
    return {tag.strip().removeprefix("W/").strip().strip('"') for tag in header.split('",')}


def check_match(call: Call, item: Item) -> None:
    """Refuse when ``If-Match`` names another eTag or cTag than the item's.

    Raises:
        GraphError: 412.
    """
    header = call.headers.get("if-match", "").strip()
    if not header or header == "*":
        return
    faults = call.service.faults
    if faults.rules and faults.fires(("race-etag",), call.method, call.path, part=False):
        call.service.drives.touch(item, by="")
    if not _named(header) & {item.e_tag.strip('"'), item.c_tag.strip('"')}:
        call.service.counters.count("stale eTags refused")
        raise changed()


def check_present(call: Call, item: Item | None) -> None:
    """Judge ``If-Match`` and ``If-None-Match`` of a write by what is in the place, None for nothing.

    Raises:
        GraphError: 412.
    """
    if item is not None:
        check_match(call, item)
    elif call.headers.get("if-match"):
        raise changed()
    header = call.headers.get("if-none-match", "").strip()
    if header and item and (header == "*" or _named(header) & {item.e_tag.strip('"'), item.c_tag.strip('"')}):
        raise changed()


def check_unlocked(item: Item) -> None:
    """Refuse a write to a file that is open in Office.

    Raises:
        GraphError: 423.
    """
    if item.locked:
        raise locked()


def behaviour(call: Call, body: object, default: str) -> str:
    """The conflict behaviour that a request asks for, in its body or its query; the default is counted.

    Raises:
        GraphError: 400.
    """
    held = body.get(BEHAVIOUR) if isinstance(body, dict) else None
    asked = held or call.query.get(BEHAVIOUR) or call.query.get("@name.conflictBehavior")
    if asked is None:
        call.service.counters.count("conflict behaviour left open")
        return default
    if asked not in ("fail", "replace", "rename"):
        raise invalid(f"Invalid value '{asked}' for '{BEHAVIOUR}'.")
    return str(asked)
