"""A sandbox with a OneDrive and a library, and connectors to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.graph_drive import DriveConnector
from connectors.sandbox import Sandbox
from connectors.sandbox.drive_model import Drive
from tests.connectors.graph.kit import application
from tests.connectors.graph_drive.kit import connector, owners, provisioned
from tests.sandbox.plugin import MakeSandbox


@dataclass
class Cloud:
    """``home`` is the user's OneDrive, ``library`` the group's."""

    sandbox: Sandbox
    user: str
    group: str
    home: Drive
    library: Drive

    def sent(self) -> int:
        """Requests that reached Graph."""
        return int(self.sandbox.counters()["requests"])


@pytest.fixture
async def cloud(make_sandbox: MakeSandbox) -> AsyncIterator[Cloud]:
    sandbox = await make_sandbox(tls=True, applications=[application("Files.ReadWrite.All")])
    user, group = owners(sandbox)
    yield Cloud(sandbox, user, group, provisioned(sandbox, user), provisioned(sandbox, group, "documentLibrary"))
    counters = sandbox.counters()
    assert counters.get("bearer tokens sent to the other host", 0) == 0
    assert counters.get("conflict behaviour left open", 0) == 0


@pytest.fixture
async def connect(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Callable[..., DriveConnector]]:
    """Open connectors: to the OneDrive, or with ``library=True`` to the library; all are closed."""
    opened: list[DriveConnector] = []

    def make(*, library: bool = False, **more: Any) -> DriveConnector:
        place = {"group": cloud.group} if library else {"user": cloud.user}
        opened.append(connector(cloud.sandbox, place, **{"directory": tmp_path / "index", **more}))
        return opened[-1]

    yield make
    for one in opened:
        await one.close()


@pytest.fixture
async def drive(connect: Callable[..., DriveConnector]) -> DriveConnector:
    return connect()
