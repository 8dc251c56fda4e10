"""Four pupils whose first mirror takes long, and a fifth who saves one file: real folders, drives of the sandbox."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bridge.core.model import Side
from bridge.daemon import gate, wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.share_rows import ShareRow
from bridge.daemon.shares import AT_ONCE, Ground, Shares
from bridge.settings import load
from tests.daemon.live import Live

#: Files of each of those who come first.
MANY = 250


async def test_one_file_does_not_wait_for_the_thousands_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "SLICE", 0.2)
    world = Live(tmp_path, people=AT_ONCE + 1)
    try:
        text = world.school.school_file.read_text()
        # About a hundred files a second.
        world.school.school_file.write_text(text.replace("clock_scale: 100", "clock_scale: 12"))
        await asyncio.to_thread(world.school.start, "sync")  # the people; nobody has a home yet
        for number in range(AT_ONCE + 1):
            home = world.home(f"anna{number}")
            for file in range(MANY if number < AT_ONCE else 0):
                (home / f"{file:03}.txt").write_text(f"{number} {file}")
        await _mirrored(world)
    finally:
        world.stop()


async def _mirrored(world: Live) -> None:
    settings = load(world.school.config, Catalog())
    with wiring.database(settings, create=False) as database:
        shares = Shares(Ground(settings, Catalog(), settings.schools[0], database), {"homes": ShareRow()})
        await shares.refresh()
        try:
            first = [world.account(f"anna{number}") for number in range(AT_ONCE)]
            await _until(lambda: all(world.drives.tree(user) for user in first))
            (world.home("anna4") / "Referat.odt").write_text("morgen dran")
            shares.wake(Side)
            await _until(lambda: "Referat.odt" in world.drives.tree(world.account("anna4")))
            done = [len(world.drives.tree(user)) for user in first]
            assert sum(done) < 0.9 * AT_ONCE * MANY, f"he waited until nearly everything was through: {done}"
            await _until(lambda: all(len(world.drives.tree(user)) == MANY for user in first))
        finally:
            await shares.stop()


async def _until(probe: object) -> None:
    end = time.monotonic() + 90
    while not await asyncio.to_thread(probe):  # type: ignore[arg-type]
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.1)
