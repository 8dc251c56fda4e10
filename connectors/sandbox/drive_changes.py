"""Changes of items that carry no content: rename, move, times, delete, restore, delete for good."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from connectors.sandbox.drive_errors import full, invalid, missing, taken
from connectors.sandbox.drive_find import behaviour, check_match, check_unlocked, drive_by_id, find_drive, find_item
from connectors.sandbox.drive_items import answered, below, new_times
from connectors.sandbox.drive_model import BINNED, LIVE, Drive, Item
from connectors.sandbox.drive_names import check_length, check_name, follow, numbered, split
from connectors.sandbox.wire import Call, Handler, Reply


def target(call: Call, item: Item, reference: object) -> Item:
    """The folder that a ``parentReference`` names, by default the one that the item is in.

    Raises:
        GraphError: 404 for an unknown folder, 400 for a file, or for the alias ``root`` as its id (Graph: move).
    """
    if reference is None:
        return item.parent or item
    if not isinstance(reference, dict):
        raise invalid("'parentReference' is not an object.")
    drive: Drive = item.drive
    if (named := reference.get("driveId")) and str(named).lower() != drive.id.lower():
        drive = drive_by_id(call, str(named))
    if "id" in reference:
        if reference["id"] == "root":
            raise invalid("A parentReference needs the folder's id; 'root' is no id.")
        found = drive.items.get(str(reference["id"]).upper())
        if found is None or found.state != LIVE:
            raise missing()
    elif isinstance(path := reference.get("path"), str) and "root" in path:
        found = follow(drive.root, split(unquote(path.partition(":")[2])))
    else:
        return item.parent or item
    if not found.folder:
        raise invalid("The parentReference names a file.")
    return found


def update_item(call: Call) -> Reply:
    """``PATCH``: rename, move, times, description; 200. The content and its cTag stay.

    New times on a file add a version, as SharePoint does (onedrive-api-docs#778).
    """
    item, body, drives, by = find_item(call), call.json_object(), call.service.drives, call.app.client_id
    check_match(call, item)
    check_unlocked(item)
    name, parent, times = body.get("name", item.name), item.parent, new_times(item, body.get("fileSystemInfo"))
    if not isinstance(body.get("description"), str | None):
        raise invalid("'description' is not a text.")
    if "parentReference" in body or name != item.name:
        parent = target(call, item, body.get("parentReference"))
        if parent.drive is not item.drive:
            raise invalid("Moving an item to another drive is not supported: copy it.")
    if parent is not None and (parent is not item.parent or name != item.name):
        name = _place(call, item, parent, name, body)
        drives.move(item, parent, name, by=by)
    if times != (item.client_created, item.client_modified):
        if item.blob and times[1] != item.client_modified:
            call.service.counters.count("versions by times")
            drives.repeat_version(item)
        item.client_created, item.client_modified = times
        drives.touch(item, by=by)
    if "description" in body:
        item.description = body["description"]
        drives.touch(item, by=by)
    return answered(call, item)


def _place(call: Call, item: Item, parent: Item, name: object, body: dict[str, Any]) -> str:
    """The name under which an item may go to a place; what ``replace`` replaces goes to the bin."""
    if item.parent is None:
        raise invalid("The root folder cannot be renamed or moved.")
    checked = check_name(name, parent, folder=item.folder)
    above: Item | None = parent
    while above is not None:
        if above is item:
            raise invalid("An item cannot be moved below itself.", "invalidPath")
        above = above.parent
    grown = len(parent.path()) + 1 + len(checked) - len(item.path())
    if item.folder and grown > 0:
        for one in item.below():
            if one is not item and one.parent is not None:
                check_length(one.parent, one.name + "x" * grown)
    there = parent.child(checked)
    if there is None or there is item:
        return checked
    how = behaviour(call, body, "fail")
    if how == "fail" or (how == "replace" and there.folder):
        raise taken(checked)
    if how == "rename":
        return numbered(parent, checked)
    check_unlocked(there)
    call.service.drives.delete(there)
    return checked


def delete_item(call: Call) -> Reply:
    """``DELETE``: 204, into the recycle bin with all below."""
    item = find_item(call)
    _check_removal(call, item)
    call.service.counters.count("drive items deleted")
    call.service.drives.delete(item)
    return Reply(204)


def _check_removal(call: Call, item: Item) -> None:
    check_match(call, item)
    if item.parent is None:
        raise invalid("The root folder cannot be deleted.")
    for one in item.below() if item.folder else (item,):
        check_unlocked(one)


def purge_item(call: Call) -> Reply:
    """``POST .../permanentDelete``: 204, past the bin."""
    item = _binned(call) or find_item(call)
    if item.state != BINNED:
        _check_removal(call, item)
    call.service.drives.purge(item)
    return Reply(204)


def _binned(call: Call) -> Item | None:
    item = find_drive(call).items.get(call.params["item"].upper())
    return item if item is not None and item.id in call.service.drives.bin else None


def restore_item(call: Call) -> Reply:
    """``POST .../restore``: 200, back to where it was, or to ``parentReference`` and ``name`` of the body."""
    item = _binned(call)
    if item is None:
        raise missing()
    body = call.body if isinstance(call.body, dict) else {}
    parent = target(call, item, body.get("parentReference"))
    if parent is item or parent.state != LIVE:
        raise missing()
    name = check_name(body.get("name") or item.name, parent, folder=item.folder)
    if parent.child(name):
        raise taken(name)
    if not item.folder and item.drive.used > item.drive.quota:
        raise full()
    call.service.drives.restore(item, parent, name, by=call.app.client_id)
    return answered(call, item)


ROUTES: dict[tuple[str, str], Handler] = below(
    {
        ("PATCH", "/items/{item}"): update_item,
        ("DELETE", "/items/{item}"): delete_item,
        ("POST", "/items/{item}/restore"): restore_item,
        ("POST", "/items/{item}/permanentDelete"): purge_item,
    }
)
