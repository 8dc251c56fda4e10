"""Scenarios as data, played over memory connectors with the real engine and store."""

from __future__ import annotations

from typing import Any

import pytest

from tests.machines.rig import rig
from tests.scenarios.play import Player, scenarios


@pytest.mark.parametrize("scenario", scenarios("people.yaml"), ids=lambda one: one["name"])
async def test_people(scenario: dict[str, Any]) -> None:
    with rig() as one:
        await Player(one).play(scenario)


@pytest.mark.parametrize("mirror", [False, True], ids=["school", "cloud"])
@pytest.mark.parametrize("scenario", scenarios("files.yaml"), ids=lambda one: one["name"])
async def test_files(scenario: dict[str, Any], mirror: bool) -> None:
    with rig() as one:
        await Player(one).play(scenario, mirror=mirror)
