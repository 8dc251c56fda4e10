"""A school on its way through the stages: any event at any time, with any gates passed.

Whatever is tried, the stage moves only along the table and only through open gates, and the way is in the journal.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.core.cutover import TRANSITIONS, Event, Gate, GateClosed, Illegal, Stage, advance, events
from bridge.core.kinds import KINDS
from bridge.state import open_database
from tests.machines.rig import CODE, Clock


class Cutover(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.database = open_database("sqlite://", clock=Clock())
        self.store = self.database.school(CODE, KINDS)
        self.stage = Stage.CLASSIC
        self.moves = 0
        self.final = False

    def teardown(self) -> None:
        assert self.store.verify().ok
        self.database.close()

    @rule(event=st.sampled_from(Event), passed=st.sets(st.sampled_from(Gate)))
    def try_event(self, event: Event, passed: set[Gate]) -> None:
        self.attempt(event, passed)

    @rule(number=st.integers(0, 5))
    def go_on(self, number: int) -> None:
        possible = sorted(events(self.stage))
        if possible:
            self.attempt(possible[number % len(possible)], set(Gate))

    @rule()
    def try_everything_illegal(self) -> None:
        for event in set(Event) - set(events(self.stage)):
            self.attempt(event, set(Gate))

    def attempt(self, event: Event, passed: set[Gate]) -> None:
        known = TRANSITIONS.get((self.stage, event))
        try:
            after = advance(self.stage, event, passed=passed)
        except Illegal as refusal:
            assert known is None
            assert self.stage in str(refusal)  # noqa: PT017 - illegal is one of three outcomes
            return
        except GateClosed as closed:
            assert known is not None
            assert set(closed.closed) == set(known[1]) - passed  # noqa: PT017
            return
        assert known is not None
        assert after is known[0]
        assert set(known[1]) <= passed
        self.store.move_stage(after, event=event, actor="test", reason="tried")
        self.stage, self.moves = after, self.moves + 1
        self.final = self.final or after is Stage.CLOUD

    @invariant()
    def the_store_knows_the_stage(self) -> None:
        if self.moves:
            assert self.store.stage() == self.stage
        assert len(list(self.store.journal())) == self.moves

    @invariant()
    def there_is_no_way_back(self) -> None:
        assert not self.final or self.stage in {Stage.CLOUD, Stage.PAUSED_CLOUD, Stage.RETIRED}


TestCutover = Cutover.TestCase
TestCutover.settings = settings(max_examples=25, stateful_step_count=40, deadline=None, derandomize=True)
