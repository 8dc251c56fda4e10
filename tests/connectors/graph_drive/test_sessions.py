"""Upload sessions are made 20 in one request and shortly before they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bridge.core.model import Action
from bridge.ports import Write
from connectors.graph.answers import Answer
from connectors.graph_drive.jobs import Job
from connectors.graph_drive.place import Spot
from connectors.graph_drive.sessions import AHEAD, Sessions


def _jobs(number: int) -> list[Job]:
    spot = Spot(drive="d", root="r", folder="f")
    return [Job.of(Write(id=str(one), kind="file", action=Action.CREATE, anchor=None), spot) for one in range(number)]


class Service:
    """Answers when it is let; ``asked`` are the jobs of each request."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.free = asyncio.Event()

    async def make(self, jobs: Sequence[Job]) -> dict[str, Answer]:
        self.asked.append([job.write.id for job in jobs])
        await self.free.wait()
        return {job.write.id: Answer(200, {"uploadUrl": job.write.id}) for job in jobs}


async def test_no_more_are_asked_for_than_will_be_needed_soon() -> None:
    service, jobs = Service(), _jobs(200)
    service.free.set()
    sessions = Sessions(service.make, jobs)
    for place, job in enumerate(jobs):
        answer = await sessions.of(job)
        assert answer is not None
        assert answer.body == {"uploadUrl": job.write.id}
        await asyncio.sleep(0)
        assert len(service.asked) == min(10, place // 20 + 1 + AHEAD)
    assert [one for lot in service.asked for one in lot] == [job.write.id for job in jobs], "each once, in their order"
    assert await sessions.of(_jobs(201)[200]) is None, "none was to be made"


async def test_who_gives_up_does_not_take_the_session_of_others() -> None:
    service, jobs = Service(), _jobs(2)
    sessions = Sessions(service.make, jobs)
    first, second = (asyncio.create_task(sessions.of(job)) for job in jobs)
    await asyncio.sleep(0)
    first.cancel()
    service.free.set()
    answer = await second
    assert answer is not None
    assert answer.body == {"uploadUrl": "1"}


async def test_closed_nothing_is_left_behind() -> None:
    service, jobs = Service(), _jobs(50)
    sessions = Sessions(service.make, jobs)
    waits = asyncio.create_task(sessions.of(jobs[0]))
    await asyncio.sleep(0)
    sessions.close()
    with pytest.raises(asyncio.CancelledError):
        await waits
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
