"""Pre-authenticated URLs on the other host: signed, short-lived, valid without a bearer token, refused with one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sandbox.drive_model import Item
    from connectors.sandbox.service import Service


def _sign(service: Service, text: str) -> str:
    mark = hmac.new(service.tenant.secret.encode(), text.encode(), hashlib.sha256).digest()[:18]
    return base64.urlsafe_b64encode(mark).decode()


def download_url(service: Service, item: Item) -> str:
    """Where an item's bytes can be fetched for the next hour (knob ``download_life``)."""
    expires = int(service.tenant.clock() + service.knobs.download_life)
    text = f"{item.id}.{expires}"
    return f"{service.content_url}/_download/{text}.{_sign(service, text)}"


def downloaded(service: Service, token: str) -> Item | None:
    """The item of a download URL; None when the URL is forged, too old, or the item is gone."""
    text, _, mark = token.rpartition(".")
    if not hmac.compare_digest(_sign(service, text).encode(), mark.encode()):
        return None
    item_id, _, expires = text.partition(".")
    if int(expires) < service.tenant.clock():
        return None
    item = service.drives.items.get(item_id)
    return item if item is not None and item.state == "live" and not item.folder else None
