"""A hub on real sockets with real TLS inside the test, and the site's end of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from bridge.fleet.certificates import client_context, request_for
from bridge.fleet.messages import Enrolled, Receipt
from bridge.fleet.paths import ENROL, REPORT, WAIT
from bridge.hub import authority
from bridge.hub.run import Hub
from bridge.hub.settings import HubSettings, load_hub
from bridge.state import hub_sites
from bridge.state.database import Database
from tests.api.kit import Reply as Plain

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def settings_in(folder: Path, *, url: str = "sqlite:///hub.db", more: str = "") -> HubSettings:
    """A hub's configuration on any free port."""
    text = (
        f"version: 1\nstate:\n  url: {url}\nkept: keys\nsites:\n  listen: 127.0.0.1:0\n  names: [127.0.0.1]\n"
        f"api:\n  enabled: false\n{more}"
    )
    (folder / "hub.yaml").write_text(text, "utf-8")
    return load_hub(folder / "hub.yaml")


class Reply(Plain):
    """What came back."""

    @property
    def receipt(self) -> Receipt:
        """The body as a receipt."""
        return Receipt.model_validate_json(self.body)


@dataclass
class SiteEnd:
    """A site's end: its files, and the reports that it makes. ``certificate`` empty: it has none yet."""

    hub: LiveHub
    name: str
    folder: Path
    certificate: str = ""
    schools: list[str] = field(default_factory=list)
    key: str = ""
    seq: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._pem, self.request = request_for(self.name)
        (self.folder / "site.key").write_bytes(self._pem)

    async def ask(self, path: str, body: Any = None, *, method: str = "", bare: bool = False, **more: Any) -> Reply:
        """One request on a connection of its own."""
        own = None if bare or not self.certificate else self.folder / "site.pem"
        secure = client_context(self.hub.hub.keys.authority.pem, certificate=own, key=self.folder / "site.key")
        sent = more.pop("data", None) if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=secure)) as session,
            session.request(
                method or ("GET" if sent is None else "POST"), self.hub.url + path, data=sent, headers=headers, **more
            ) as response,
        ):
            return Reply(response.status, response.headers, await response.read())

    async def enrol(self, secret: str) -> Reply:
        """Use a ticket's secret; what came is kept."""
        return self._kept(
            await self.ask(ENROL, {"site": self.name, "ticket": secret, "request": self.request}, bare=True)
        )

    def _kept(self, reply: Reply) -> Reply:
        if reply.status == 200:
            got = Enrolled.model_validate_json(reply.body)
            self.certificate, self.schools, self.key = got.certificate, list(got.schools), got.key
            (self.folder / "site.pem").write_text(got.certificate)
        return reply

    async def report(self, *messages: Mapping[str, Any], **more: Any) -> Reply:
        """Report messages that were never told before."""
        return await self.ask(REPORT, self.made(*messages, **more))

    def made(self, *messages: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """A report; the messages get the next numbers."""
        first, at = self.seq + 1, self.hub.hub.database.clock().isoformat()
        self.seq += len(messages)
        return report_of(first, messages, at) | more

    async def wait(self, seconds: float = 5) -> Reply:
        """Wait for orders."""
        return await self.ask(f"{WAIT}?seconds={seconds}")


def report_of(first: int, messages: Any, at: str, *, epoch: int = 1) -> dict[str, Any]:
    """The JSON of a report whose messages are numbered from ``first`` on."""
    numbered = [{"seq": first + place, "at": at, **one} for place, one in enumerate(messages)]
    return {
        "epoch": epoch, "last": first + len(numbered) - 1, "oldest": first, "now": at, "version": "1.0",
        "messages": numbered,
    }  # fmt: skip


def state(school: str, number: int) -> dict[str, Any]:
    """A state of a school that says nothing but its number."""
    return {"school": school, "kind": "school", "body": {"number": number}}


def event(school: str, text: str) -> dict[str, Any]:
    """An event."""
    return {"school": school, "kind": "notice", "body": {"severity": "amber", "text": text, "over": False}}


@dataclass
class LiveHub:
    """A hub that runs."""

    hub: Hub
    folder: Path

    @property
    def url(self) -> str:
        """Where sites find it."""
        assert self.hub.address is not None
        return f"https://127.0.0.1:{self.hub.address[1]}"

    def invite(self, site: str, *schools: str) -> str:
        """The secret of a ticket."""
        return hub_sites.invite(self.hub.database, site, schools=schools, label="", actor="test")

    async def site(self, name: str, *schools: str) -> SiteEnd:
        """A site that is enrolled."""
        end = SiteEnd(self, name, self.folder / name)
        secret = await asyncio.to_thread(self.invite, name, *schools)
        assert (await end.enrol(secret)).status == 200
        return end

    def stranger(self, name: str) -> SiteEnd:
        """A site that is not."""
        return SiteEnd(self, name, self.folder / name)


@asynccontextmanager
async def running(folder: Path, database: Database) -> AsyncIterator[LiveHub]:
    """A hub over a database, until the end of the block."""
    settings = settings_in(folder)
    authority.make(settings.kept, datetime.now(UTC))
    hub = Hub(settings, authority.read(settings.kept), database)
    await hub.start()
    try:
        yield LiveHub(hub, folder)
    finally:
        await hub.stop()
