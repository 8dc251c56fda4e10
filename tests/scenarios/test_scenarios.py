"""Scenarios as data, played over memory connectors with the real engine and store."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.model import Side
from bridge.engine import cycle as engine_cycle
from tests.machines.rig import rig
from tests.scenarios.play import Player, scenarios


@pytest.mark.parametrize("scenario", scenarios("people.yaml"), ids=lambda one: one["name"])
async def test_people(scenario: dict[str, Any]) -> None:
    with rig() as one:
        await Player(one).play(scenario)


#: How the sides show the bytes of files: digests alone, or a share and a cloud.
SHOWN = {
    "digests": None,
    "share": {Side.SCHOOL: "unread", Side.CLOUD: "digest"},
}


@pytest.mark.parametrize("mirror", [False, True], ids=["school", "cloud"])
@pytest.mark.parametrize(("shows", "batch"), [("share", 3), ("digests", 500)])
@pytest.mark.parametrize("scenario", scenarios("files.yaml"), ids=lambda one: one["name"])
async def test_files(
    scenario: dict[str, Any], batch: int, shows: str, mirror: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mirror and scenario.get("sided"):
        pytest.skip("what holds for one side only")
    monkeypatch.setattr(engine_cycle, "BATCH", batch)
    with rig(shows=SHOWN[shows]) as one:
        one.threads = False
        await Player(one).play(scenario, mirror=mirror)


@pytest.mark.parametrize("scenario", scenarios("files.yaml"), ids=lambda one: one["name"])
async def test_files_that_the_cloud_rewrites(scenario: dict[str, Any]) -> None:
    with rig(shows=SHOWN["share"]) as one:
        one.threads = False
        one.cloud_faults().rewrites = ("",)
        await Player(one).play(scenario)
