"""The demo's own look into the cloud: plain HTTP against Graph, sharing no line with the connector it checks."""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import dataclass
from typing import Any

from bridge.lab.graph_door import GraphDoor

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

    def __init__(self, base_url: str, *, admin_key: str, **access: str) -> None:
        """``access`` as ``GraphDoor`` takes it."""
        self.base_url = base_url
        self._door = GraphDoor(base_url, **access)
        self._admin_key = admin_key

    def _get(self, url: str) -> Any:
        headers = {"Authorization": self._door.bearer(), "ConsistencyLevel": "eventual"}
        return json.loads(self._door.fetch(url, headers=headers))

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
        content = json.dumps(body or {}).encode() if method != "GET" else None
        headers = {"X-Sandbox-Key": self._admin_key, "Content-Type": "application/json"}
        return json.loads(self._door.fetch(f"{self.base_url}/_sandbox/{route}", method, content, headers=headers))

    def counters(self) -> dict[str, Any]:
        """What the sandbox was asked since the last reset."""
        answer: dict[str, Any] = self.admin("GET", "counters")
        return answer
