"""How many ranges of a large file come down at a time, and that they are given on in order, whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from random import Random

import pytest

from bridge.ports import ContentChanged
from connectors.graph_drive import DriveConnector
from connectors.graph_drive.lanes import Lanes
from connectors.graph_drive.ranges import FAST, LEAST, LONG, MOST, PERIOD, SPAN, WIDEST, Ranges, Widths
from connectors.sandbox import content_door
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import plant
from tests.connectors.graph_drive.test_reading import read

CONTENT = bytes(range(251)) * 30_000


class Line:
    """A line that carries ``rate(width)`` bytes a second, in pieces of a fifth of a second."""

    def __init__(self, rate: Callable[[int], float]) -> None:
        self.now, self.rate = 0.0, rate
        self.widths = Widths(lambda: self.now)
        self.widths.enter()

    def runs(self, seconds: float) -> list[int]:
        """The widths that there were."""
        found = [self.widths.width]
        for _ in range(int(seconds * 5)):
            self.now += 0.2
            self.widths.came(int(self.rate(found[-1]) / 5))
            if self.widths.width != found[-1]:
                found.append(self.widths.width)
        return found


def test_a_line_that_loses_packets_gets_as_many_ranges_as_it_takes() -> None:
    line = Line(lambda width: min(250_000, 45_000 * width))
    assert line.runs(60) == [1, 2, 4, 8]
    assert line.widths.width == WIDEST
    assert LEAST <= line.widths.size(10**9) <= 400_000


def test_a_line_that_is_only_thin_gets_one_and_is_seldom_tried() -> None:
    line = Line(lambda _: 250_000)
    assert line.runs(60) == [1, 2, 1, 2, 1, 2, 1]
    assert line.widths.size(10**9) == MOST


def test_a_fast_line_gets_one_long_range() -> None:
    line = Line(lambda _: 20e6)
    assert line.runs(20) == [1]
    assert line.widths.size(50_000_000) == 50_000_000
    assert line.widths.size(10**12) == pytest.approx(20e6 * LONG, rel=0.1)
    line.rate = lambda width: 100_000 * width
    assert line.runs(PERIOD * 4)[-1] > 1, "it became slow"


@pytest.mark.parametrize("seed", range(20))
async def test_ranges_are_given_on_in_order_and_few_are_ahead(seed: int) -> None:
    random, content, clock = Random(seed), Random(seed).randbytes(9_000_000), [0.0]
    widths, lanes, running, most = Widths(lambda: clock[0]), Lanes(4), 0, 0
    widths.width, widths.rate = WIDEST, 300_000.0

    async def fetch(begin: int, end: int) -> AsyncGenerator[bytes, None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            while begin < end:
                await asyncio.sleep(random.choice([0, 0, 0.001]))
                stop = min(end, begin + random.randrange(1, 70_000))
                yield content[begin:stop]
                begin = stop
                ahead.append(begin - len(got))
        finally:
            running -= 1

    got, ahead = bytearray(), list[int]()
    start = random.choice([0, 12_345])
    ranges = Ranges(fetch, start=start, size=len(content), widths=widths, lanes=lanes, drive="d")
    async for chunk in ranges.chunks():
        got += chunk
        clock[0] += 0.001
    assert bytes(got) == content[start:]
    await asyncio.sleep(0)  # lanes are given back a moment after
    assert (running, lanes.running) == (0, 0)
    assert most == 4, "as many as there are lanes"
    assert max(ahead) <= SPAN + MOST


@pytest.mark.parametrize("after", [0, 3])
async def test_who_ends_in_the_middle_leaves_nothing_running(after: int) -> None:
    widths, lanes, broken = Widths(lambda: 0.0), Lanes(8), asyncio.Event()
    widths.width = WIDEST

    async def fetch(begin: int, end: int) -> AsyncGenerator[bytes, None]:
        for at in range(begin, end, 50_000):
            await asyncio.sleep(0)
            if broken.is_set() and begin:
                raise ConnectionError
            yield bytes(min(50_000, end - at))

    ranges = Ranges(fetch, start=0, size=40_000_000, widths=widths, lanes=lanes, drive="d")
    async with aclosing(ranges.chunks()) as stream:
        for _ in range(after):
            await anext(stream)
    await asyncio.sleep(0)
    assert (lanes.running, len(asyncio.all_tasks())) == (0, 1)
    broken.set()
    with pytest.raises(ConnectionError):
        async for _ in Ranges(fetch, start=0, size=40_000_000, widths=widths, lanes=lanes, drive="d").chunks():
            pass
    await asyncio.sleep(0)
    assert (lanes.running, len(asyncio.all_tasks())) == (0, 1)


async def test_other_drives_have_their_turns_between() -> None:
    widths, lanes, order = Widths(lambda: 0.0), Lanes(2), list[str]()

    async def fetch(begin: int, end: int) -> AsyncGenerator[bytes, None]:
        await asyncio.sleep(0.01)
        order.append("large")
        yield bytes(end - begin)

    async def small() -> None:
        async with lanes.lane("other"):
            order.append("small")

    async def large() -> None:
        ranges = Ranges(fetch, start=0, size=20 * MOST, widths=widths, lanes=lanes, drive="d")
        async for _ in ranges.chunks():
            pass

    widths.width = WIDEST
    going = asyncio.create_task(large())
    await asyncio.sleep(0.015)
    await small()
    assert order.index("small") <= 4
    await going


async def test_a_large_file_comes_whole_over_a_line_that_breaks(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    drive.shared.widths.width = WIDEST
    cloud.sandbox.faults.add("cut-download", count=9, after=300_000)
    assert await read(drive, item.id, item.e_tag) == CONTENT
    assert await read(drive, item.id, item.e_tag, 1_000_000) == CONTENT[1_000_000:]
    assert drive.shared.lanes.running == 0


async def test_a_large_file_that_changes_meanwhile_is_not_given(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    version = item.e_tag
    drive.shared.widths.width = 2
    contents = drive.capabilities.contents
    assert contents is not None
    chunks = contents.source(item.id, version).chunks(1)
    await anext(chunks)
    cloud.sandbox.service.drives.touch(item, by="")
    with pytest.raises(ContentChanged):
        b"".join([chunk async for chunk in chunks])


async def test_a_host_that_knows_no_ranges_is_asked_for_all(
    cloud: Cloud, drive: DriveConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    monkeypatch.setattr(content_door, "_wanted", lambda found, headers: (0, found.size, False))
    assert await read(drive, item.id, item.e_tag) == CONTENT
    assert cloud.sandbox.counters()["content requests"] == 2
    assert not drive.shared.widths.ranged


async def test_a_fast_line_is_asked_once_from_the_second_large_file_on(cloud: Cloud, drive: DriveConnector) -> None:
    item = plant(cloud.sandbox, cloud.home.root, "a.bin", CONTENT)
    drive.shared.widths.rate = FAST * 10
    assert await read(drive, item.id, item.e_tag) == CONTENT
    assert cloud.sandbox.counters()["content requests"] == 1
