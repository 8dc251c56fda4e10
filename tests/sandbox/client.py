"""A plain HTTP client for the sandbox's own tests: no Graph library, no code of ours on the other side."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from connectors.sandbox import Sandbox

PASSWORD = "Kranich-7-Segel"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, parsed body (None: none) and headers."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """Graph's error code."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """Graph's error message."""
        return str(self.body["error"]["message"])


class Client:
    """Calls Graph below ``/v1.0`` with the sandbox's token, or any URL."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; header names are given with underscores."""
        url = path if path.startswith("http") else self.sandbox.graph_url + path
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Authorization", f"Bearer {self.sandbox.token()}")
        async with self.session.request(method, URL(url, encoded=True), json=body, headers=sent) as response:
            text = await response.text()
            parsed = json.loads(text) if text else None
            return Answer(response.status, parsed, {name.lower(): value for name, value in response.headers.items()})

    async def send(self, method: str, path: str, content: bytes | None = None, **headers: str) -> Answer:
        """One request with a binary body and no redirects; text and bytes that are no JSON are the body as they are."""
        url = path if path.startswith("http") else self.sandbox.graph_url + path
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if url.startswith(self.sandbox.base_url):
            sent.setdefault("Authorization", f"Bearer {self.sandbox.token()}")
        target = URL(url, encoded=True)
        async with self.session.request(
            method, target, data=content, headers=sent, allow_redirects=False, skip_auto_headers=["Content-Type"]
        ) as response:
            got = await response.read()
            parsed = json.loads(got) if "json" in response.headers.get("Content-Type", "") else got or None
            return Answer(response.status, parsed, {name.lower(): value for name, value in response.headers.items()})

    async def put(self, path: str, content: bytes, **headers: str) -> Answer:
        """PUT of content."""
        return await self.send("PUT", path, content, **headers)

    async def breaks(self, method: str, path: str, content: bytes | None = None, **headers: str) -> None:
        """One request that must break; aiohttp would repeat it in silence, so that is switched off.

        Raises:
            AssertionError: there was an answer.
        """
        async with connected(self.sandbox) as alone:
            alone.session._retry_connection = False
            try:
                answer = await alone.send(method, path, content, **headers)
            except aiohttp.ClientError:
                return
            raise AssertionError(f"answered {answer.status}")

    async def read(self, path: str) -> bytes:
        """The content of a file, by way of the redirect."""
        closing = ":" if ":" in path.rsplit("/drives/")[-1] and not path.endswith(":") else ""
        answer = await self.send("GET", f"{path}{closing}/content")
        assert answer.status == 302, answer.body
        got = await self.send("GET", answer.headers["location"])
        assert got.status == 200, got.body
        return bytes(got.body or b"")

    async def drive(self, name: str = "anna") -> str:
        """A user with a OneDrive; gives the drive's path."""
        user = await self.user(name)
        self.sandbox.service.knobs.drives = "all"
        answer = await self.get(f"/users/{user}/drive")
        assert answer.status == 200, answer.body
        return f"/drives/{answer.body['id']}"

    async def library(self, name: str = "klasse") -> str:
        """A Microsoft 365 group; gives the path of its library."""
        answer = await self.get(f"/groups/{await self.team(name)}/drive")
        assert answer.status == 200, answer.body
        return f"/drives/{answer.body['id']}"

    async def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST."""
        return await self.call("POST", path, body, **headers)

    async def patch(self, path: str, body: Any, **headers: str) -> Answer:
        """PATCH."""
        return await self.call("PATCH", path, body, **headers)

    async def delete(self, path: str, **headers: str) -> Answer:
        """DELETE."""
        return await self.call("DELETE", path, **headers)

    async def admin(self, method: str, path: str, body: Any = None) -> Answer:
        """A request to the admin routes."""
        url = f"{self.sandbox.base_url}/_sandbox/{path}"
        return await self.call(method, url, body, X_Sandbox_Key=self.sandbox.admin_key)

    async def user(self, name: str = "anna", **properties: Any) -> str:
        """Create a user; gives its id."""
        answer = await self.post("/users", new_user(name, **properties))
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    async def group(self, name: str = "5a", **properties: Any) -> str:
        """Create a security group; gives its id."""
        answer = await self.post("/groups", new_group(name, **properties))
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    async def team(self, name: str = "ag", **properties: Any) -> str:
        """Create a Microsoft 365 group; gives its id."""
        unified = {"groupTypes": ["Unified"], "mailEnabled": True, **properties}
        return await self.group(name, **unified)

    def reference(self, object_id: str) -> str:
        """The URL of an object, for ``@odata.id`` and ``@odata.bind``."""
        return f"{self.sandbox.graph_url}/directoryObjects/{object_id}"

    async def add(self, group: str, member: str, relation: str = "members") -> Answer:
        """POST a reference."""
        return await self.post(f"/groups/{group}/{relation}/$ref", {"@odata.id": self.reference(member)})

    async def members(self, group: str, relation: str = "members") -> set[str]:
        """Ids of all members, over all pages."""
        return {found["id"] for found in await self.all(f"/groups/{group}/{relation}?$select=id")}

    async def all(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """All entries of a collection, following nextLink."""
        found: list[dict[str, Any]] = []
        while path:
            answer = await self.get(path, **headers)
            assert answer.status == 200, answer.body
            found += answer.body["value"]
            path = answer.body.get("@odata.nextLink", "")
        return found

    async def round(self, path: str, **headers: str) -> tuple[list[dict[str, Any]], str]:
        """All entries of a delta round, and its deltaLink."""
        found: list[dict[str, Any]] = []
        while True:
            answer = await self.get(path, **headers)
            assert answer.status == 200, answer.body
            found += answer.body["value"]
            if "@odata.deltaLink" in answer.body:
                return found, str(answer.body["@odata.deltaLink"])
            path = answer.body["@odata.nextLink"]


def new_user(name: str, **properties: Any) -> dict[str, Any]:
    """A body for POST /users."""
    return {
        "accountEnabled": True,
        "displayName": name.title(),
        "mailNickname": name,
        "userPrincipalName": f"{name}@schule.example",
        "passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": True},
        **properties,
    }


def new_group(name: str, **properties: Any) -> dict[str, Any]:
    """A body for POST /groups."""
    return {
        "displayName": name,
        "mailNickname": name,
        "mailEnabled": False,
        "securityEnabled": True,
        **properties,
    }


@asynccontextmanager
async def connected(sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client of a sandbox."""
    async with aiohttp.ClientSession() as session:
        yield Client(sandbox, session)
