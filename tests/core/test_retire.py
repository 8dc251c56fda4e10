"""The steps of a retirement: which one is due when, what a hold does to the clock, what is never skipped."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.cutover import Stage
from bridge.core.fate import Verdict, fate
from bridge.core.kinds import KINDS
from bridge.core.model import Action, Evidence, Link, Side, Taken
from bridge.core.policy import Policy, policy_for
from bridge.core.retire import due_at, held_until, next_step, retirement
from tests.core.words import NOW, link, user

USER = KINDS["user"]
DAY = timedelta(days=1)


def days(*gaps: float) -> Policy:
    """A policy with these periods for everybody; the school's side keeps what is deleted until it is purged."""
    found = policy_for(Stage.HYBRID, periods={("user", "*"): tuple(gap * DAY for gap in gaps)})
    return replace(found, purges=frozenset({Side.SCHOOL}))


def gone(**more: object) -> Link:
    """Somebody the school deleted, whose account is there."""
    enabled = bool(more.pop("enabled", True))
    return replace(link("user", None, user(enabled=enabled), user(role="pupil")), **more)  # type: ignore[arg-type]


def steps(one: Link, policy: Policy, now: datetime = NOW) -> list[str]:
    return [str(operation.action) for operation in retirement(one, USER, policy, now, "gone").operations]


def test_disabled_at_once_and_deleted_a_full_period_after_that_was_done() -> None:
    policy = days(0, 30, 30)
    assert steps(gone(), policy) == ["disable", "retire"]
    disabled = gone(retired_at=NOW, taken=Taken(Action.DISABLE, NOW, Side.CLOUD), enabled=False)
    assert steps(disabled, policy, NOW + 29 * DAY) == []
    assert retirement(disabled, USER, policy, NOW + 29 * DAY, "").again == NOW + 30 * DAY
    assert steps(disabled, policy, NOW + 30 * DAY) == ["delete"]


def test_tolerated_first_and_no_period_is_shortened_by_a_disabling_that_came_late() -> None:
    policy = days(10, 30, 30)
    assert steps(gone(), policy) == ["retire"]
    waiting = gone(retired_at=NOW)
    assert steps(waiting, policy, NOW + 9 * DAY) == []
    # The guard held it for two months: only what was really disabled for 30 days is deleted.
    assert steps(waiting, policy, NOW + 70 * DAY) == ["disable"]
    late = gone(retired_at=NOW, taken=Taken(Action.DISABLE, NOW + 70 * DAY, Side.CLOUD), enabled=False)
    assert steps(late, policy, NOW + 99 * DAY) == []
    assert steps(late, policy, NOW + 100 * DAY) == ["delete"]


def test_who_was_disabled_before_gets_the_whole_period_all_the_same() -> None:
    operations = retirement(gone(enabled=False), USER, days(0, 30, 30), NOW, "").operations
    assert [(str(one.action), dict(one.after)) for one in operations] == [("retire", {"step": "disable"})]


def test_enabled_again_by_hand_is_disabled_again_and_the_period_goes_on() -> None:
    one = gone(retired_at=NOW, taken=Taken(Action.DISABLE, NOW, Side.CLOUD))
    found = retirement(one, USER, days(0, 30, 30), NOW + 5 * DAY, "")
    assert ([str(o.action) for o in found.operations], found.again) == (["disable"], NOW + 30 * DAY)


def test_taken_out_of_the_limbo_by_hand_begins_anew() -> None:
    one = gone(retired_at=NOW - 90 * DAY, taken=Taken(Action.DELETE, NOW - 60 * DAY, Side.CLOUD))
    assert steps(one, days(0, 30, 30)) == ["disable", "retire"]


