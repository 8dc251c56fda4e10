"""Each row of the table of what waits after a state was put back."""

from __future__ import annotations

import pytest

from bridge.core.guard import tally_of
from bridge.core.kinds import KINDS
from bridge.core.model import Action, Fields, Operation, Side
from bridge.core.recovery import Recovery, kept, passed, waiting

REMOVALS = (Action.DISABLE, Action.DELETE, Action.PURGE, Action.RETIRE)
WRITES = (Action.CREATE, Action.UPDATE, Action.RESTORE, Action.DETACH)
STATE_ONLY = (Action.AGREE, Action.FORGET)


def held(action: Action, recovery: Recovery, *, kind: str = "file", before: Fields = {}, after: Fields = {}) -> bool:  # noqa: B006
    one = Operation("L1", kind, Side.CLOUD, action, before=before, after=after)
    hold = kept(one, tally_of(one, KINDS[kind]), recovery, school="0123/homes/L1")
    if hold is not None:
        assert hold.rule == ("restored" if recovery is Recovery.COMPARED else f"restored:{recovery}")
        assert not hold.rule.startswith(passed(recovery) or "-")
        assert hold.rule.startswith(passed(Recovery.OVER) or "-")
        assert "0123/homes/L1: " in hold.message
        assert "restored show --school 0123" in hold.message
    return hold is not None


@pytest.mark.parametrize(
    ("recovery", "waits"),
    [
        (Recovery.OVER, ()),
        (Recovery.COMPARED, REMOVALS),
        (Recovery.COMPARING, (*REMOVALS, *WRITES)),
        (Recovery.STILL, (*REMOVALS, *WRITES)),
    ],
)
def test_rows(recovery: Recovery, waits: tuple[Action, ...]) -> None:
    for action in Action:
        assert held(action, recovery) is (action in waits), action


def test_a_change_that_takes_something_away_is_a_removal() -> None:
    off = {"before": {"enabled": True}, "after": {"enabled": False}}
    assert held(Action.UPDATE, Recovery.COMPARED, kind="user", **off)
    on = {"before": {"enabled": False}, "after": {"enabled": True}}
    assert not held(Action.UPDATE, Recovery.COMPARED, kind="user", **on)
    more = {"before": {"members": frozenset("a")}, "after": {"members": frozenset("ab")}}
    assert not held(Action.UPDATE, Recovery.COMPARED, kind="group", **more)
    less = {"before": {"members": frozenset("ab")}, "after": {"members": frozenset("bc")}}
    assert held(Action.UPDATE, Recovery.COMPARED, kind="group", **less)


def test_a_person_is_reminded_until_it_is_over() -> None:
    assert waiting("0123", Recovery.OVER) == []
    assert "nothing is written" in waiting("0123", Recovery.COMPARING)[0]
    assert "nothing is deleted" in waiting("0123", Recovery.COMPARED)[0]
