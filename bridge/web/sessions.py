"""Who is logged in: a signed cookie. The key lives as long as the process, so that a restart logs everybody out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

#: ``__Host-``: the browser takes it over HTTPS only (or from this machine), for this host and path only (RFC 6265bis).
COOKIE = "__Host-session"
LASTS = 15 * 60.0  # seconds without a click


@dataclass(frozen=True, slots=True)
class Visit:
    """``link`` is empty before the login. ``token`` has to come back with everything that is posted."""

    link: str = ""
    token: str = ""


class Sessions:
    """Signs and reads visits. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def begin(self, link: str = "") -> Visit:
        """A new visit: each login gets a new token, so that nobody can put one under somebody."""
        return Visit(link, secrets.token_urlsafe(24))

    def seal(self, visit: Visit) -> str:
        """The cookie's value, good for a quarter of an hour from now."""
        said = json.dumps([visit.link, visit.token, self._clock() + LASTS]).encode()
        return f"{_text(said)}.{_text(self._sign(said))}"

    def read(self, value: str) -> Visit | None:
        """The visit in a cookie; None where it is not ours, changed, or too old."""
        said, _, signature = value.partition(".")
        try:
            raw, given = _bytes(said), _bytes(signature)
        except (ValueError, binascii.Error):
            return None
        if not hmac.compare_digest(given, self._sign(raw)):
            return None
        link, token, until = json.loads(raw)
        return Visit(link, token) if self._clock() < until else None

    def _sign(self, said: bytes) -> bytes:
        return hmac.new(self._key, said, hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
