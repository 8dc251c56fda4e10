"""Copies: accepted with the URL of a monitor on the other host, made without copying bytes (Graph: driveItem: copy)."""

from __future__ import annotations

import secrets
from typing import Any

from connectors.sandbox.drive_changes import target
from connectors.sandbox.drive_errors import full, invalid, missing
from connectors.sandbox.drive_find import behaviour, find_item
from connectors.sandbox.drive_items import below
from connectors.sandbox.drive_model import Item
from connectors.sandbox.drive_names import check_name, numbered
from connectors.sandbox.wire import Call, Handler, Reply


def copy_item(call: Call) -> Reply:
    """``POST .../copy``: 202 with ``Location``; a name that is taken shows in the monitor as a failure."""
    item = find_item(call)
    body = call.body if isinstance(call.body, dict) else {}
    if item.parent is None:
        raise invalid("The root folder cannot be copied.")
    parent = target(call, item, body.get("parentReference"))
    name = check_name(body.get("name") or item.name, parent, folder=item.folder)
    above: Item | None = parent
    while above is not None:
        if above is item:
            raise invalid("A folder cannot be copied below itself.", "invalidPath")
        above = above.parent
    if parent.drive.used + parent.drive.binned + item.size > parent.drive.quota:
        raise full()
    how = behaviour(call, body, "fail")
    job: dict[str, Any] = {"polls": call.service.knobs.copy_polls, "status": "completed"}
    there = parent.child(name)
    if there is item and how == "replace":
        raise invalid("An item cannot replace itself.")
    if there is not None and how == "fail":
        job |= {"status": "failed", "error": {"code": "nameAlreadyExists", "message": "Name already exists"}}
    else:
        if there is not None and how == "replace":
            call.service.drives.delete(there)
        elif there is not None:
            name = numbered(parent, name)
        job["resourceId"] = _copied(call, item, parent, name).id
    identity = secrets.token_urlsafe(18)
    call.service.drives.jobs[identity] = job
    call.service.counters.count("files copied")
    return Reply(202, None, {"Location": f"{call.service.content_url}/_monitor/{identity}"})


def _copied(call: Call, item: Item, parent: Item, name: str) -> Item:
    """A copy of an item with all below it; permissions and versions stay behind."""
    drives, by = call.service.drives, call.app.client_id
    made = drives.add(parent, name, by=by, folder=item.folder)
    waiting = [(item, made)]
    while waiting:
        source, copy = waiting.pop()
        if source.blob:
            drives.write_blob(copy, source, by=by)
        else:
            copy.client_created, copy.client_modified = source.client_created, source.client_modified
        children = list((source.children or {}).values())
        waiting += [(child, drives.add(copy, child.name, by=by, folder=child.folder)) for child in children]
    return made


def monitored(jobs: dict[str, dict[str, Any]], identity: str) -> Reply:
    """``GET`` of a monitor: in progress as often as the knob ``copy_polls`` says, then the outcome."""
    job = jobs.get(identity)
    if job is None:
        raise missing()
    if job["polls"] > 0:
        job["polls"] -= 1
        return Reply(202, {"operation": "ItemCopy", "percentageComplete": 50.0, "status": "inProgress"})
    shown = {"operation": "ItemCopy", "percentageComplete": 100.0, "status": job["status"]}
    shown |= {name: job[name] for name in ("resourceId", "error") if name in job}
    return Reply(200, shown)


ROUTES: dict[tuple[str, str], Handler] = below({("POST", "/items/{item}/copy"): copy_item})
