"""Drives of a sandbox, a connector to one of them, and the sandbox's own state as the witness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bridge.core.model import Action, Digest
from bridge.ports import QUICKXOR, Page, Write
from connectors.bandwidth import Bandwidth
from connectors.graph_drive import DriveConnector, Options
from connectors.graph_drive import shared as registry
from connectors.quickxor import QuickXor
from connectors.sandbox import Sandbox
from connectors.sandbox.drive_model import Drive, Item
from tests.conformance.base import write as outcomes
from tests.conformance.base import written as done
from tests.connectors.graph.kit import Timeline, context
from tests.sandbox.plugin import CLIENT_ID

__all__ = ("done", "outcomes")

STEP = 327_680
WHEN = "2026-09-01T06:00:00Z"


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class Bytes:
    """A source over bytes, in chunks; ``spoil`` makes it raise after so many bytes of a reading."""

    def __init__(self, content: bytes, *, chunk: int = 100_000) -> None:
        self.content = content
        self.chunk = chunk
        self.spoil: tuple[int, Exception] | None = None
        self.readings: list[int] = []

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def digest(self) -> Digest | None:
        return None

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        self.readings.append(start)
        for at in range(start, len(self.content), self.chunk):
            if self.spoil and at >= self.spoil[0]:
                raise self.spoil[1]
            yield self.content[at : at + self.chunk]
        if self.spoil:
            raise self.spoil[1]


def digest(content: bytes) -> Digest:
    running = QuickXor()
    running.update(content)
    return Digest(QUICKXOR, running.hexdigest(), len(content))


def owners(sandbox: Sandbox) -> tuple[str, str]:
    """A user with a OneDrive and a Microsoft 365 group with a library: their ids."""
    known = set(sandbox.tenant.entries)
    user = {"displayName": "U", "userPrincipalName": "u1@schule.example", "mailNickname": "u1", "accountEnabled": True}
    group = {"displayName": "5a", "mailNickname": "5a", "groupTypes": ["Unified"], "mailEnabled": True,
             "securityEnabled": False}  # fmt: skip
    sandbox.load({"users": [user], "groups": [group]})
    made = {entry.kind: key for key, entry in sandbox.tenant.entries.items() if key not in known}
    return made["user"], made["group"]


def user_of(sandbox: Sandbox, name: str) -> str:
    """A new user: the id."""
    known = set(sandbox.tenant.entries)
    upn = f"u{name}@schule.example"
    user = {"displayName": "U", "userPrincipalName": upn, "mailNickname": f"u{name}", "accountEnabled": True}
    sandbox.load({"users": [user]})
    (made,) = set(sandbox.tenant.entries) - known
    return made


def drive_of(sandbox: Sandbox, owner: str) -> Drive:
    """The sandbox's own drive."""
    return sandbox.service.drives.owners[owner]


def provisioned(sandbox: Sandbox, owner: str, kind: str = "business") -> Drive:
    """Make the drive of an owner at once."""
    path = "/personal/u1" if kind == "business" else "/sites/5a"
    name = "OneDrive" if kind == "business" else "Documents"
    drive = sandbox.service.drives.provision(owner, kind=kind, name=name, web_path=path, delay=0.0)
    sandbox.commit()
    return drive


def options(sandbox: Sandbox, place: dict[str, str], **more: Any) -> Options:
    return Options.model_validate(
        {
            "tenant_id": sandbox.tenant.id,
            "client_id": CLIENT_ID,
            "client_secret": "env:SECRET",
            "endpoint": sandbox.base_url,
            "authority": sandbox.base_url,
            "ca_file": sandbox.ca_file,
            "drive": place,
            "fragment": STEP,
            **more,
        }
    )


def connector(
    sandbox: Sandbox,
    place: dict[str, str],
    *,
    timeline: Timeline | None = None,
    directory: Path | None = None,
    line: Bandwidth | None = None,
    **more: Any,
) -> DriveConnector:
    doors, found = context(timeline or Timeline(), directory=directory), options(sandbox, place, **more)
    return DriveConnector(found, doors, shared=registry.enter(found, doors), line=line or Bandwidth())


def plant(sandbox: Sandbox, parent: Item, name: str, content: bytes | None = b"x", *, by: str = "") -> Item:
    """Make a file (or with None a folder) past Graph."""
    drives = sandbox.service.drives
    item = drives.add(parent, name, by=by, folder=content is None)
    if content is not None:
        spool = drives.blobs.spool()
        spool.write(content)
        drives.write(item, spool, by=by)
    sandbox.commit()
    return item


def content_of(sandbox: Sandbox, item: Item) -> bytes:
    return sandbox.service.drives.blobs.path(item.blob).read_bytes()


def new_file(name: str, content: bytes | Bytes, *, parent: str | None = None, id: str = "", **more: Any) -> Write:  # noqa: A002
    source = content if isinstance(content, Bytes) else Bytes(content)
    fields = {"name": name, "content": Digest("unread", f"v-{name}", source.size), "modified": WHEN, "parent": parent}
    return Write(id or name, "file", Action.CREATE, None, {**fields, **more}, key=f"key-{name}", content=source)


def new_content(anchor: str, content: bytes | Bytes, expected: str, **more: Any) -> Write:
    source = content if isinstance(content, Bytes) else Bytes(content)
    fields = {"content": Digest("unread", f"v-{anchor}", source.size), "modified": WHEN}
    return Write(anchor, "file", Action.UPDATE, anchor, {**fields, **more}, expected=expected, content=source)


def new_folder(name: str, parent: str | None = None) -> Write:
    return Write(name, "folder", Action.CREATE, None, {"name": name, "parent": parent}, key=f"key-{name}")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something in the sandbox, which runs in this very loop."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the sandbox has no event to wait for
            await asyncio.sleep(0.002)


async def pages(drive: DriveConnector, token: str | None = None) -> list[Page]:
    return [page async for page in drive.observe(token)]
