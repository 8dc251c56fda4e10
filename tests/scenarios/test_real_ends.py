"""The same scenarios between real ends: a directory or a real Samba at the school, the sandbox's drive in the cloud."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from bridge.lab.file_server import FileServer
from tests.connectors.smb.conftest import file_server
from tests.machines.shares import drive, folder, mirrored, share
from tests.sandbox.plugin import MakeSandbox
from tests.scenarios.files import Files
from tests.scenarios.test_scenarios import DIRECTIONS, FILES, possible

__all__ = ["file_server"]


@DIRECTIONS
@FILES
async def test_folder_and_drive(
    scenario: dict[str, Any], mirror: bool, tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    possible(scenario, mirror=mirror)
    async with mirrored(folder(tmp_path), await drive(make_sandbox, tmp_path)) as one:
        await Files(one, one.hands).play(scenario, mirror=mirror)


@DIRECTIONS
@FILES
async def test_share_and_drive(
    scenario: dict[str, Any], mirror: bool, tmp_path: Path, make_sandbox: MakeSandbox, file_server: FileServer
) -> None:
    possible(scenario, mirror=mirror)
    place = tmp_path / f"Jörg {uuid.uuid4().hex[:8]}"
    async with mirrored(share(file_server, place), await drive(make_sandbox, place)) as one:
        await Files(one, one.hands).play(scenario, mirror=mirror)
