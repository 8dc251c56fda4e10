"""What systemd's watchdog is fed by: a slow side is no reason to start anew, a dead schedule is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridge.core.model import Side
from bridge.daemon.pulse import Pulse
from bridge.daemon.watched import Life, Watched
from bridge.engine.bridged import Bridged, Progress, Report

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Fake:
    """``deaths``: at how many beats from now its task is found dead."""

    deaths: int = 0
    bug: bool = False

    def revive(self) -> bool:
        if self.bug:
            raise TypeError("a bug")
        self.deaths -= 1
        return self.deaths >= 0


@dataclass
class Schedule:
    due: datetime | None = NOW
    woken: list[str] = field(default_factory=list)

    def pulse(self) -> Pulse:
        return Pulse(lambda: self.due, lambda: self.woken.append("woken"))


def test_who_lives_is_fed_and_who_died_once_is_begun_anew() -> None:
    pulse = Schedule().pulse()
    schools = {"1": Fake(), "2": Fake(deaths=1)}
    assert [pulse.trouble(schools, NOW) for _ in range(3)] == ["", "", ""]


def test_one_school_that_always_dies_does_not_end_the_others() -> None:
    pulse = Schedule().pulse()
    for hopeless in (Fake(deaths=99), Fake(bug=True)):
        schools = {"1": Fake(), "2": hopeless}
        assert [pulse.trouble(schools, NOW) for _ in range(3)] == ["", "", ""]


def test_where_all_die_again_and_again_systemd_has_to_start_anew() -> None:
    pulse = Schedule().pulse()
    schools = {"1": Fake(deaths=99), "2": Fake(bug=True)}
    assert pulse.trouble(schools, NOW) == ""
    assert "every school" in pulse.trouble(schools, NOW)


def test_a_schedule_that_is_late_is_woken_and_given_up_when_it_stays_so() -> None:
    schedule = Schedule()
    pulse = schedule.pulse()
    later = NOW + timedelta(minutes=5)
    assert pulse.trouble({"1": Fake()}, later) == ""
    assert schedule.woken == ["woken"]
    assert "stands still" in pulse.trouble({"1": Fake()}, later)
    schedule.due = later  # as after a clock that was set: woken, it went on
    assert pulse.trouble({"1": Fake()}, later) == ""


def test_a_daemon_without_schools_or_schedule_lives() -> None:
    assert Pulse(lambda: None, lambda: None).trouble({}, NOW) == ""


async def test_a_task_that_was_cancelled_by_something_inside_is_begun_anew() -> None:
    failed: list[str] = []
    opened = 0

    @asynccontextmanager
    async def opening(progress: Progress) -> AsyncIterator[Bridged]:
        nonlocal opened
        opened += 1
        raise asyncio.CancelledError
        yield

    async def turn(one: Bridged, sides: frozenset[Side], full: bool) -> Report:
        raise AssertionError

    one = Watched("school 0123", Life(opening, turn, lambda *_: None, failed.append, lambda _: None))
    assert not one.revive(), "what was never begun is not begun by this"
    one.start()
    for count in (1, 2):
        assert one._task is not None
        await asyncio.wait({one._task})
        assert opened == count
        assert one.revive()
        assert len(failed) == count
        assert "CancelledError" in failed[-1]
    await one.stop()
    assert not one.revive(), "what was stopped stays so"
