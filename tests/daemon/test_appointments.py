"""Appointments over a real state: kept only if everything holds at that time, and ended in any case."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bridge.core.notices import Concern
from bridge.daemon import appointments, threads, wiring
from bridge.daemon.appointments import LATE, Appointments, Doors, make
from bridge.daemon.catalog import Catalog
from bridge.daemon.concerns import Watch
from bridge.daemon.notice_text import titled
from bridge.daemon.shares import Ground
from bridge.ports import ConfigurationError, Unreachable
from bridge.settings import Settings, load
from bridge.state import appointments as state
from bridge.state import journal
from bridge.state.appointments import Appointment
from bridge.state.cutover_tables import changeover
from bridge.state.database import Database
from bridge.state.fleet_tables import lease
from tests.daemon.embedded import Embedded

MINUTE = timedelta(minutes=1)


class Cutovers:
    """Stands where a cutover is begun: moves the stage, or refuses as the gates do."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database, self.now = settings, database, wiring.now()
        self.begun: list[str] = []
        self.measured: list[str] = []
        self.refuse = self.deaf = self.crash = False
        self.kept = Appointments(lambda: self.settings, Catalog(), database, doors=Doors(self._measure, self._begin))
        for one in settings.schools:
            store = database.school(one.code, one.kinds())
            store.move_stage("hybrid", event="mirror", actor="t", reason="t")

    async def _measure(self, ground: Ground) -> None:
        self.measured.append(ground.school.code)
        if self.deaf:
            raise Unreachable("the server does not answer")

    def _begin(self, ground: Ground, of: Appointment) -> None:
        code = ground.school.code
        if self.refuse:
            raise ConfigurationError(f"{code}: 2 gates do not hold")
        self.begun.append(code)
        at = self.now
        row = {"id": f"r{len(self.begun)}", "started": at, "deadline": at, "actor": of.actor, "step": "freeze"}
        with self.database.write() as connection:
            connection.execute(changeover.insert().values(school=code, step_at=at, attempts=0, **row))
        self.stage(code, "freezing")
        if self.crash:
            raise asyncio.CancelledError

    def stage(self, code: str, stage: str) -> None:
        one = self.settings.school(code)
        assert one is not None
        self.database.school(code, one.kinds()).move_stage(stage, event="freeze", actor="t", reason="t")

    def make(self, code: str = "0123", *, after: timedelta = MINUTE) -> datetime:
        one = self.settings.school(code)
        assert one is not None
        at = self.now + after
        make(self.settings, self.database, one, at, actor="ada", reason="all are ready", now=self.now)
        return at

    async def pass_by(self, after: timedelta) -> None:
        self.now += after
        await self.kept.check(self.now)
        await self.kept.settled()

    async def look(self, *, after: timedelta) -> str:
        """The outcome that was written last, empty while there is an appointment."""
        await self.pass_by(after)
        return "" if state.appointment(self.database, "0123") else self.outcomes()[-1]

    def outcomes(self, code: str = "0123") -> list[str]:
        with self.database.read() as connection:
            return [one.entry.outcome for one in journal.read(connection, code) if one.entry.action == "appointment"]

    def concerns(self) -> list[Concern]:
        return Watch().concerns(self.settings, self.database, None, self.now)

    def cause(self, code: str = "0123") -> object:
        with self.database.read() as connection:
            rows = [one.entry for one in journal.read(connection, code) if one.entry.action == "appointment"]
        return rows[-1].after.get("cause")


@contextmanager
def cutovers(root: Path, more: str = "", *, schools: int = 1) -> Iterator[Cutovers]:
    school = Embedded(root)
    text = school.school_file.read_text()
    for number in range(1, schools):
        (root / "schools" / f"s{number}.yaml").write_text(text.replace('"0123"', f'"{number:04}"'))
    school.config.write_text(school.config.read_text() + more)
    settings = load(school.config, Catalog())
    with wiring.database(settings, create=True) as database:
        yield Cutovers(settings, database)


