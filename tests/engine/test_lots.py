"""Outcomes are taken many at a time, none is held back long, and none is lost when something breaks."""

from __future__ import annotations

import asyncio

import pytest

from bridge.engine.lots import Lots


async def test_as_many_as_wanted_and_the_rest_at_the_end() -> None:
    taken: list[list[int]] = []

    async def take(some: list[int]) -> None:
        taken.append(some)

    async with Lots(take, size=3) as lots:
        for number in range(7):
            await lots.add(number)
    assert taken == [[0, 1, 2], [3, 4, 5], [6]]


async def test_the_rest_is_taken_when_the_work_breaks_off() -> None:
    taken: list[int] = []

    async def take(some: list[int]) -> None:
        taken.extend(some)

    async def work() -> None:
        async with Lots(take, size=3) as lots:
            await lots.add(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await work()
    assert taken == [1]


async def test_what_waits_is_taken_after_a_while() -> None:
    taken: asyncio.Queue[list[int]] = asyncio.Queue()
    async with Lots(taken.put, size=3, seconds=0.001) as lots:
        await lots.add(1)
        assert await taken.get() == [1]
    assert taken.empty()


async def test_an_error_in_the_meantime_is_not_swallowed() -> None:
    tried = asyncio.Event()

    async def take(some: list[int]) -> None:
        tried.set()
        raise RuntimeError("the disk is full")

    async def work() -> None:
        async with Lots(take, size=3, seconds=0.001) as lots:
            await lots.add(1)
            await tried.wait()

    with pytest.raises(RuntimeError, match="disk"):
        await work()


async def test_what_is_being_taken_when_the_work_is_cancelled_is_taken_to_its_end() -> None:
    begun, go_on, taken = asyncio.Event(), asyncio.Event(), list[int]()

    async def take(some: list[int]) -> None:
        begun.set()
        await go_on.wait()
        taken.extend(some)

    async def work() -> None:
        async with Lots(take, size=3, seconds=0.001) as lots:
            await lots.add(1)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert taken == [1]
