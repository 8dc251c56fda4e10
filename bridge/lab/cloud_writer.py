"""The city's cloud platform, as the demo plays it: makes and changes accounts by plain HTTP against Graph."""

from __future__ import annotations

import json
from typing import Any

from bridge.lab.graph_door import GraphDoor


class CloudWriter:
    """Writes with a client secret of its own. Raises ``urllib.error.HTTPError`` for every refusal."""

    def __init__(self, base_url: str, **access: str) -> None:
        """``access`` as ``GraphDoor`` takes it."""
        self.base_url = base_url
        self._door = GraphDoor(base_url, **access)

    def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": self._door.bearer(), "Content-Type": "application/json"}
        answer = self._door.fetch(f"{self.base_url}/v1.0{path}", method, json.dumps(body).encode(), headers=headers)
        found: dict[str, Any] = json.loads(answer) if answer else {}
        return found

    def make(self, *, given: str, surname: str, upn: str, department: str, password: str) -> str:
        """Make an account; its id."""
        body = {
            "displayName": f"{given} {surname}",
            "givenName": given,
            "surname": surname,
            "userPrincipalName": upn,
            "mailNickname": upn.partition("@")[0],
            "department": department,
            "accountEnabled": True,
            "usageLocation": "DE",
            "passwordProfile": {"password": password, "forceChangePasswordNextSignIn": False},
        }
        return str(self._send("POST", "/users", body)["id"])

    def change(self, user: str, **properties: Any) -> None:
        """Change properties of an account."""
        self._send("PATCH", f"/users/{user}", properties)

    def join(self, group: str, user: str) -> None:
        """Put an account into a group."""
        self._send(
            "POST", f"/groups/{group}/members/$ref", {"@odata.id": f"{self.base_url}/v1.0/directoryObjects/{user}"}
        )
