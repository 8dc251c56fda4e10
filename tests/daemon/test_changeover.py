"""What people ask of a cutover, one transaction each; its steps are done by nobody here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.core.changeover import Step
from bridge.core.cutover import Event, Stage
from bridge.daemon import changeover, wiring
from bridge.daemon import steps as own
from bridge.daemon.steps import Steps
from bridge.ports import ConfigurationError, Unreachable
from bridge.settings import School
from bridge.state import changeover as runs
from bridge.state import open_database
from bridge.state.database import Database
from bridge.state.transaction import writing
from tests.machines.rig import CODE, Clock
from tests.machines.test_changeover import probe


class Desk:
    """A school that soaks."""

    def __init__(self, root: Path) -> None:
        self.clock = Clock()
        self.database: Database = open_database("sqlite://", clock=self.clock)
        self.school: School = probe(root / "probe")
        self.store = self.database.school(CODE, self.school.kinds())
        self.store.move_stage(Stage.SOAKING, event="test", actor="test", reason="test")

    def ask(self, event: Event, *, at_once: bool = False) -> Stage:
        return changeover.request(
            self.database, self.school, event, actor="meyer", reason="so be it", at_once=at_once, now=self.clock()
        )

    @property
    def step(self) -> Step | None:
        run = changeover.running(self.database, CODE)
        return run.step if run else None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


def test_a_roll_back_that_waits_for_the_cloud_can_be_hurried(desk: Desk) -> None:
    desk.ask(Event.ROLL_BACK)
    with pytest.raises(ConfigurationError, match="bring home"):
        desk.ask(Event.ROLL_BACK)
    assert desk.step is Step.HOME
    desk.ask(Event.ROLL_BACK, at_once=True)
    assert (desk.step, desk.store.stage()) == (Step.RETURN, Stage.SOAKING)
    with pytest.raises(ConfigurationError):
        desk.ask(Event.ROLL_BACK, at_once=True)
    assert "roll back at once" in [row.entry.action for row in desk.store.journal()]


def test_approvals_do_not_outlive_a_roll_back(desk: Desk) -> None:
    now = desk.clock()
    for who in ("meyer", "schulz"):
        changeover.approve(desk.database, desk.school, Event.FINALISE, actor=who, reason="soaked", typed=CODE, now=now)
    desk.ask(Event.ROLL_BACK)
    assert not changeover.given.approvals(desk.database, CODE, Event.FINALISE, now)


async def test_a_school_returns_also_while_the_cloud_is_away(desk: Desk, tmp_path: Path) -> None:
    desk.ask(Event.ROLL_BACK, at_once=True)
    settings = SimpleNamespace(runtime=tmp_path, samba=tmp_path / "samba")
    ground = SimpleNamespace(database=desk.database, school=desk.school, settings=settings)
    steps = Steps(ground, lambda: None)  # type: ignore[arg-type]
    assert await steps.alone()
    assert (desk.step, desk.store.stage()) == (None, Stage.HYBRID)


async def test_a_reading_that_broke_off_is_frozen_and_verified_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.move_stage(Stage.FREEZING, event="test", actor="test", reason="test")
    now, state = desk.clock(), {"verify": {"compared": 1}, "delta": {}}
    with writing(desk.database, CODE) as tx:
        runs.begin(tx, runs.Run("1", now, now + timedelta(days=9000), "meyer", Step.DELTA, now, state=state))
    steps = Steps(SimpleNamespace(database=desk.database, school=desk.school), lambda: None)  # type: ignore[arg-type]
    done: list[str] = []

    async def read(*_: object, **__: object) -> int:
        done.append("read")
        if len(done) == 1:
            raise Unreachable("away, after something was written")
        return 0

    async def freeze(*_: object, **__: object) -> dict[str, int]:
        done.append("freeze")
        return {}

    monkeypatch.setattr(own, "read_once", read)
    monkeypatch.setattr(own, "freeze_all", freeze)
    for _ in range(2):
        run = changeover.running(desk.database, CODE)
        assert run is not None
        with suppress(Unreachable):
            await steps._delta(run, None, None)  # type: ignore[arg-type]
    assert (done, desk.step) == (["read", "freeze", "read"], Step.VERIFY)


async def test_what_a_person_confirms_is_seen_soon(desk: Desk) -> None:
    desk.store.move_stage(Stage.FREEZING, event="test", actor="test", reason="test")
    now, woken = wiring.now(), list[bool]()
    run = runs.Run("1", now, now + timedelta(hours=4), "meyer", Step.FREEZE, now)
    with writing(desk.database, CODE) as tx:
        runs.begin(tx, run)
    ground = SimpleNamespace(database=desk.database, school=desk.school)
    steps = Steps(ground, lambda: woken.append(True))  # type: ignore[arg-type]
    await steps._held_up(run, Unreachable("a share is frozen by hand"))
    await steps.alone()
    assert not woken
    runs.confirm(desk.database, CODE, "homes", actor="meyer", reason="done")
    await steps.alone()
    await steps.alone()
    assert woken == [True]
