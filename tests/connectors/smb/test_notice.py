"""The notice of a cutover on a share of another server, on a real Samba."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.lab.file_server import FileServer
from bridge.ports import NOTICE, Freezing, Refused, Unreachable
from tests.conformance.base import watch
from tests.connectors.smb.conftest import Rig, rig


@pytest.fixture
async def share(file_server: FileServer, tmp_path: Path) -> AsyncIterator[Rig]:
    async for one in rig(file_server, tmp_path):
        yield one


def port(share: Rig) -> Freezing:
    found = share.connector.capabilities.freezing
    assert found is not None
    return found


async def test_it_is_left_replaced_and_taken_away_and_never_mirrored(share: Rig) -> None:
    (share.folder / "a.txt").write_text("a")
    for text in ("Umgezogen in die Cloud.", "Moved: see the cloud. äöü"):
        await port(share).post(text)
        assert (share.folder / NOTICE).read_text("utf-8") == text
    assert {path.name for path in share.folder.iterdir()} == {"a.txt", NOTICE}
    seen = await watch(share.connector)
    assert len(seen.records) == 1
    for _ in range(2):
        await port(share).unpost()
        assert not (share.folder / NOTICE).exists()


async def test_freezing_is_left_to_a_person(share: Rig) -> None:
    for work in (port(share).freeze, port(share).thaw):
        with pytest.raises(Refused, match="by hand"):
            await work()


async def test_what_is_in_its_way_is_told_and_stays(share: Rig) -> None:
    (share.folder / NOTICE).mkdir()
    with pytest.raises(Unreachable, match=r"the notice .* can't be changed: the name is taken"):
        await port(share).post("Umgezogen")
    assert [path.name for path in share.folder.iterdir()] == [NOTICE]
    assert (share.folder / NOTICE).is_dir()
