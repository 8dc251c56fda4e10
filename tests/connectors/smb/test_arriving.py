"""A large content on its way into a share makes room for others, over connections of a real Samba."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.core.model import Action
from bridge.lab.file_server import FileServer
from bridge.ports import Failed, Outcome, Unreachable, Write, Written
from connectors.tree import arriving
from tests.conformance.base import watch, write
from tests.connectors.folder.conftest import digest_of
from tests.connectors.folder.test_arriving import CONTENT, FAR, Slow
from tests.connectors.smb.conftest import Rig, rig, start


@pytest.fixture
async def share(file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(arriving, "PATIENCE", 0.05)
    async for one in rig(file_server, tmp_path):
        yield one


async def apply(share: Rig, source: Slow, *, name: str = "film.mp4") -> Outcome:
    fields = {"parent": None, "name": name, "content": digest_of(source.content)}
    one = Write(name, "file", Action.CREATE, None, fields, content=source)
    return (await write(share.connector, dataclasses.replace(one, pause=lambda: True)))[name]


async def test_others_are_written_meanwhile_and_it_is_placed_when_it_is_there(share: Rig) -> None:
    await watch(share.connector)
    first = Slow(CONTENT, gate=FAR)
    outcome = await apply(share, first)
    assert isinstance(outcome, Failed)
    assert outcome.cause == "unfinished"
    assert isinstance(await apply(share, Slow(b"small"), name="klein.txt"), Written)
    seen = await watch(share.connector)
    assert [fields["name"] for fields in seen.records.values()] == ["klein.txt"]
    first.going.set()
    while isinstance(outcome, Failed) and outcome.cause == "unfinished":
        await asyncio.sleep(0.05)
        outcome = await apply(share, Slow(CONTENT))
    assert isinstance(outcome, Written), outcome
    assert first.starts == [0]
    assert (share.folder / "film.mp4").read_bytes() == CONTENT
    assert not list(share.folder.glob(".schoolbridge-part-*"))


async def test_a_server_that_went_away_meanwhile_costs_the_part_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", 0.05)
    with start() as server:
        async for share in rig(server, tmp_path):
            await watch(share.connector)
            first = Slow(CONTENT, gate=FAR)
            assert isinstance(await apply(share, first), Failed)
            server.outage()
            first.going.set()
            await asyncio.sleep(0.3)
            with pytest.raises(Unreachable):
                await apply(share, Slow(CONTENT))
            server.restart()
            outcome = await apply(share, Slow(CONTENT))
            while isinstance(outcome, Failed) and outcome.cause == "unfinished":
                outcome = await apply(share, Slow(CONTENT))
            assert isinstance(outcome, Written), outcome
            assert (share.folder / "film.mp4").read_bytes() == CONTENT
            await watch(share.connector)
            assert not list(share.folder.glob(".schoolbridge-part-*"))
