"""The demo's own look into the cloud: plain HTTP against Graph, sharing no line with the connector it checks."""

from __future__ import annotations

import json
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

_USER = "id,displayName,userPrincipalName,accountEnabled,department,onPremisesExtensionAttributes"
_GROUP = "id,displayName,groupTypes"


@dataclass(frozen=True, slots=True)
class Account:
    """A user as Graph shows it; ``reference`` is the source anchor that the bridge left on it, empty if none."""

    id: str
    display_name: str
    upn: str
    enabled: bool
    department: str
    reference: str


class CloudReader:
    """Reads users, groups and members with a client secret of its own; speaks to the sandbox's admin routes too."""

    def __init__(
        self, base_url: str, *, tenant: str, client_id: str, secret: str, admin_key: str, ca_file: str
    ) -> None:
        self.base_url = base_url
        self._tenant = tenant
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "scope": "https://graph.microsoft.com/.default",
        }
        self._admin_key = admin_key
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._token = ""

    def _open(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, context=self._tls, timeout=60) as answer:  # noqa: S310 - our own base URL
            return json.load(answer)

    def _get(self, url: str) -> Any:
        if not self._token:
            body = urllib.parse.urlencode(self._form).encode()
            token_url = f"{self.base_url}/{self._tenant}/oauth2/v2.0/token"
            self._token = self._open(urllib.request.Request(token_url, data=body))["access_token"]  # noqa: S310
        headers = {"Authorization": f"Bearer {self._token}", "ConsistencyLevel": "eventual"}
        return self._open(urllib.request.Request(url, headers=headers))  # noqa: S310

    def _all(self, path: str) -> list[dict[str, Any]]:
        url, found = f"{self.base_url}/v1.0{path}", []
        while url:
            page = self._get(url)
            found += page["value"]
            url = page.get("@odata.nextLink", "")
        return found

    def accounts(self, expression: str = "") -> list[Account]:
        """All users of the tenant, or those that a ``$filter`` finds."""
        query = {"$select": _USER, "$top": "999"} | ({"$filter": expression, "$count": "true"} if expression else {})
        rows = self._all(f"/users?{urllib.parse.urlencode(query)}")
        return [
            Account(
                row["id"],
                row.get("displayName") or "",
                row["userPrincipalName"],
                bool(row.get("accountEnabled")),
                row.get("department") or "",
                (row.get("onPremisesExtensionAttributes") or {}).get("extensionAttribute15") or "",
            )
            for row in rows
        ]

    def account(self, reference: str) -> Account | None:
        """The one account with this source anchor; None for none, LookupError for several (a pupil made twice)."""
        found = self.accounts(f"onPremisesExtensionAttributes/extensionAttribute15 eq '{reference}'")
        if len(found) > 1:
            raise LookupError(f"{len(found)} accounts carry the source anchor {reference}")
        return found[0] if found else None

    def groups(self) -> dict[str, str]:
        """Display name -> id."""
        query = urllib.parse.urlencode({"$select": _GROUP, "$top": "999"})
        return {row["displayName"]: row["id"] for row in self._all(f"/groups?{query}")}

    def members(self, group: str) -> frozenset[str]:
        """Ids of the direct members of a group."""
        query = urllib.parse.urlencode({"$select": "id", "$top": "999"})
        return frozenset(row["id"] for row in self._all(f"/groups/{group}/members?{query}"))

    def admin(self, method: str, route: str, body: dict[str, Any] | None = None) -> Any:
        """A request to the sandbox's own routes: faults, counters, settings."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.base_url}/_sandbox/{route}",
            data=json.dumps(body or {}).encode() if method != "GET" else None,
            method=method,
            headers={"X-Sandbox-Key": self._admin_key, "Content-Type": "application/json"},
        )
        return self._open(request)

    def counters(self) -> dict[str, Any]:
        """What the sandbox was asked since the last reset."""
        answer: dict[str, Any] = self.admin("GET", "counters")
        return answer
