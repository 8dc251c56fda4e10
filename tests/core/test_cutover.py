"""Every pair of stage and event: legal ones lead on when their gates hold, illegal ones name both."""

from __future__ import annotations

from itertools import product

import pytest

from bridge.core.cutover import (
    INITIAL,
    STAGES,
    TRANSITIONS,
    Event,
    Gate,
    GateClosed,
    Illegal,
    Power,
    Stage,
    advance,
    diagram,
    events,
    gates,
)

PAIRS = list(product(Stage, Event))


@pytest.mark.parametrize(("stage", "event"), [pair for pair in PAIRS if pair in TRANSITIONS])
def test_legal(stage: Stage, event: Event) -> None:
    target, needed = TRANSITIONS[stage, event]
    assert advance(stage, event, passed=needed) is target
    for missing in needed:
        with pytest.raises(GateClosed) as refusal:
            advance(stage, event, passed=set(Gate) - {missing})
        assert refusal.value.closed == (missing,)
        assert missing in str(refusal.value)


@pytest.mark.parametrize(("stage", "event"), [pair for pair in PAIRS if pair not in TRANSITIONS])
def test_illegal_names_stage_and_event(stage: Stage, event: Event) -> None:
    for ask in (gates, lambda stage, event: advance(stage, event, passed=Gate)):
        with pytest.raises(Illegal) as refusal:
            ask(stage, event)
        assert f"'{event}'" in str(refusal.value)
        assert f"'{stage}'" in str(refusal.value)


def test_every_stage_is_described_and_reached() -> None:
    assert set(STAGES) == set(Stage)
    reached = {Stage.CLASSIC}
    while more := {target for stage in reached for target in events(stage).values()} - reached:
        reached |= more
    assert reached == set(Stage)


def test_nothing_leads_back_from_the_cloud() -> None:
    beyond, seen = {Stage.CLOUD}, set()
    while beyond - seen:
        stage = (beyond - seen).pop()
        seen.add(stage)
        beyond |= set(events(stage).values())
    assert seen == {Stage.CLOUD, Stage.PAUSED_CLOUD, Stage.RETIRED}
    assert Gate.TWO_APPROVERS in gates(Stage.SOAKING, Event.FINALISE)


def test_paused_and_early_stages_write_nothing() -> None:
    silent = {stage for stage, row in STAGES.items() if row.power is Power.NOBODY}
    assert {stage for stage in Stage if stage.startswith("paused")} <= silent
    assert INITIAL - silent == {Stage.HYBRID}


def test_diagram_shows_every_transition() -> None:
    assert diagram().count(" --> ") == len(TRANSITIONS) + 2