async def test_it_begins_at_its_time_and_once(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make(after=10 * MINUTE)
        assert await one.look(after=9 * MINUTE) == ""
        assert (one.begun, one.measured) == ([], [])
        assert await one.look(after=MINUTE) == "started"
        assert (one.begun, one.measured) == (["0123"], ["0123"])
        assert await one.look(after=MINUTE) == "started"
        assert one.outcomes() == ["made", "started"]


async def test_gates_that_do_not_hold_refuse_it(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make()
        one.refuse = one.deaf = True
        assert await one.look(after=MINUTE) == "refused"
        assert (one.begun, one.measured, one.cause()) == ([], ["0123"], "gates")
        one.refuse = False
        await one.look(after=MINUTE)
        assert one.begun == [], "an appointment is good for one attempt"


async def test_what_is_too_late_is_missed(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make()
        assert await one.look(after=MINUTE + LATE + MINUTE) == "missed"
        assert one.begun == []


async def test_of_a_school_that_is_configured_no_more_it_is_told_then_dropped(tmp_path: Path) -> None:
    with cutovers(tmp_path, schools=2) as one:
        one.make("0001")
        everything = one.settings
        one.settings = replace(everything, schools=[each for each in everything.schools if each.code == "0123"])
        await one.pass_by(timedelta(hours=2))
        (told,) = (each for each in one.concerns() if each.kind == "appointment")
        assert (told.school, told.subject) == ("", "0001")
        assert titled(told, "en") == "appointment of 0001, no configured school"
        assert one.outcomes("0001") == ["made"]
        await one.pass_by(timedelta(days=1))
        assert (one.outcomes("0001"), one.cause("0001")) == (["made", "missed"], "not configured")
        assert [each for each in one.concerns() if each.kind == "appointment"] == []
        one.settings = everything
        one.make("0001")
        assert [each for each in one.concerns() if each.kind == "appointment"] == []


async def test_another_daemon_s_appointment_is_left_alone(tmp_path: Path) -> None:
    with cutovers(tmp_path, schools=2) as one:
        one.make("0001")
        with one.database.write() as connection:
            row = {"school": "0001", "owner": "other", "token": 1, "since": one.now, "until": one.now}
            connection.execute(lease.insert().values(row))
        one.settings = replace(one.settings, schools=[each for each in one.settings.schools if each.code == "0123"])
        await one.pass_by(timedelta(days=3))
        assert one.outcomes("0001") == ["made"]
        assert [each for each in one.concerns() if each.kind == "appointment"] == []


async def test_a_little_late_is_kept(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make()
        assert await one.look(after=MINUTE + LATE - MINUTE) == "started"


@pytest.mark.parametrize("stage", ["paused-hybrid", "rehearsing", "soaking", "freezing"])
async def test_another_stage_refuses_it(tmp_path: Path, stage: str) -> None:
    """Freezing, too, where that is a rehearsal that began before."""
    with cutovers(tmp_path) as one:
        one.make()
        one.stage("0123", stage)
        assert await one.look(after=MINUTE) == "refused"
        assert (one.begun, one.cause()) == ([], "stage")


async def test_a_crash_between_the_beginning_and_its_note(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make()
        one.crash = True
        assert await one.look(after=MINUTE) == ""
        one.kept = Appointments(lambda: one.settings, Catalog(), one.database, doors=one.kept.doors)
        assert await one.look(after=MINUTE) == "started"
        assert one.begun == ["0123"]


async def test_after_a_long_crash_it_is_not_said_that_nothing_began(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make()
        one.crash = True
        assert await one.look(after=MINUTE) == ""
        one.kept = Appointments(lambda: one.settings, Catalog(), one.database, doors=one.kept.doors)
        assert await one.look(after=LATE + 60 * MINUTE) == "started"
        assert one.begun == ["0123"]


async def test_it_never_begins_twice(tmp_path: Path) -> None:
    """Not even where the run that a crash cut off was called off before the daemon came back."""
    with cutovers(tmp_path) as one:
        one.make()
        one.crash = True
        assert await one.look(after=MINUTE) == ""
        with one.database.write() as connection:
            connection.execute(changeover.update().values(ended=one.now, outcome="aborted"))
        one.stage("0123", "hybrid")
        one.kept = Appointments(lambda: one.settings, Catalog(), one.database, doors=one.kept.doors)
        assert await one.look(after=MINUTE) == "started"
        assert one.begun == ["0123"]


async def test_what_hangs_while_it_measures_hangs_in_threads_of_its_school(tmp_path: Path) -> None:
    names: list[str] = []

    def here() -> None:
        names.append(threading.current_thread().name.rpartition("_")[0])

    asyncio.get_running_loop().set_default_executor(threads.Pools())
    with cutovers(tmp_path) as one:

        async def measure(ground: Ground) -> None:
            await asyncio.to_thread(here)

        def begin(ground: Ground, of: Appointment) -> None:
            here()
            one._begin(ground, of)

        one.kept = Appointments(lambda: one.settings, Catalog(), one.database, doors=Doors(measure, begin))
        one.make()
        assert await one.look(after=MINUTE) == "started"
    assert names == ["schoolbridge-0123", "schoolbridge-daemon"], "and nothing else does"


async def test_called_off_while_the_gates_are_measured(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:

        async def measure(ground: Ground) -> None:
            state.cancel(one.database, "0123", ground.school.kinds(), actor="bob", reason="storm")

        one.kept.doors = Doors(measure, one.kept.doors.begin)
        one.make()
        assert await one.look(after=MINUTE) == "cancelled"
        assert one.begun == []


async def test_a_bug_does_not_end_it_before_it_is_too_late(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:

        def bug(*_: object) -> None:
            raise RuntimeError

        good, one.kept.doors = one.kept.doors, Doors(one.kept.doors.measure, bug)
        one.make()
        assert await one.look(after=MINUTE) == ""
        one.kept.doors = good
        assert await one.look(after=MINUTE) == "started"


WAVES = """\
waves:
  - {name: pilot, schools: ["0001"]}
  - {name: others, schools: rest, stop_after: 1}
"""


async def test_the_order_of_waves_counts_at_its_time(tmp_path: Path) -> None:
    with cutovers(tmp_path, WAVES, schools=3) as one:
        one.make()
        assert await one.look(after=MINUTE) == "refused"
        assert one.cause() == "earlier wave"
        one.make("0001")
        one.make("0123", after=3 * MINUTE)
        await one.look(after=MINUTE)
        assert one.begun == ["0001"]
        one.stage("0001", "soaking")
        assert await one.look(after=2 * MINUTE) == "started"


async def test_a_blackout_refuses_it_even_when_it_was_written_later(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        one.make()
        text = one.settings.file.read_text()
        one.settings.file.write_text(text + 'blackouts: [{from: "2020-01-01", to: "2099-01-01", reason: exams}]\n')
        one.settings = load(one.settings.file, Catalog())
        with pytest.raises(ConfigurationError, match="exams"):
            one.make()
        assert await one.look(after=MINUTE) == "refused"
        assert one.cause() == "blackout"


async def test_a_school_that_is_measured_slowly_holds_up_no_other(tmp_path: Path) -> None:
    with cutovers(tmp_path, schools=2) as one:
        released, begun = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        async def measure(ground: Ground) -> None:
            if ground.school.code == "0001":
                await released.wait()

        def begin(ground: Ground, of: Appointment) -> None:
            one._begin(ground, of)
            loop.call_soon_threadsafe(begun.set)

        one.kept.doors = Doors(measure, begin)
        one.make("0001")
        one.make("0123")
        one.now += MINUTE
        await one.kept.check(one.now)
        await asyncio.wait_for(begun.wait(), 60)
        assert one.begun == ["0123"]
        await one.kept.check(one.now)
        released.set()
        await one.kept.settled()
        assert sorted(one.begun) == ["0001", "0123"]


def test_what_can_not_be_kept_is_refused_when_it_is_made(tmp_path: Path) -> None:
    with cutovers(tmp_path) as one:
        for after in (-MINUTE, timedelta(0), appointments.FURTHEST + MINUTE):
            with pytest.raises(ConfigurationError, match="a time to come"):
                one.make(after=after)
        one.stage("0123", "soaking")
        with pytest.raises(ConfigurationError, match="soaking already"):
            one.make()
        assert one.outcomes() == []


# -- the commands


def test_a_person_appoints_shows_and_calls_off(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.run("sync")
    assert "no appointment" in school.run("appoint", "0123").out
    said = school.run("appoint", "0123", "2027-06-30 18:00", "--reason", "last day")
    assert said.code == 0, said.err
    assert "2027-06-30 18:00+02:00 (2027-06-30 16:00+00:00)" in said.out
    row = school.run("waves", "--json").json["others"][0]
    assert (row["appointment"]["local"], row["stage"]) == ("2027-06-30 18:00+02:00", "hybrid")
    assert "appointed for 2027-06-30" in school.run("waves").out
    assert school.run("appoint", "0123", "--cancel", "--reason", "storm").code == 0
    assert school.run("appoint", "0123", "--cancel", "--reason", "storm").code == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["2027-10-31 02:30", "--reason", "r"], "comes twice"),
        (["2027-03-28 02:30", "--reason", "r"], "does not exist"),
        (["soon", "--reason", "r"], "2026-11-23 18:00"),
        (["2020-01-01 10:00", "--reason", "r"], "is over"),
        (["2027-06-30 18:00"], "--reason"),
        (["2027-06-30 18:00", "--cancel", "--reason", "r"], "either"),
    ],
)
def test_what_is_unclear_is_asked_back(tmp_path: Path, words: list[str], why: str) -> None:
    school = Embedded(tmp_path)
    school.run("sync")
    answer = school.run("appoint", "0123", *words)
    assert (answer.code, why in answer.err) == (1, True), answer.err
    assert school.run("appoint", "0123", "--json").json["appointment"] is None


def test_the_plan_says_why_a_school_has_to_wait(tmp_path: Path) -> None:
    with cutovers(tmp_path, WAVES, schools=3):
        pass
    school = Embedded.__new__(Embedded)
    school.config, school.extra = tmp_path / "bridge.yaml", {}
    plan = school.run("waves", "--json").json
    assert [(wave["name"], [one["school"] for one in wave["schools"]]) for wave in plan["waves"]] == [
        ("pilot", ["0001"]),
        ("others", ["0002", "0123"]),
    ]
    assert "pilot is not through" in plan["waves"][1]["schools"][0]["hindrance"]
    assert plan["waves"][0]["schools"][0]["hindrance"] == ""
    assert "not now:" in school.run("waves").out


def test_the_first_day_of_a_wave_is_that_of_the_bridges_clock(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.config.write_text(
        school.config.read_text() + 'waves: [{name: pilot, schools: rest, not_before: "2091-02-01"}]\n'
    )
    assert school.run("waves", "--json").json["waves"][0]["not_before"] == "2091-02-01T00:00:00+01:00"
    assert "not before 2091-02-01" in school.run("waves").out
