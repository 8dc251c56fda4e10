"""People on both sides at random, a real Samba and the sandbox with faults: it settles, and the cloud's word counts."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from bridge.core.model import Side
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import SchoolSize, draw_school
from tests.connectors.active_directory.writing import delegate
from tests.machines.both_ways import Both, both_ways
from tests.sandbox.plugin import MakeSandbox

pytestmark = pytest.mark.samba
_SCHOOL = SchoolSize(pupils=40, teachers=6, staff=2, leavers=0, newcomers=0, classes_per_year=1, groups=20)


async def play(both: Both, steps: int, *, checks: int) -> None:
    """Steps with a cycle now and then; ``checks`` times everything has to come to rest and be right."""
    await both.cut_over()
    assert both.wrong() == []
    done: list[str] = []
    for number in range(steps):
        done.append(await both.step())
        if both.random.random() < 0.15:
            await both.cycle()
        if (number + 1) % max(1, steps // checks) == 0:
            await both.settle()
            if wrong := both.wrong():
                pytest.fail("\n".join([f"after step {number}: {' '.join(done[-60:])}", *wrong]))
    await quiet(both)


async def quiet(both: Both) -> None:
    """Ten cycles more write nothing, on either side."""
    writes = {Side.CLOUD: both.cloud.counters()["PATCH"], Side.SCHOOL: usn(both.server)}
    for _ in range(10):
        both.engine.pass_(hours=1)
        report = await both.cycle()
        assert not report.executed, report.counts()
    assert {Side.CLOUD: both.cloud.counters()["PATCH"], Side.SCHOOL: usn(both.server)} == writes
    assert both.engine.store.verify().ok


def usn(server: SchoolServer) -> str:
    """How far the directory is; a logon of ours may not count, a write would."""
    newest = max(
        int(one.text("uSNChanged") or 0) for one in server.find("(objectClass=*)", ("uSNChanged",), server.layout.root)
    )
    return str(newest)


def school(samba_dc: Callable[..., SchoolServer]) -> SchoolServer:
    server = samba_dc(school=draw_school(1, _SCHOOL))
    delegate(server, "--units")
    return server


async def test_people_both_ways(samba_dc: Callable[..., SchoolServer], make_sandbox: MakeSandbox) -> None:
    async with both_ways(school(samba_dc), make_sandbox, seed=7) as both:
        await play(both, 120, checks=3)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chunk", range(4))
async def test_people_both_ways_soak(
    samba_dc: Callable[..., SchoolServer], make_sandbox: MakeSandbox, chunk: int
) -> None:
    """10,000 steps in four schools; the seed is printed."""
    seed = int(os.environ.get("SCHOOLBRIDGE_SEED", random.SystemRandom().randrange(10**6))) + chunk
    print(f"SCHOOLBRIDGE_SEED={seed - chunk}")
    async with both_ways(school(samba_dc), make_sandbox, seed=seed) as both:
        await play(both, 2500, checks=50)
