"""A file server for the tests of this folder, and connectors to it."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.lab.file_server import PASSWORD, USER, FileServer
from bridge.lab.processes import Unavailable
from bridge.ports import Context
from connectors.smb import Options, SmbConnector
from connectors.smb.line import CREATE, DELETE, DELETE_ON_CLOSE, FILE, Line
from tests.conformance.base import context


def start(**wishes: Any) -> FileServer:
    try:
        return FileServer.start(**wishes)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def file_server() -> Iterator[FileServer]:
    """Shared by the session; each test has a folder of its own in the share ``daten``. Nobody stops it."""
    with start() as server:
        yield server


def smb_context(directory: Path | None = None) -> Context:
    return dataclasses.replace(context(), secret=lambda _: PASSWORD.encode(), directory=directory)


def options(server: FileServer, root: str, **more: Any) -> Options:
    return Options(
        server=server.ip, port=server.port, share="daten", root=root, username=USER, password="credential:smb",
        **{"quiet_seconds": 0, "connections": 2, **more},
    )  # fmt: skip


@dataclasses.dataclass
class Rig:
    """A connector, the folder behind it, and a line of somebody else who works in the same folder."""

    server: FileServer
    connector: SmbConnector
    folder: Path
    line: Line

    async def told(self) -> None:
        """Wait until the server has told the watch of everything up to now: what is done now is told after it."""
        name = f".schoolbridge-fence-{uuid.uuid4().hex}"
        await asyncio.sleep(0)
        with self.line.opened(name, access=DELETE, disposition=CREATE, options=FILE | DELETE_ON_CLOSE):
            pass
        for _ in range(3000):
            watch = self.connector.storage.watch
            if watch is None or not watch.alive or name in watch.heard:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the server told nothing")


async def rig(server: FileServer, tmp_path: Path, **more: Any) -> AsyncIterator[Rig]:
    root = f"Jörg {uuid.uuid4().hex[:8]}"
    folder = server.share("daten") / root
    folder.mkdir()
    wanted = options(server, root, **more)
    connector = SmbConnector(wanted, smb_context(tmp_path / "index"))
    line = Line(wanted, PASSWORD)
    yield Rig(server, connector, folder, line)
    await connector.close()
    line.close()
