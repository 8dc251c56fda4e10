"""Content by one request: PUT of up to 250 MB, GET as a redirect to the other host; what every upload ends in.

The door has streamed a PUT's body to disk before the route runs, so that a request is still one turn of the event loop.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from connectors.sandbox.drive_blobs import Spool
from connectors.sandbox.drive_errors import full, invalid, taken
from connectors.sandbox.drive_find import address, behaviour, check_present, check_unlocked, find_item
from connectors.sandbox.drive_items import answered, below, moment
from connectors.sandbox.drive_links import download_url
from connectors.sandbox.drive_model import Item
from connectors.sandbox.drive_names import check_name, numbered
from connectors.sandbox.wire import Call, Handler, Reply

if TYPE_CHECKING:
    from connectors.sandbox.service import Service

#: Bytes of a PUT (Graph: driveItem: put content).
LARGEST = 250_000_000
_OFFICE = (".docx", ".xlsx", ".pptx", ".pdf")
#: What SharePoint adds when it writes library properties into a file: about a dozen bytes (onedrive-api-docs#935).
_PROMOTED = b"\x00sp-promoted"


def get_content(call: Call) -> Reply:
    """``GET .../content``: 302 to a URL on the other host."""
    item = find_item(call)
    if item.folder:
        raise invalid("A folder has no content.")
    return Reply(302, None, {"Location": download_url(call.service, item)})


def place(call: Call, *, make: bool = True) -> tuple[Item, str, Item | None]:
    """Where content goes: folder, name and the item that is there. Missing folders of a path are made.

    Raises:
        GraphError: 404 for an unknown id, 400 for a name or path, 409 when a file stands where a folder is needed.
    """
    start, names = address(call)
    if not names:
        if start.parent is None:
            raise taken("root")
        return start.parent, start.name, start
    folder, walked = start, 0
    for name in names[:-1]:
        found = folder.child(name)
        if found is None:
            break
        folder, walked = found, walked + 1
    missing_folders = names[walked:-1]
    if not folder.folder:
        raise taken(folder.name)
    for name in missing_folders:
        check_name(name, folder, folder=True)
    check_name(names[-1], folder, folder=False)
    if make:
        for name in missing_folders:
            folder = call.service.drives.add(folder, name, by=call.app.client_id, folder=True)
    return folder, names[-1], None if missing_folders else folder.child(names[-1])


def put_content(call: Call) -> Reply:
    """``PUT .../content``: 201 new, 200 replaced; the behaviour on a taken name is ``replace`` (!) unless said."""
    spool = _incoming(call)
    try:
        folder, name, there = place(call, make=False)
        check_present(call, there)
        how = "replace" if not call.params["item"].count(":") else behaviour(call, None, "replace")
        check_write(folder, name, spool.length, how, there)
        if there is None:
            folder, name, there = place(call)
        item, made = write_content(call.service, folder, name, spool, how=how, by=call.app.client_id, times=None)
    finally:
        spool.discard()
    return answered(call, item, 201 if made else 200)


def _incoming(call: Call) -> Spool:
    if isinstance(call.body, Spool):
        return call.body
    spool = call.service.drives.blobs.spool()
    if isinstance(call.body, str):
        # In a batch, a binary body is base64.
        try:
            spool.write(base64.b64decode(call.body, validate=True))
        except ValueError:
            spool.discard()
            raise invalid("The body is not base64.") from None
    return spool


def check_write(folder: Item, name: str, size: int, how: str, there: Item | None) -> None:
    """Refuse content that has no place or no room.

    Raises:
        GraphError: 409 for a taken name or a folder, 423 for a locked file, 507 when it does not fit.
    """
    if there is not None and (there.folder or how == "fail"):
        raise taken(name)
    if there is not None and how == "replace":
        check_unlocked(there)
    drive = folder.drive
    if drive.used + drive.binned + size > drive.quota:
        raise full()


def write_content(
    service: Service, folder: Item, name: str, spool: Spool, *, how: str, by: str, times: dict[str, Any] | None
) -> tuple[Item, bool]:
    """Put received content in its place; gives the item and whether it is new. Checked by :func:`check_write`."""
    drives = service.drives
    there = folder.child(name)
    if there is not None and how == "rename":
        name, there = numbered(folder, name), None
    rewritten = service.knobs.office_rewriting and folder.drive.kind == "documentLibrary"
    rewritten = rewritten and name.lower().endswith(_OFFICE)
    if rewritten and not service.knobs.office_delay:
        spool.write(_PROMOTED)
    item = there or drives.add(folder, name, by=by, folder=False)
    drives.write(item, spool, by=by)
    if times:
        item.client_created = moment(times.get("createdDateTime"), item.client_created)
        item.client_modified = moment(times.get("lastModifiedDateTime"), item.client_modified)
    if rewritten and service.knobs.office_delay:
        drives.later.append((drives.clock() + service.knobs.office_delay, item.id, "rewrite"))
    if service.knobs.late_etag:
        drives.later.append((drives.clock() + service.knobs.late_etag, item.id, "touch"))
    service.counters.count("files written")
    service.counters.count("bytes written", spool.length)
    return item, there is None


def settle(service: Service) -> None:
    """Do what SharePoint does behind a client's back, when its time has come: late rewriting, late eTags."""
    drives, now = service.drives, service.tenant.clock()
    drives.settle()
    for entry in [one for one in drives.later if one[0] <= now]:
        drives.later.remove(entry)
        item = drives.items.get(entry[1])
        if item is None or item.state != "live" or not item.blob:
            continue
        if entry[2] == "rewrite":
            spool = drives.blobs.copy(item.blob)
            spool.write(_PROMOTED)
            modified = item.client_modified
            drives.write(item, spool, by="", keep=False)
            item.client_modified = modified
        else:
            drives.touch(item, by="")


ROUTES: dict[tuple[str, str], Handler] = below(
    {("GET", "/items/{item}/content"): get_content, ("PUT", "/items/{item}/content"): put_content}
)
