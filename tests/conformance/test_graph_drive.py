"""The connector of drives passes the suite of all connectors: a OneDrive, and a folder in a library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Fields
from connectors.sandbox import Sandbox
from connectors.sandbox.drive_model import LIVE, Drive, Item
from tests.conformance.base import Bench, Conformance
from tests.connectors.graph.kit import application
from tests.connectors.graph_drive.kit import connector, owners, plant, provisioned
from tests.sandbox.plugin import MakeSandbox


class DriveBench:
    """Reads and changes the sandbox's own state, never through Graph."""

    kinds = ("folder", "file")
    label = {"folder": "name", "file": "name"}  # noqa: RUF012
    lossless = True

    def __init__(self, sandbox: Sandbox, drive: Drive, place: dict[str, str], *, directory: Path, folder: str) -> None:
        self.sandbox = sandbox
        self.drive = drive
        self.root = plant(sandbox, drive.root, folder, None) if folder else drive.root
        if folder:
            outside = plant(sandbox, drive.root, "not mirrored", None)
            plant(sandbox, outside, "neither.txt")
        self.connector = connector(sandbox, place, directory=directory, folder=folder or None)

    def sample(self, kind: str, number: int) -> Fields:
        return {"name": f"Übung {number}" if kind == "folder" else f"Übung {number}.txt"}

    async def make(self, kind: str, fields: Fields) -> str:
        content = None if kind == "folder" else f"content of {fields['name']}".encode()
        return plant(self.sandbox, self._folder(fields), str(fields["name"]), content).id

    def _folder(self, fields: Fields) -> Item:
        return self.drive.items[str(fields["parent"])] if fields.get("parent") else self.root

    async def change(self, anchor: str, fields: Fields) -> None:
        self.sandbox.service.drives.move(self.drive.items[anchor], self._folder(fields), str(fields["name"]), by="")
        self.sandbox.commit()

    async def delete(self, anchor: str) -> None:
        self.sandbox.service.drives.delete(self.drive.items[anchor])
        self.sandbox.commit()

    async def read(self, anchor: str) -> Fields | None:
        item = self.drive.items[anchor]
        if item.state != LIVE or item.parent is None:
            return None
        return {"name": item.name} if item.parent is self.root else {"name": item.name, "parent": item.parent.id}

    async def settle(self) -> None:
        return None


async def opened(make_sandbox: MakeSandbox, directory: Path, folder: str) -> AsyncIterator[Bench]:
    """A bench over a new sandbox."""
    sandbox = await make_sandbox(tls=True, applications=[application("Files.ReadWrite.All")])
    user, group = owners(sandbox)
    owner, kind = (group, "documentLibrary") if folder else (user, "business")
    place = {"group": group} if folder else {"user": user}
    bench = DriveBench(sandbox, provisioned(sandbox, owner, kind), place, directory=directory, folder=folder)
    yield bench
    await bench.connector.close()


class TestDrive(Conformance):
    refuses_stale = True

    @pytest.fixture
    async def bench(self, make_sandbox: MakeSandbox, tmp_path: Path) -> AsyncIterator[Bench]:
        async for bench in opened(make_sandbox, tmp_path, ""):
            yield bench


class TestFolderOfLibrary(Conformance):
    refuses_stale = True

    @pytest.fixture
    async def bench(self, make_sandbox: MakeSandbox, tmp_path: Path) -> AsyncIterator[Bench]:
        async for bench in opened(make_sandbox, tmp_path, "Klassentausch"):
            yield bench
