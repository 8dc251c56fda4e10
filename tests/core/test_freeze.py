"""The table of what waits for a school year, cell by cell, and that the guard asks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.cutover import Stage
from bridge.core.freeze import Phase, frozen, waiting
from bridge.core.guard import Guard
from bridge.core.kinds import KINDS
from bridge.core.model import Action, Operation, Side
from bridge.core.policy import policy_for

REMOVES = {Action.DISABLE, Action.DELETE, Action.PURGE, Action.RETIRE}
WRITES = {action for action in Action if action.writes}


def operation(kind: str, role: str, action: Action) -> Operation:
    return Operation("L1", kind, Side.CLOUD, action, role=role)


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize(
    ("kind", "role", "open_", "applied"),
    [
        ("user", "pupil", REMOVES, REMOVES),
        ("group", "class", WRITES | REMOVES, REMOVES),
        ("group", "course", WRITES | REMOVES, REMOVES),
        ("group", "working_group", REMOVES, REMOVES),
        ("file", "", set(), set()),
        ("folder", "", set(), set()),
    ],
)
def test_what_waits(kind: str, role: str, open_: set[Action], applied: set[Action], action: Action) -> None:
    one = operation(kind, role, action)
    waits = {phase: frozen(one, phase, school="0123") is not None for phase in Phase}
    assert waits == {Phase.CLOSED: False, Phase.OPEN: action in open_, Phase.APPLIED: action in applied}


def test_the_guard_holds_it_and_a_person_may_let_it_pass() -> None:
    policy = replace(policy_for(Stage.HYBRID), year=Phase.OPEN)
    one = operation("group", "class", Action.UPDATE)
    guard = Guard("0123", policy, KINDS, {}, {})
    guard.count([one])
    held = guard.judge(one)
    assert held is not None
    assert (held.rule, "schoolbridge year plan 0123" in held.message) == ("year", True)
    assert replace(guard, released=frozenset({"L1"})).judge(one) is None


def test_an_open_year_is_said() -> None:
    assert waiting("0123", Phase.CLOSED) == []
    assert [("open" in text, "classes" in text) for text in waiting("0123", Phase.OPEN)] == [(True, True)]
    assert [("applied" in text, "classes" in text) for text in waiting("0123", Phase.APPLIED)] == [(True, False)]
