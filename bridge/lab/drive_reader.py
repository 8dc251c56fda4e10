"""Somebody at a browser with their OneDrive: plain HTTP against Graph, sharing no line with the connector it checks."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.lab.graph_door import GraphDoor


@dataclass(frozen=True, slots=True)
class Stored:
    """A file (or with ``folder`` a folder) of a drive: its id, its size in bytes, and the hash that the drive shows."""

    id: str
    size: int
    hash: str
    folder: bool


class DriveReader:
    """Reads the drives of users with a client secret of its own; writes where its application may.

    Raises ``LookupError`` for what is not there and ``OSError`` (``urllib.error.HTTPError``) for all other refusals.
    """

    def __init__(self, base_url: str, **access: str) -> None:
        """``access`` as ``GraphDoor`` takes it."""
        self._door = GraphDoor(base_url, **access)

    def _open(
        self, url: str, method: str = "GET", body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> bytes:
        try:
            return self._door.fetch(url, method, body, headers=headers)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise LookupError(f"404 {method} {urllib.parse.urlsplit(url).path}") from None
            raise

    def _graph(self, method: str, path: str, body: bytes | None = None, *, kind: str = "application/json") -> Any:
        url = path if path.startswith("https:") else f"{self._door.base_url}/v1.0{path}"
        headers = {"Authorization": self._door.bearer(), "Content-Type": kind}
        return json.loads(self._open(url, method, body, headers=headers) or b"{}")

    def tree(self, user: str) -> dict[str, Stored]:
        """All that is in a OneDrive, by path (``Deutsch/Aufsatz.odt``)."""
        rows: dict[str, Any] = {}
        url = f"/users/{user}/drive/root/delta?$top=1000"
        while url:
            page = self._graph("GET", url)
            rows |= {row["id"]: row for row in page["value"]}
            url = page.get("@odata.nextLink", "")
        rows = {key: row for key, row in rows.items() if "deleted" not in row}

        def path(row: Any) -> str:
            above = rows.get(row["parentReference"]["id"])
            lead = "" if above is None or "root" in above else f"{path(above)}/"
            return f"{lead}{row['name']}"

        return {
            path(row): Stored(
                row["id"],
                row.get("size", 0),
                row.get("file", {}).get("hashes", {}).get("quickXorHash", ""),
                "folder" in row,
            )
            for row in rows.values()
            if "root" not in row
        }

    def library(self, group: str) -> set[str]:
        """Names at the top of a group's library."""
        return {row["name"] for row in self._graph("GET", f"/groups/{group}/drive/root/children")["value"]}

    def shared_with(self, group: str) -> dict[str, str]:
        """Display name -> role of those who were let in at the top of a group's library."""
        found = {}
        for row in self._graph("GET", f"/groups/{group}/drive/root/permissions")["value"]:
            who = row.get("grantedToV2", {})
            name = (who.get("user") or who.get("group") or {}).get("displayName")
            if name and row["id"] != "owner":
                found[name] = row["roles"][0]
        return found

    def content(self, user: str, path: str) -> bytes:
        """The bytes of a file. The other host that has them is given no token."""
        found = self._graph("GET", _place(user, path))
        return self._open(found["@microsoft.graph.downloadUrl"])

    # -- what a person does there

    def put(self, user: str, path: str, content: bytes) -> None:
        """Put a file there, or a new version of one."""
        self._graph("PUT", f"{_place(user, path)}:/content", content, kind="application/octet-stream")

    def rename(self, user: str, path: str, name: str) -> None:
        """Give a file or folder another name."""
        self._graph("PATCH", _place(user, path), json.dumps({"name": name}).encode())

    def delete(self, user: str, path: str) -> None:
        """Move a file or folder into the recycle bin."""
        self._graph("DELETE", _place(user, path))


def _place(user: str, path: str) -> str:
    return f"/users/{user}/drive/root:/{urllib.parse.quote(path)}"
