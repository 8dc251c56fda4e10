"""What may be spent: units a minute and a day, kept over a restart, gigabytes an hour; and who hears of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.ports import Spent, Written
from connectors.bandwidth import Bandwidth
from connectors.graph.budget import Cost
from connectors.graph_drive import DriveConnector
from connectors.graph_drive import shared as registry
from connectors.graph_drive.budget import FileBudget
from connectors.graph_drive.day import DAY, FLUSH, SLOT, Day
from connectors.graph_drive.options import FileBudgets
from connectors.graph_drive.volume import GIGABYTE, HOUR, Volumes
from tests.connectors.graph.kit import Timeline, context
from tests.connectors.graph_drive.conftest import Cloud
from tests.connectors.graph_drive.kit import Bytes, Clock, new_file, options, outcomes, pages, plant

Connect = Callable[..., DriveConnector]
BEGAN = datetime(2026, 11, 24, 6, tzinfo=UTC)


def budget(clock: Clock, **more: object) -> FileBudget:
    return FileBudget(FileBudgets.model_validate({"share": 1, **more}), monotonic=clock.now, sleep=clock.sleep)


async def test_a_minute_and_a_day_are_kept() -> None:
    clock = Clock()
    spending = budget(clock, minute=20, day=100)
    for _ in range(10):
        async with spending.spend(Cost(2)):
            pass
    assert clock.time == 0
    async with spending.spend(Cost(2)):
        pass
    assert clock.time >= 60, "the minute was spent"
    for _ in range(39):
        async with spending.spend(Cost(2)):
            pass
    assert clock.time < 86_400
    with pytest.raises(Spent, match="100 units a day") as caught:
        async with spending.spend(Cost(2)):
            pass
    assert caught.value.retry_after is not None
    assert clock.time < 86_400, "nobody sleeps a day away"
    clock.time += caught.value.retry_after
    async with spending.spend(Cost(2)):
        pass
    assert clock.time >= 86_400, "the day was spent"


async def test_what_is_nearly_used_up_is_left() -> None:
    clock = Clock()
    clock.time = 100.0
    spending = budget(clock)
    spending.limited({"ratelimit-limit": "1250", "ratelimit-remaining": "200", "ratelimit-reset": "40"})
    await spending.rest()
    assert clock.time == 100
    assert spending.factor < 1
    spending.limited({"ratelimit-limit": "1250", "ratelimit-remaining": "10", "ratelimit-reset": "40"})
    await spending.rest()
    assert clock.time == 140


async def test_a_long_rest_is_told_and_a_short_one_is_slept_through() -> None:
    clock = Clock()
    spending = budget(clock)
    spending.pause(60)
    await spending.rest()
    assert clock.time == 60
    spending.pause(600)
    for waiting in (spending.rest(), spending.spend(Cost(1)).__aenter__()):
        with pytest.raises(Spent, match="asked for a rest") as caught:
            await waiting
        assert caught.value.retry_after == 600
    assert clock.time == 60


# --- over a restart -------------------------------------------------------------------------------------------------


class Life:
    """One process after the other: the monotonic clock begins anew with each, the wall's goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wall = BEGAN
        self.clock = Clock()

    def day(self) -> Day:
        self.clock = Clock()
        begun = self.wall
        return Day(self.path, monotonic=self.clock.now, clock=lambda: begun + timedelta(seconds=self.clock.time))

    def passes(self, seconds: float) -> None:
        self.clock.time += seconds
        self.wall += timedelta(seconds=seconds)


def test_a_restart_does_not_give_the_day_back(tmp_path: Path) -> None:
    life = Life(tmp_path / "common" / "day.sqlite")
    first = life.day()
    first.add(70)
    life.passes(7200)
    first.add(30)
    first.close()
    life.passes(60)
    second = life.day()
    assert second.spent == 100
    wait = second.wait(10, limit=100)
    assert DAY - 7260 <= wait <= DAY - 7260 + 2 * SLOT, "the first 70 come free a day after they were spent"
    assert second.wait(80, limit=100) >= DAY - 60, "and all of them later"
    life.passes(wait)
    assert second.wait(10, limit=100) == 0
    assert second.spent == 30
    assert life.path.stat().st_mode & 0o777 == 0o600


def test_kill_9_forgets_a_few_seconds_only(tmp_path: Path) -> None:
    life = Life(tmp_path / "day.sqlite")
    killed = life.day()
    for _ in range(100):
        killed.add(1)
        life.passes(1)
    assert 100 - FLUSH - 1 <= life.day().spent <= 100  # ``killed`` was never closed


def test_processes_count_together(tmp_path: Path) -> None:
    clock = Clock()
    told = {"monotonic": clock.now, "clock": lambda: BEGAN + timedelta(seconds=clock.time)}
    one, two = (Day(tmp_path / "day.sqlite", **told) for _ in range(2))
    one.add(40)
    two.add(50)
    clock.time += FLUSH
    two.add(1)
    one.add(1)
    assert one.spent == 92
    two.close()
    one.close()
    assert Day(tmp_path / "day.sqlite", **told).spent == 92


def test_a_clock_that_was_wrong_does_not_stop_us_for_years(tmp_path: Path) -> None:
    life = Life(tmp_path / "day.sqlite")
    life.wall += timedelta(days=3000)
    wrong = life.day()
    wrong.add(100)
    wrong.close()
    life.wall -= timedelta(days=3000)
    assert life.day().spent == 0


