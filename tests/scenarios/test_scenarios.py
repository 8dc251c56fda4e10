"""Scenarios as data, played with the real engine and store: in memory, and between real ends in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.model import Side
from bridge.engine import cycle as engine_cycle
from tests.machines.rig import rig
from tests.scenarios.files import Files
from tests.scenarios.people import People
from tests.scenarios.play import scenarios

FILES = pytest.mark.parametrize("scenario", scenarios("files.yaml"), ids=lambda one: one["name"])
DIRECTIONS = pytest.mark.parametrize("mirror", [False, True], ids=["school", "cloud"])


@pytest.mark.parametrize(
    "scenario",
    [one for name in ("people", "writeback", "drift") for one in scenarios(f"{name}.yaml")],
    ids=lambda one: one["name"],
)
async def test_people(scenario: dict[str, Any]) -> None:
    with rig() as one:
        await People(one).play(scenario)


#: How the sides show the bytes of files: digests alone, or a share and a cloud.
SHOWN = {
    "digests": None,
    "share": {Side.SCHOOL: "unread", Side.CLOUD: "digest"},
}


@DIRECTIONS
@pytest.mark.parametrize(("shows", "batch"), [("share", 3), ("digests", 500)])
@FILES
async def test_files(
    scenario: dict[str, Any], batch: int, shows: str, mirror: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    possible(scenario, mirror=mirror)
    monkeypatch.setattr(engine_cycle, "BATCH", batch)
    with rig(shows=SHOWN[shows]) as one:
        one.threads = False
        await Files(one, one.hands).play(scenario, mirror=mirror)


@FILES
async def test_files_that_the_cloud_rewrites(scenario: dict[str, Any]) -> None:
    with rig(shows=SHOWN["share"]) as one:
        one.threads = False
        one.cloud_faults().rewrites = ("",)
        await Files(one, one.hands).play(scenario)


def possible(scenario: dict[str, Any], *, mirror: bool) -> None:
    """Skip what holds for one direction only."""
    if mirror and scenario.get("sided"):
        pytest.skip("what holds for one side only")
