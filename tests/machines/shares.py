"""A mirrored root with real ends: a directory or a share of a real Samba here, a drive of the sandbox there."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.core.model import Side
from bridge.core.policy import Policy
from bridge.lab.file_server import FileServer
from bridge.ports import Connector
from connectors.folder import FolderConnector
from connectors.folder import Options as FolderOptions
from connectors.sandbox import Sandbox
from connectors.smb import SmbConnector
from tests.conformance.base import context
from tests.connectors.graph.kit import application
from tests.connectors.graph_drive.kit import connector, user_of
from tests.connectors.smb.conftest import options, smb_context
from tests.machines.hands import DiskHands, DriveHands, Hands
from tests.machines.rig import Ends
from tests.sandbox.plugin import MakeSandbox


class Shares(Ends):
    """``hands``: people at both ends, who work on the disk and in the drive themselves."""

    def __init__(
        self, connectors: Mapping[Side, Connector], hands: Mapping[Side, Hands], *, policy: Policy | None = None
    ) -> None:
        super().__init__(connectors, policy=policy)
        self.hands = hands

    def tree(self, side: Side) -> dict[str, object]:
        """Path -> bytes, None for a folder."""
        return dict(self.hands[side].tree())


def folder(place: Path) -> tuple[Connector, Path]:
    """A directory below ``place`` and the connector to it; every look at it is a scan."""
    root = place / "base" / "root"
    root.mkdir(parents=True, exist_ok=True)
    wanted = FolderOptions(base=place / "base", root="root", quiet_seconds=0, watch=False)
    return FolderConnector(wanted, dataclasses.replace(context(), directory=place / "index")), root


def share(server: FileServer, place: Path) -> tuple[Connector, Path]:
    """A folder of the server's share and the connector to it; every look at it lists it."""
    root = server.share("daten") / place.name
    root.mkdir()
    return SmbConnector(options(server, place.name, watch=False), smb_context(place / "index")), root


async def drive(make_sandbox: MakeSandbox, place: Path) -> tuple[Connector, DriveHands]:
    """A new sandbox with one OneDrive, and the connector to it."""
    return drive_in(await make_sandbox(tls=True, applications=[application("Files.ReadWrite.All")]), place)


def drive_in(sandbox: Sandbox, place: Path, name: str = "1") -> tuple[Connector, DriveHands]:
    """A new user of a sandbox with his OneDrive, and the connector to it."""
    user = user_of(sandbox, name)
    path = f"/personal/u{name}"
    drive = sandbox.service.drives.provision(user, kind="business", name="OneDrive", web_path=path, delay=0.0)
    sandbox.commit()
    return connector(sandbox, {"user": user}, directory=place / "drive"), DriveHands(sandbox, drive)


@asynccontextmanager
async def mirrored(
    school: tuple[Connector, Path], cloud: tuple[Connector, DriveHands], *, policy: Policy | None = None
) -> AsyncIterator[Shares]:
    """Both ends and the bridge between them, closed at the end."""
    ends = {Side.SCHOOL: school[0], Side.CLOUD: cloud[0]}
    one = Shares(ends, {Side.SCHOOL: DiskHands(school[1]), Side.CLOUD: cloud[1]}, policy=policy)
    try:
        yield one
    finally:
        one.close()
        for end in ends.values():
            await end.close()
