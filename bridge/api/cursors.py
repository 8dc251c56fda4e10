"""Cursors of pages: opaque, signed, good for the address that gave them and until the daemon is restarted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_SIGNED = 16


class Cursors:
    """Signs positions with a key that only this process knows, or those that are given the same one."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key or secrets.token_bytes(32)

    def sign(self, place: str, position: str) -> str:
        """The cursor of a position of a place."""
        text = position.encode()
        return base64.urlsafe_b64encode(self._mark(place, text) + text).decode().rstrip("=")

    def read(self, place: str, cursor: str) -> str | None:
        """The position; None for what was not signed for this place."""
        try:
            raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        except ValueError:
            return None
        mark, text = raw[:_SIGNED], raw[_SIGNED:]
        return text.decode() if hmac.compare_digest(mark, self._mark(place, text)) else None

    def _mark(self, place: str, text: bytes) -> bytes:
        return hmac.new(self._key, place.encode() + b"\0" + text, hashlib.sha256).digest()[:_SIGNED]
