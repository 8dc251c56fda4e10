"""Whose turn it is: first come, first served, and who is long at work gives way."""

from __future__ import annotations

import asyncio

from bridge.daemon.gate import SLICE, Gate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_who_is_long_at_work_lets_in_those_who_wait_and_stands_behind_them() -> None:
    clock, order = Clock(), list[str]()
    gate = Gate(1, clock)

    async def quick(name: str) -> None:
        async with gate.entered():
            order.append(name)

    async with gate.entered() as stay:
        waiting = [asyncio.create_task(quick(name)) for name in ("one", "two")]
        await asyncio.sleep(0)
        clock.now = SLICE - 1
        await stay.give_way()
        assert order == [], "not before its slice is over"
        clock.now = SLICE
        await stay.give_way()
        assert order == ["one", "two"]
        clock.now += SLICE
        await stay.give_way()
        order.append("alone again")
    await asyncio.gather(*waiting)
    async with asyncio.timeout(1), gate.entered():
        assert gate.waiting == 0


async def test_who_is_stopped_while_others_have_their_turn_gives_nothing_back_twice() -> None:
    clock = Clock()
    gate, inside = Gate(1, clock), asyncio.Event()

    async def long() -> None:
        async with gate.entered() as stay:
            inside.set()
            await asyncio.sleep(0)
            clock.now += SLICE
            await stay.give_way()

    task = asyncio.create_task(long())
    await inside.wait()
    async with gate.entered():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        late = asyncio.create_task(gate.take())
        await asyncio.sleep(0)
        assert not late.done(), "one at a time, still"
        assert gate.waiting == 1
    await late
    assert gate.waiting == 0