def test_a_broken_file_is_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "day.sqlite"
    path.write_bytes(b"no database " * 100)
    day = Life(path).day()
    day.add(3)
    assert day.spent == 3
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("create table x (y)")
        day = Life(path).day()
        other.execute("insert into x values (1)")
        other.commit()
        other.execute("begin exclusive")
        day.add(3)  # locked by somebody
        assert day.spent == 3
        other.rollback()
    day.close()
    assert Life(path).day().spent == 3


async def test_drives_of_a_tenant_share_the_day_over_a_restart(cloud: Cloud, tmp_path: Path) -> None:
    plant(cloud.sandbox, cloud.home.root, "a.txt")
    spent = []
    for _ in range(2):
        doors = replace(context(Timeline(), directory=tmp_path / "index"), common=tmp_path / "common")
        both = [options(cloud.sandbox, place) for place in ({"user": cloud.user}, {"group": cloud.group})]
        drives = [DriveConnector(one, doors, shared=registry.enter(one, doors), line=Bandwidth()) for one in both]
        for drive in drives:
            await pages(drive)
        spent.append(drives[0].shared.client.budget.today)
        for drive in drives:
            await drive.close()
    assert spent[1] == 2 * spent[0] > 0
    assert len(list((tmp_path / "common").glob("file-budget-*.sqlite"))) == 1


# --- who hears of it ------------------------------------------------------------------------------------------------


async def test_a_spent_day_ends_reading_and_writing_at_once(cloud: Cloud, connect: Connect) -> None:
    drive = connect(file_budgets={"day": 20, "share": 1})
    await pages(drive)
    drive.shared.client.budget.day.add(20)
    with pytest.raises(Spent, match="20 units a day") as caught:
        await pages(drive)
    assert caught.value.retry_after
    assert caught.value.retry_after > 80_000
    for writes in ([new_file("a.txt", b"a")], [new_file(f"{n}.txt", b"a") for n in range(30)]):
        with pytest.raises(Spent):
            await outcomes(drive, *writes)
    assert not cloud.home.root.children
    contents = drive.capabilities.contents
    assert contents is not None
    with pytest.raises(Spent):
        [_ async for _ in contents.source("x", "").chunks()]
    assert drive.shared.lanes.running == 0


async def test_an_upload_that_met_a_long_rest_goes_on_later(cloud: Cloud, connect: Connect) -> None:
    drive = connect()
    content = bytes(range(250)) * 6000
    source = Bytes(content)
    sessions, budget = cloud.sandbox.service.drives.sessions, drive.shared.client.budget

    async def rest_later() -> None:
        while not any(session.received for session in sessions.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        budget.pause(3600)

    cloud.sandbox.faults.add("slow", method="PUT", path="_upload", count=None, seconds=0.03)
    resting = asyncio.create_task(rest_later())
    with pytest.raises(Spent):
        await outcomes(drive, new_file("a.bin", source))
    await resting
    budget._paused_until = 0.0
    cloud.sandbox.faults.rules.clear()
    found = (await outcomes(drive, new_file("a.bin", source)))["a.bin"]
    assert isinstance(found, Written)
    assert len(sessions) == 1, "the same session"


# --- gigabytes an hour ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "limit"), [("up", 50), ("down", 100)])
async def test_no_hour_moves_more_than_its_share(direction: str, limit: float) -> None:
    clock = Clock()
    clock.time = 10 * HOUR
    moved: list[tuple[float, float]] = []
    for restarted in (False, True):  # the worst case: all that was saved up, and again after a restart
        volumes = Volumes(FileBudgets.model_validate({"share": 0.8}), monotonic=clock.now, sleep=clock.sleep)
        line, until = volumes.metered("/users/u/drive", Bandwidth()), clock.time + HOUR / 2
        while clock.time < until:
            await line.take(direction, 100_000_000)  # type: ignore[arg-type]
            moved.append((clock.time, 0.1))
        assert restarted or moved
    total = sum(amount for _, amount in moved)
    assert 0.9 * 0.8 * limit < total <= 0.8 * limit + 0.3


async def test_all_drives_together_move_no_more_than_the_tenants_share() -> None:
    clock = Clock()
    clock.time = 10 * HOUR
    begun = clock.time
    budgets = FileBudgets.model_validate({"share": 1, "hour_all": 4})
    volumes = Volumes(budgets, monotonic=clock.now, sleep=clock.sleep)
    lines = [volumes.metered(f"/users/{n}/drive", Bandwidth()) for n in range(20)]

    async def fill(n: int) -> None:
        for _ in range(20):
            await lines[n].take("down" if n % 2 else "up", int(0.01 * GIGABYTE))

    await asyncio.gather(*(fill(n) for n in range(20)))
    hours = (clock.time - begun) / HOUR
    assert (4 - 0.5) / 3 - 0.01 <= hours <= (4 - 0.5) / 3 + 0.01, "4 GB: half a one was saved up"


async def test_downloads_hold_a_lane(cloud: Cloud, connect: Connect) -> None:
    drive = connect(parallel=2)
    planted = [plant(cloud.sandbox, cloud.home.root, f"f{n}", b"x" * 300_000) for n in range(6)]
    contents, most = drive.capabilities.contents, 0
    assert contents is not None

    async def read(key: str, version: str) -> None:
        nonlocal most
        async for _ in contents.source(key, version).chunks():
            most = max(most, drive.shared.lanes.running)
            await asyncio.sleep(0)

    await asyncio.gather(*(read(one.id, one.e_tag) for one in planted))
    assert (most, drive.shared.lanes.running) == (2, 0)
    stream = contents.source(planted[0].id, "").chunks()
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert drive.shared.lanes.running == 0, "a reader that stops gives it back"
