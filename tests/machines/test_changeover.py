"""A school on its way through its stages by what people ask, with runs that do their steps, crashes and two who act at
once: whatever happens, the stage and the step of the run fit together, and nothing is final that two did not want.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.core.changeover import MOVES, STAGE_OF, Course, Step, frozen
from bridge.core.cutover import TRANSITIONS, Event, Gate, Stage, events, gates
from bridge.core.gates import FAIL, PASS, Measured, Vouched
from bridge.daemon import changeover, wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.steps import Steps
from bridge.ports import ConfigurationError
from bridge.settings import School, load
from bridge.state import changeover as runs
from bridge.state import gates as known
from bridge.state import open_database
from tests.machines.rig import CODE, Clock

_FILE = """\
version: 1
school: "{code}"
name: Probe
school_side: {{connector: memory, name: school, kinds: [user, group]}}
cloud_side: {{connector: memory, name: cloud, kinds: [user, group]}}
naming: {{domain: school.example}}
"""
_PEOPLE = ("meyer", "schulz", "api:board")


class Crash(BaseException):
    """The power fails."""


def probe(root: Path) -> School:
    """A school as configured."""
    (root / "schools").mkdir(parents=True)
    (root / "bridge.yaml").write_text("version: 1\nstate: {url: sqlite:///state.db}\nruntime: run\n")
    (root / "schools" / "a.yaml").write_text(_FILE.format(code=CODE))
    return load(root / "bridge.yaml", Catalog()).schools[0]


@contextmanager
def dying(number: int) -> Iterator[None]:
    """Crash inside the transaction: before, between or after its parts."""
    places = (("bridge.state.stages.move",), ("bridge.state.changeover.go_on",), ("bridge.state.changeover.begin",))

    def dead(*_: object, **__: object) -> None:
        raise Crash

    with patch(places[number % len(places)][0], dead):
        yield


class Changeover(RuleBasedStateMachine):
    school: School
    reached: ClassVar[set[tuple[str, str]]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.database = open_database("sqlite://", clock=self.clock)
        self.store = self.database.school(CODE, self.school.kinds())
        self.steps = Steps(SimpleNamespace(database=self.database, school=self.school), lambda: None)  # type: ignore[arg-type]
        self.moves: list[tuple[str, str]] = []
        self.now = patch.object(wiring, "now", self.clock)
        self.now.start()
        self.store.move_stage(Stage.HYBRID, event="meet", actor="bridge", reason="as configured")
        self.moves.append((Stage.CLASSIC, Stage.HYBRID))

    def teardown(self) -> None:
        self.now.stop()
        assert self.store.verify().ok
        self.reached.update(self.moves)
        self.database.close()

    @property
    def stage(self) -> Stage:
        return Stage(self.store.stage())

    @property
    def run(self) -> runs.Run | None:
        return runs.running(self.database, CODE)

    # --- what the world does ----------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from((1, 20, 300, 60 * 24 * 8)))
    def time_goes_by(self, minutes: int) -> None:
        self.clock.now += timedelta(minutes=minutes)

    @rule(bad=st.sets(st.sampled_from(Gate), max_size=2), people=st.booleans())
    def gates_are_measured(self, bad: set[Gate], people: bool) -> None:
        now = self.clock()
        found = [Measured(one, FAIL if one in bad else PASS, "", "", "", now) for one in Gate]
        known.note(self.database, CODE, self.school.kinds(), found)
        for gate in (Gate.INFORMED, Gate.DEVICES, Gate.ROLLBACK_REHEARSED) if people else ():
            known.vouch(self.database, CODE, self.school.kinds(), Vouched(gate, "attested", "meyer", "asked", now))

    @precondition(lambda self: self.stage in {Stage.HYBRID, Stage.SOAKING} and self.run is None)
    @rule(rehearsal=st.booleans())
    def all_is_well_and_the_day_has_come(self, rehearsal: bool) -> None:
        self.gates_are_measured(set(), people=True)
        if self.stage is Stage.SOAKING:
            for who in _PEOPLE[:2]:
                self.approve(who, CODE)
        before = self.stage
        self._ask(Event.FINALISE if before is Stage.SOAKING else Event.FREEZE, rehearsal=rehearsal)
        assert self.stage is (Stage.CLOUD if before is Stage.SOAKING else Stage.FREEZING)

    @precondition(lambda self: self.run is not None)
    @rule()
    def the_run_goes_on_to_its_end(self) -> None:
        while self.run is not None:
            self.a_step_is_done(None)

    # --- what people ask --------------------------------------------------------------------------------------------

    @rule(event=st.sampled_from(Event), rehearsal=st.booleans(), typed=st.sampled_from(("", CODE, "0000")))
    def ask(self, event: Event, rehearsal: bool, typed: str) -> None:
        self._ask(event, rehearsal=rehearsal, typed=typed)

    @rule(number=st.integers(0, 5))
    def ask_what_is_possible(self, number: int) -> None:
        possible = sorted(events(self.stage))
        if possible:
            self._ask(possible[number % len(possible)], typed=CODE)

    @rule(number=st.integers(0, 2), chosen=st.integers(0, 5))
    def ask_and_crash(self, number: int, chosen: int) -> None:
        possible = sorted(events(self.stage))
        if not possible:
            return
        before = (self.stage, self.run)
        try:
            with dying(number):
                self._ask(possible[chosen % len(possible)], typed=CODE)
        except Crash:
            assert (self.stage, self.run) == before, "all of it or nothing"

    @rule(who=st.sampled_from(_PEOPLE), typed=st.sampled_from((CODE, "", "0000")))
    def approve(self, who: str, typed: str) -> None:
        before = self.stage
        try:
            changeover.approve(
                self.database, self.school, Event.FINALISE, actor=who, reason="so be it", typed=typed, now=self.clock()
            )
        except ConfigurationError:
            assert typed != CODE or before is not Stage.SOAKING
        else:
            assert (typed, before) == (CODE, Stage.SOAKING)

    def _ask(self, event: Event, *, rehearsal: bool = False, typed: str = "") -> None:
        before, run, now = self.stage, self.run, self.clock()
        approved = {one.actor for one in changeover.given.approvals(self.database, CODE, Event.FINALISE, now)}
        try:
            after = changeover.request(
                self.database, self.school, event, actor="meyer", reason="tried", typed=typed, rehearsal=rehearsal,
                now=now,
            )  # fmt: skip
        except ConfigurationError as refusal:
            assert CODE in str(refusal)  # noqa: PT017 - refused is one of two outcomes
            assert (self.stage, self.run) == (before, run), "refused changes nothing"
            return
        assert (before, event) in TRANSITIONS
        assert event not in MOVES.values() or event is Event.ROLL_BACK
        if event is Event.ROLL_BACK:
            assert (after, self.run is not None) == (before, True)
            return
        assert after is self.stage is TRANSITIONS[before, event][0]
        self.moves.append((before, after))
        if event is Event.FINALISE:
            assert len(approved) >= 2
            assert run is None
        if event is Event.FREEZE and not rehearsal:
            assert set(gates(before, event)) >= {Gate.INFORMED}
            assert known.vouched(self.database, CODE).get(Gate.INFORMED) is not None

    # --- what the daemon does ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.run is not None)
    @rule(crash=st.one_of(st.none(), st.integers(0, 2)))
    def a_step_is_done(self, crash: int | None) -> None:
        run, before = self.run, self.stage
        assert run is not None
        if frozen(run.step) and self.clock() >= run.deadline:
            self._late(run, crash)
            return
        state: dict[str, Any] = {"verify": {"compared": 1}} if run.step is Step.VERIFY else {}
        try:
            if crash is None:
                asyncio.run(self.steps._end(run, **state))
            else:
                with dying(crash):
                    asyncio.run(self.steps._end(run, **state))
        except Crash:
            assert (self.stage, self.run) == (before, run), "all of it or nothing"
            return
        if self.stage is not before:
            self.moves.append((before, self.stage))

    def _late(self, run: runs.Run, crash: int | None) -> None:
        before = self.stage
        try:
            if crash is None:
                changeover.expire(self.database, self.school, run, now=self.clock())
            else:
                with dying(crash):
                    changeover.expire(self.database, self.school, run, now=self.clock())
        except Crash:
            assert (self.stage, self.run) == (before, run)
            return
        if self.stage is not before:
            self.moves.append((before, self.stage))
        after = self.run
        assert (self.stage, after and after.step, after and after.course) == (Stage.HYBRID, Step.THAW, Course.LATE)

    @precondition(lambda self: self.run is not None)
    @rule()
    def one_who_wakes_up_late_does_nothing(self) -> None:
        run = self.run
        assert run is not None
        asyncio.run(self._step_quietly(run))
        now = (self.stage, self.run)
        try:
            asyncio.run(self.steps._end(run))
        except ConfigurationError:
            assert (self.stage, self.run) == now
        else:
            raise AssertionError("a step was done twice")

    async def _step_quietly(self, run: runs.Run) -> None:
        before = self.stage
        await self.steps._end(run)
        if self.stage is not before:
            self.moves.append((before, self.stage))

    # --- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def stage_and_step_fit_together(self) -> None:
        run = self.run
        if run is not None:
            assert STAGE_OF[run.step] is self.stage
        assert (self.stage is Stage.FREEZING) <= (run is not None), "frozen only while a run goes on"

    @invariant()
    def every_move_is_in_the_table_and_in_the_journal(self) -> None:
        told = [row.entry for row in self.store.journal() if row.entry.action == "stage"]
        assert [(one.before["stage"], one.after["stage"]) for one in told] == self.moves
        table = {(source, target) for (source, _), (target, _) in TRANSITIONS.items()}
        assert set(self.moves[1:]) <= table

    @invariant()
    def there_is_no_way_back_from_the_cloud(self) -> None:
        if any(after is Stage.CLOUD for _, after in self.moves):
            assert self.stage in {Stage.CLOUD, Stage.PAUSED_CLOUD, Stage.RETIRED}


class TestChangeover(Changeover.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=20, stateful_step_count=60, deadline=None, derandomize=True)

    @classmethod
    def setup_class(cls) -> None:
        import tempfile

        cls.place = tempfile.TemporaryDirectory()
        Changeover.school = probe(Path(cls.place.name) / "probe")

    @classmethod
    def teardown_class(cls) -> None:
        cls.place.cleanup()
        # A machine that never gets there proves nothing.
        assert {after for _, after in Changeover.reached} >= {Stage.FREEZING, Stage.SOAKING, Stage.CLOUD, Stage.RETIRED}
