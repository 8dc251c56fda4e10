"""Drives and items: read, list, make folders, times, versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors.sandbox import drive_shapes
from connectors.sandbox.drive_errors import access_denied, invalid, taken
from connectors.sandbox.drive_find import (
    behaviour,
    find_drive,
    find_item,
)
from connectors.sandbox.drive_model import Item
from connectors.sandbox.drive_names import check_name, numbered
from connectors.sandbox.drive_shapes import expanded, selection, shown_drive, shown_item
from connectors.sandbox.odata import page_token, skipped
from connectors.sandbox.wire import Call, Handler, Reply

PAGE, LARGEST_PAGE = 200, 1000


def answered(call: Call, item: Item, status: int = 200) -> Reply:
    """A reply that shows an item."""
    body = {"@odata.context": call.context("drives/root/$entity"), **shown_item(call.service, item)}
    return Reply(status, body)


def read_drive(call: Call) -> Reply:
    """``GET /drives/{id}``, ``/users/{id}/drive``, ``/groups/{id}/drive``, ``/sites/{id}/drive``."""
    body = drive_shapes.select(shown_drive(call.service, find_drive(call)), selection(call))
    return Reply(200, {"@odata.context": call.context("drives/$entity"), **body})


def list_drives(call: Call) -> Reply:
    """``GET .../drives``: the one drive that each user, group and site has here."""
    body = drive_shapes.select(shown_drive(call.service, find_drive(call)), selection(call))
    return Reply(200, {"@odata.context": call.context("drives"), "value": [body]})


def read_item(call: Call) -> Reply:
    """``GET`` of an item; 304 when If-None-Match names its eTag."""
    item = find_item(call)
    if (tag := call.headers.get("if-none-match")) and tag.strip().strip('"') == item.e_tag.strip('"'):
        return Reply(304)
    body = shown_item(call.service, item, names=selection(call))
    body = expanded(call, item, body)
    return Reply(200, {"@odata.context": call.context("drives/root/$entity"), **body})


def list_children(call: Call) -> Reply:
    """``GET .../children``: by name, 200 a page unless $top says less or more (at most 1,000)."""
    folder = find_item(call)
    if unsupported := {"filter", "skip"} & call.query.keys():
        raise invalid(f"The query option '${unsupported.pop()}' is not supported here.", "invalidQueryOption")
    text = call.query.get("top", str(PAGE))
    if not text.isdigit() or int(text) < 1:
        raise invalid(f"Invalid page size specified: '{text}'.", "invalidQueryOption")
    size, offset = min(int(text), LARGEST_PAGE), skipped(call)
    found = _ordered(call, drive_shapes.shown_children(folder))
    names = selection(call)
    body: dict[str, Any] = {"@odata.context": call.context("drives/root/children")}
    if call.query.get("count", "").lower() == "true" or (offset == 0 and "count" not in call.query):
        body["@odata.count"] = len(found)
    if len(found) > offset + size:
        body["@odata.nextLink"] = call.link(skiptoken=page_token(offset + size))
    chosen = found[offset : offset + size]
    body["value"] = [expanded(call, one, shown_item(call.service, one, names=names)) for one in chosen]
    return Reply(200, body)


def _ordered(call: Call, found: list[Item]) -> list[Item]:
    name, _, direction = call.query.get("orderby", "").strip().partition(" ")
    backwards = direction.strip().lower() == "desc"
    match name:
        case "" | "name":
            return found[::-1] if backwards else found
        case "size":
            return sorted(found, key=lambda one: one.size, reverse=backwards)
        case "lastModifiedDateTime":
            return sorted(found, key=lambda one: one.modified_at, reverse=backwards)
    raise invalid(f"The $orderby expression '{name}' is not supported.", "invalidQueryOption")


def create_child(call: Call) -> Reply:
    """``POST .../children``: 201, a folder; the behaviour on a taken name is ``fail`` unless said."""
    parent, body = find_item(call), call.json_object()
    if not parent.folder:
        raise invalid("Cannot create a child below a file.")
    if not isinstance(body.get("folder"), dict):
        raise invalid("Only folders are created here; content goes to /content or an upload session.")
    name = check_name(body.get("name"), parent, folder=True)
    how, there = behaviour(call, body, "fail"), parent.child(name)
    if there is not None:
        # Graph does not replace a folder by an empty one: the folder that is there is the answer.
        if how == "replace" and there.folder:
            return answered(call, there, 201)
        if how != "rename":
            raise taken(name)
        name = numbered(parent, name)
    times = new_times(parent, body.get("fileSystemInfo")) if body.get("fileSystemInfo") else None
    item = call.service.drives.add(parent, name, by=call.app.client_id, folder=True)
    if times:
        item.client_created, item.client_modified = times
    return answered(call, item, 201)


def new_times(item: Item, given: object) -> tuple[int, int]:
    """Created and modified after a ``fileSystemInfo`` facet is applied; whole seconds.

    Raises:
        GraphError: 400 for what is no time.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise invalid("'fileSystemInfo' is not an object.")
    return (
        moment(given.get("createdDateTime"), item.client_created),
        moment(given.get("lastModifiedDateTime"), item.client_modified),
    )


def moment(text: object, default: int) -> int:
    """Seconds since the epoch of an ISO time, fractions cut off.

    Raises:
        GraphError: 400.
    """
    if text is None:
        return default
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise invalid(f"'{text}' is not a valid date and time.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() // 1)


def search(call: Call) -> Reply:
    """``GET .../search(q='text')``: living items below whose names hold the text, case ignored."""
    wanted = call.params["q"].lower()
    found = [one for one in find_item(call).below() if one.parent is not None and wanted in one.name.lower()]
    value = [shown_item(call.service, one, names=selection(call)) for one in found[:LARGEST_PAGE]]
    return Reply(200, {"@odata.context": call.context("Collection(driveItem)"), "value": value})


def refuse_socket(call: Call) -> Reply:
    """``GET .../subscriptions/socketIo``: not for applications (Graph: subscriptions-socketio)."""
    find_item(call)
    raise access_denied()


#: The four ways to a drive; every route of items exists below each.
PLACES = ("/drives/{drive}", "/users/{id}/drive", "/groups/{id}/drive", "/sites/{id}/drive")


def below(routes: dict[tuple[str, str], Handler]) -> dict[tuple[str, str], Handler]:
    """Routes of an item, below each of the four ways to a drive."""
    return {(method, place + path): handler for place in PLACES for (method, path), handler in routes.items()}


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/users/{id}/drives"): list_drives,
    ("GET", "/groups/{id}/drives"): list_drives,
    ("GET", "/sites/{id}/drives"): list_drives,
    **below(
        {
            ("GET", ""): read_drive,
            ("GET", "/items/{item}"): read_item,
            ("GET", "/items/{item}/children"): list_children,
            ("POST", "/items/{item}/children"): create_child,
            ("GET", "/items/{item}/search(q)/{q}"): search,
            ("GET", "/items/{item}/subscriptions/socketIo"): refuse_socket,
        }
    ),
}
