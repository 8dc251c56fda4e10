"""Devices: what is registered or joined, to be read only; the admin's door puts them in.

learn.microsoft.com/graph/api/device-list
"""

from __future__ import annotations

from connectors.sandbox.errors import not_found
from connectors.sandbox.odata import listing, render, selected
from connectors.sandbox.wire import Call, Handler, Reply


def read_device(call: Call) -> Reply:
    """``GET /devices/{id}``."""
    entry = call.tenant.get(call.params["id"], "device")
    if entry is None:
        raise not_found(call.params["id"])
    return Reply(200, {"@odata.context": call.context("devices/$entity"), **render(entry, selected(call, "device"))})


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/devices"): lambda call: listing(call, "device", "devices"),
    ("GET", "/devices/{id}"): read_device,
}