def test_purged_by_the_bridge_only_what_it_deleted_itself_where_nobody_else_does_it() -> None:
    policy = days(0, 30, 20)
    both = replace(link("user", None, None, user(role="pupil")), taken=Taken(Action.DELETE, NOW, Side.SCHOOL))
    assert fate(both, USER, policy).verdict is Verdict.RETIRE
    assert retirement(both, USER, policy, NOW + 19 * DAY, "").again == NOW + 20 * DAY
    (purge,) = retirement(both, USER, policy, NOW + 20 * DAY, "").operations
    assert (purge.action, purge.side, purge.anchor) == (Action.PURGE, Side.SCHOOL, "school-1")
    assert "purge after 20 days" in purge.rule
    for spared in (
        replace(both, taken=None),  # the school deleted it itself: its own tombstone is not ours
        replace(both, taken=Taken(Action.DELETE, NOW, Side.CLOUD)),  # Microsoft's bin empties itself
        replace(both, school=replace(both.school, gone=Evidence.MISSING)),
    ):
        assert fate(spared, USER, policy).verdict is not Verdict.RETIRE
    assert fate(both, USER, replace(policy, purges=frozenset())).verdict is not Verdict.RETIRE


def test_a_deletion_of_which_nobody_heard_starts_the_last_period_when_it_is_seen() -> None:
    policy = days(0, 30, 20)
    for step in (Action.RETIRE, Action.DISABLE):
        lost = link("user", None, None, user(role="pupil"), retired_at=NOW)
        lost = replace(lost, taken=Taken(step, NOW, Side.SCHOOL))
        assert fate(lost, USER, policy).verdict is Verdict.RETIRE
        found = retirement(lost, USER, policy, NOW + 40 * DAY, "")
        assert [(str(one.action), dict(one.after)) for one in found.operations] == [("retire", {"step": "delete"})]
        assert found.again == NOW + 60 * DAY


def test_a_hold_stops_every_step_and_its_time_does_not_count() -> None:
    policy, span = days(0, 30, 30), (NOW + 10 * DAY, NOW + 110 * DAY)
    disabled = gone(retired_at=NOW, taken=Taken(Action.DISABLE, NOW, Side.CLOUD), enabled=False, stopped=(span,))
    assert retirement(disabled, USER, policy, NOW + 50 * DAY, "").again == NOW + 130 * DAY
    assert steps(disabled, policy, NOW + 129 * DAY) == []
    assert steps(disabled, policy, NOW + 130 * DAY) == ["delete"]
    held_first = gone(stopped=((NOW - DAY, NOW + 5 * DAY),))
    assert steps(held_first, policy) == ["retire"]  # the clock is set, nothing is written
    assert retirement(held_first, USER, policy, NOW, "").again == NOW + 5 * DAY
    # Due for long (the guard held it), and then a person's hold came: that protects too.
    overdue = replace(disabled, stopped=((NOW + 40 * DAY, NOW + 60 * DAY),))
    assert steps(overdue, policy, NOW + 50 * DAY) == []
    assert steps(overdue, policy, NOW + 60 * DAY) == ["delete"]


def test_the_next_step_and_its_date_for_the_list_of_leavers() -> None:
    policy = days(0, 30, 20)
    assert next_step(gone(retired_at=NOW), USER, policy, NOW) == (Action.DISABLE, NOW)
    disabled = gone(retired_at=NOW, taken=Taken(Action.DISABLE, NOW, Side.CLOUD), enabled=False)
    assert next_step(disabled, USER, policy, NOW) == (Action.DELETE, NOW + 30 * DAY)
    deleted = replace(disabled, taken=Taken(Action.DELETE, NOW, Side.SCHOOL))
    assert next_step(deleted, USER, policy, NOW) == (Action.PURGE, NOW + 20 * DAY)


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=5).map(
    lambda pairs: [(NOW + start * DAY, NOW + (start + length) * DAY) for start, length in pairs if length]
)


@given(spans=SPANS, gap=st.integers(0, 40))
def test_the_clock_runs_exactly_outside_of_holds(spans: list[tuple[datetime, datetime]], gap: int) -> None:
    due = due_at(NOW, gap * DAY, spans)
    free = [day for day in range(200) if not any(start <= NOW + day * DAY < end for start, end in spans)]
    # Day by day: so many free days pass before it, and it never falls into a hold.
    assert sum(NOW + day * DAY < due for day in free) == gap
    assert held_until(due, spans) is None


@pytest.mark.parametrize("gap", [0, 3])
def test_holds_that_touch_are_one(gap: int) -> None:
    spans = ((NOW, NOW + DAY), (NOW + DAY, NOW + 2 * DAY))
    assert held_until(NOW, spans) == NOW + 2 * DAY
    assert due_at(NOW, gap * DAY, spans) == NOW + (2 + gap) * DAY
