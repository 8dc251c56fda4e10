"""A way into Graph for those who look at what the bridge did: plain HTTP, no line shared with the connectors."""

from __future__ import annotations

import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping

_SCOPE = "https://graph.microsoft.com/.default"


class GraphDoor:
    """One application with a client secret of its own. Raises ``urllib.error.HTTPError`` for every refusal."""

    def __init__(self, base_url: str, *, tenant: str, client_id: str, secret: str, ca_file: str) -> None:
        self.base_url = base_url
        self._tenant = tenant
        self._form = {
            "grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": _SCOPE,
        }  # fmt: skip
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._token = ""

    def fetch(
        self, url: str, method: str = "GET", body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """One request as it is given, without the token."""
        request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310
        with urllib.request.urlopen(request, context=self._tls, timeout=60) as answer:  # noqa: S310
            found: bytes = answer.read()
            return found

    def bearer(self) -> str:
        """The value of the header ``Authorization``; asked for once."""
        if not self._token:
            form = urllib.parse.urlencode(self._form).encode()
            answer = self.fetch(f"{self.base_url}/{self._tenant}/oauth2/v2.0/token", "POST", form)
            self._token = json.loads(answer)["access_token"]
        return f"Bearer {self._token}"
