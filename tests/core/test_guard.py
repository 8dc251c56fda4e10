"""Thresholds, window, releases, empty sides and missing evidence."""

from __future__ import annotations

import pytest

from bridge.core.cutover import STAGES, Power, Stage
from bridge.core.guard import Guard, tally_of
from bridge.core.kinds import KINDS
from bridge.core.model import Action, Evidence, Fields, Operation, Side
from bridge.core.policy import UNLIMITED, Tally, Threshold, policy_for

USUAL = Threshold(10, 5)
CELL = ("cloud", "user", "pupil", "delete")


def leaver(number: int, action: Action = Action.DELETE, evidence: Evidence = Evidence.DELETED) -> Operation:
    return Operation(f"L{number}", "user", Side.CLOUD, action, role="pupil", evidence=evidence)


def guard(
    *,
    stage: Stage = Stage.HYBRID,
    threshold: Threshold = USUAL,
    population: int = 100,
    earlier: int = 0,
    released: frozenset[str] = frozenset(),
    empty: frozenset[Side] = frozenset(),
) -> Guard:
    thresholds = {("*", "user", "*", Tally.DELETE): threshold}
    return Guard(
        "hfg",
        policy_for(stage, thresholds=thresholds),
        KINDS,
        {("cloud", "user", "pupil"): population},
        {CELL: earlier},
        released,
        empty,
    )


def held(one: Guard, number: int) -> list[str]:
    operations = [leaver(n) for n in range(number)]
    one.count(operations)
    return [hold.rule for operation in operations if (hold := one.judge(operation))]


@pytest.mark.parametrize(
    ("count", "percent", "population", "limit"),
    [
        (10, 5, 100, 10), (10, 5, 1000, 50), (10, None, 1000, 10), (None, 5, 100, 5), (None, None, 5, None),
        (0, 0, 100, 0), (0, 1, 99, 0),
    ],
)  # fmt: skip
def test_limit(count: int | None, percent: float | None, population: int, limit: int | None) -> None:
    assert Threshold(count, percent).limit(population) == limit


def test_at_the_limit_all_pass_above_it_none() -> None:
    assert held(guard(), 10) == []
    assert held(guard(), 11) == ["guard:delete"] * 11
    assert held(guard(population=1000), 50) == []
    assert held(guard(threshold=UNLIMITED), 500) == []


def test_a_wave_that_comes_in_drops_is_a_wave() -> None:
    assert held(guard(earlier=9), 1) == []
    assert held(guard(earlier=10), 1) == ["guard:delete"]


def test_released_links_pass_and_are_not_counted() -> None:
    one = guard(released=frozenset({"L0"}))
    operations = [leaver(n) for n in range(12)]
    one.count(operations)
    assert one.judge(operations[0]) is None
    assert one.judge(operations[1]) is not None
    assert held(guard(released=frozenset({"L0"})), 11) == []


def test_only_the_suspicious_cell_is_held() -> None:
    one = guard()
    wave = [leaver(n) for n in range(11)]
    rename = Operation("L99", "user", Side.CLOUD, Action.UPDATE, after={"surname": "Neu"}, role="pupil")
    teacher = Operation("L98", "user", Side.CLOUD, Action.DELETE, role="teacher", evidence=Evidence.DELETED)
    one.count([*wave, rename, teacher])
    assert one.judge(wave[0]) is not None
    assert one.judge(rename) is None
    assert one.judge(teacher) is None


def test_the_message_has_the_numbers_and_the_way_out() -> None:
    one = guard(earlier=2)
    one.count([leaver(n) for n in range(11)])
    hold = one.judge(leaver(0))
    assert hold is not None
    for part in ("hfg", "11 ×", "2 more", "10 allowed", "100", "schoolbridge release hfg"):
        assert part in hold.message


@pytest.mark.parametrize("action", [Action.DISABLE, Action.DELETE, Action.RETIRE])
def test_an_empty_side_removes_nobody(action: Action) -> None:
    hold = guard(empty=frozenset({Side.SCHOOL})).judge(leaver(1, action))
    assert hold is not None
    assert hold.rule == "guard:empty"
    assert guard(empty=frozenset({Side.CLOUD})).judge(leaver(1, action)) is None


def test_missing_is_no_evidence() -> None:
    hold = guard().judge(leaver(1, evidence=Evidence.MISSING))
    assert hold is not None
    assert hold.rule == "guard:missing"
    assert guard().judge(leaver(1)) is None


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_that_writes_nothing_holds_everything(stage: Stage) -> None:
    hold = guard(stage=stage).judge(leaver(1))
    writes_cloud = STAGES[stage].power is not Power.NOBODY
    assert (hold is None) is writes_cloud
    if hold is not None:
        assert hold.rule == "stage"
        assert guard(stage=stage).judge(Operation("L1", "user", Side.CLOUD, Action.AGREE)) is None


@pytest.mark.parametrize(
    ("before", "after", "tallies"),
    [
        ({"enabled": True}, {"enabled": False}, {"disable": 1}),
        ({"enabled": False}, {"enabled": True}, {"update": 1}),
        ({"surname": "Alt"}, {"surname": "Neu"}, {"update": 1, "rename": 1}),
        ({"usage_location": "AT"}, {"usage_location": "DE"}, {"update": 1}),
    ],
)
def test_tallies(before: Fields, after: Fields, tallies: dict[str, int]) -> None:
    operation = Operation("L1", "user", Side.CLOUD, Action.UPDATE, before=before, after=after)
    assert tally_of(operation, KINDS["user"]) == tallies


def test_member_removals_are_counted_one_by_one() -> None:
    sets = {"before": {"members": frozenset("abc")}, "after": {"members": frozenset("ax")}}
    operation = Operation("L1", "group", Side.CLOUD, Action.UPDATE, **sets)
    assert tally_of(operation, KINDS["group"]) == {"update": 1, "member_removal": 2}


def test_files_have_thresholds_of_their_own() -> None:
    policy = policy_for(Stage.HYBRID)
    for kind in ("file", "folder"):
        found = policy.threshold(Side.CLOUD, kind, "", Tally.DELETE)
        assert [found.limit(population) for population in (10, 200, 1000)] == [50, 50, 250]
    assert policy.threshold(Side.CLOUD, "user", "pupil", Tally.DELETE).limit(1000) == 50


@pytest.mark.parametrize(("evidence", "rule"), [(Evidence.DELETED, None), (Evidence.MISSING, "guard:empty")])
def test_the_last_file_of_a_home_may_be_deleted(evidence: Evidence, rule: str | None) -> None:
    one = Operation("L1", "file", Side.CLOUD, Action.DELETE, evidence=evidence)
    hold = guard(empty=frozenset({Side.SCHOOL})).judge(one)
    assert (hold and hold.rule) == rule
