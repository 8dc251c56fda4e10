"""The gate ``counts`` and those who are in the cloud by Entra Connect: from the cloud's answer to the verdict."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.core.gates import FAIL, PASS, Measured
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.measuring import people
from bridge.daemon.shares import Ground
from bridge.engine.bridged import silent
from bridge.ports import Mastered, Observation, Page, Refused
from bridge.settings import load
from bridge.state.equality import Equality, compare
from connectors.memory import MemoryConnector
from tests.connectors.graph.test_authority import ALL
from tests.daemon.embedded import Embedded, person
from tests.daemon.test_cloud_authority import Desk
from tests.daemon.test_cloud_authority import desk as desk
from tests.machines.rig import CODE
from tests.sandbox.plugin import MakeSandbox


async def test_the_gate_counts_takes_them_for_there_until_a_group_of_theirs_is_another_one(
    desk: Desk, make_sandbox: MakeSandbox
) -> None:
    await desk.cloud(make_sandbox, *ALL)
    port = desk.graph.capabilities.authority
    assert counted(await people.with_mastered(desk.database, CODE, compare(desk.database, CODE), None)).result == FAIL
    gate = counted(await people.with_mastered(desk.database, CODE, compare(desk.database, CODE), port))
    assert (gate.result, gate.numbers["users_mastered"], gate.numbers["groups_mastered"]) == (PASS, 25, 1)
    whole = {"sid": "S-1-5-21-1-2-3-500", "display_name": "5a", "members": frozenset({"a1", "a2"})}
    desk.store.fold(Side.SCHOOL, Page((Observation("group", "g", "2", whole),), token="2"), now=datetime.now(UTC))
    gate = counted(await people.with_mastered(desk.database, CODE, compare(desk.database, CODE), port))
    assert (gate.result, gate.numbers["memberships_missing"]) == (FAIL, 2)


async def test_a_cloud_that_does_not_say_who_is_mastered_leaves_them_missing(
    desk: Desk, make_sandbox: MakeSandbox
) -> None:
    await desk.cloud(make_sandbox, *ALL)

    class Silent:
        async def mastered(self) -> Any:
            raise Refused("Graph refuses it")

    port: Any = Silent()
    gate = counted(await people.with_mastered(desk.database, CODE, compare(desk.database, CODE), port))
    assert (gate.result, gate.numbers["users_only_school"]) == (FAIL, 25)
    assert gate.found.endswith("could not be asked: Graph refuses it")


def counted(found: tuple[Equality, str]) -> Measured:
    """The gate, of both sides that were read to their end."""
    seen = people.People(listed=frozenset(Side), equality=found[0], unasked=found[1])
    return people.counts(seen, datetime.now(UTC))


def test_measuring_asks_the_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command to the gate: what the bridge can't write is in the cloud already."""

    class Theirs:
        async def mastered(self) -> list[Mastered]:
            return [Mastered("X", "user", "S-7")]

        async def members(self, groups: Any) -> dict[str, frozenset[str]]:
            assert list(groups) == []
            return {}

    school = Embedded(tmp_path)
    school.fill(2)
    assert school.run("sync").code == 0
    with school.school.changing() as side:
        side.create("user", {**person(7), "sid": "S-7"})
    settings = load(school.config, Catalog())
    with wiring.database(settings, create=False) as database:
        ground = Ground(settings, Catalog(), settings.schools[0], database)
        assert counted((asyncio.run(people.look(ground, silent)).equality, "")).result == FAIL
        real = MemoryConnector.capabilities.fget
        assert real is not None
        monkeypatch.setattr(
            MemoryConnector, "capabilities", property(lambda self: replace(real(self), authority=Theirs()))
        )
        found = asyncio.run(people.look(ground, silent)).equality.kinds["user"]
    assert (found.both, found.only_school, found.mastered) == (2, 0, 1)
