"""Pre-authenticated URLs on the other host: signed, short-lived, valid without a bearer token, refused with one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sandbox.drive_model import Item
    from connectors.sandbox.service import Service


def _sign(service: Service, text: str) -> str:
    mark = hmac.new(service.tenant.secret.encode(), text.encode(), hashlib.sha256).digest()[:18]
    return base64.urlsafe_b64encode(mark).decode()


@dataclass(frozen=True, slots=True)
class Download:
    """What a download URL leads to: the bytes of an item as it is now, or of an older version."""

    item: Item
    blob: str
    size: int


def download_url(service: Service, item: Item, version: int = 0) -> str:
    """Where the bytes of an item (or of an older version) can be fetched for the next hour (knob ``download_life``)."""
    expires = int(service.tenant.clock() + service.knobs.download_life)
    text = f"{item.id}.{version}.{expires}"
    return f"{service.content_url}/_download/{text}.{_sign(service, text)}"


def downloaded(service: Service, token: str) -> Download | None:
    """What a download URL leads to; None when the URL is forged, too old, or the item is gone."""
    text, _, mark = token.rpartition(".")
    if not hmac.compare_digest(_sign(service, text).encode(), mark.encode()):
        return None
    item_id, number, expires = text.split(".")
    item = service.drives.items.get(item_id)
    if int(expires) < service.tenant.clock() or item is None or item.state != "live" or item.folder:
        return None
    if number == "0":
        return Download(item, item.blob, item.size)
    version = next((one for one in item.versions if one.number == int(number)), None)
    return Download(item, version.blob, version.size) if version else None
