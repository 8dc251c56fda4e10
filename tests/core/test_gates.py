"""The law of the gates: nothing that is unknown, too old or failed ever holds without a word that the law allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.cutover import TRANSITIONS, Event, Gate
from bridge.core.gates import (
    ATTESTED,
    EARLY,
    FAIL,
    LAW,
    PASS,
    STALE,
    UNKNOWN,
    WAIVED,
    Measured,
    Vouched,
    allowed,
    named,
    short,
    shorts,
    standing,
    until,
)

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
AGES = st.timedeltas(min_value=timedelta(days=-2), max_value=timedelta(days=200)) | st.sampled_from(
    [timedelta(0), timedelta(microseconds=-1), timedelta(minutes=15), timedelta(hours=1), timedelta(days=7)]
)


def found(gate: Gate, result: str, age: timedelta = timedelta(0)) -> Measured:
    return Measured(gate, result, "so", "such", "do this", NOW - age)


def word(gate: Gate, how: str, age: timedelta = timedelta(0), ends: timedelta | None = None) -> Vouched:
    at = NOW - age
    return Vouched(gate, how, "Kim", "looked", at, None if ends is None else at + ends)


measurements = st.none() | st.builds(
    found, st.sampled_from(Gate), st.sampled_from([PASS, FAIL, UNKNOWN, STALE, WAIVED, "", "Pass", "ok"]), AGES
)
words = st.none() | st.builds(
    Vouched,
    st.sampled_from(Gate),
    st.sampled_from([WAIVED, ATTESTED, PASS, "", "Waived"]),
    st.sampled_from(["Kim", "", " "]),
    st.sampled_from(["looked", "", "\n"]),
    st.builds(lambda age: NOW - age, AGES),
    st.none() | st.builds(lambda age: NOW - age, AGES),
)


def really_measured(one: Measured | None, gate: Gate, since: datetime | None) -> bool:
    """Told in other words than the law's: a pass of this very gate, not of tomorrow, not too old, not before."""
    if one is None or one.gate is not gate or one.result != "pass":
        return False
    age = (NOW - one.at).total_seconds()
    return 0 <= age < LAW[gate].longest.total_seconds() and (since is None or one.at >= since)


def really_vouched(one: Vouched | None, gate: Gate, failed: bool, *, early: bool) -> bool:
    if one is None or one.gate is not gate or not one.actor.strip() or not one.reason.strip():
        return False
    row = LAW[gate]
    lasts = one.at <= NOW < one.at + row.vouch and (one.expires is None or one.expires > NOW)
    may = {"waived": row.waive or (early and row.early), "attested": row.attest or (early and row.early)}
    return lasts and may.get(one.how, False) and not (one.how == "attested" and failed)


@given(st.sampled_from(Gate), measurements, words, st.booleans(), st.none() | st.builds(lambda a: NOW - a, AGES))
def test_a_gate_holds_by_a_fresh_pass_or_by_a_word_that_counts_and_by_nothing_else(
    gate: Gate, measured: Measured | None, vouched: Vouched | None, early: bool, since: datetime | None
) -> None:
    stands = standing(gate, measured, vouched, NOW, early=early, since=since)
    failed = measured is not None and measured.gate is gate and measured.result == "fail"
    by_measure = really_measured(measured, gate, since)
    by_word = really_vouched(vouched, gate, failed, early=early)
    assert stands.holds == (by_measure or by_word)
    assert stands.result in {PASS, FAIL, UNKNOWN, STALE, WAIVED}
    assert (stands.vouched is not None) == (by_word and not by_measure)
    if not stands.holds:
        assert stands.fix, "what does not hold says what to do"
    elif stands.vouched is not None or measured is not None:
        assert stands.valid_until is not None
        assert stands.valid_until > NOW


@pytest.mark.parametrize(
    ("gate", "measured", "vouched", "result"),
    [
        (Gate.CLOCK, None, None, UNKNOWN),
        (Gate.CLOCK, found(Gate.CLOCK, PASS), None, PASS),
        (Gate.CLOCK, found(Gate.CLOCK, PASS, timedelta(hours=4)), None, STALE),
        (Gate.CLOCK, found(Gate.CLOCK, PASS, timedelta(seconds=-1)), None, STALE),
        (Gate.CLOCK, found(Gate.CLOCK, FAIL), word(Gate.CLOCK, WAIVED), FAIL),
        (Gate.CLOCK, found(Gate.COUNTS, PASS), None, UNKNOWN),
        (Gate.DECIDED, found(Gate.DECIDED, FAIL), word(Gate.DECIDED, WAIVED), WAIVED),
        (Gate.DECIDED, found(Gate.DECIDED, FAIL), word(Gate.COUNTS, WAIVED), FAIL),
        (Gate.DECIDED, found(Gate.DECIDED, FAIL), word(Gate.DECIDED, ATTESTED), FAIL),
        (Gate.DECIDED, found(Gate.DECIDED, FAIL), word(Gate.DECIDED, WAIVED, timedelta(days=14)), FAIL),
        (Gate.DECIDED, found(Gate.DECIDED, PASS), word(Gate.DECIDED, WAIVED), PASS),
        (Gate.OPEN_FILES, found(Gate.OPEN_FILES, UNKNOWN), word(Gate.OPEN_FILES, ATTESTED), PASS),
        (Gate.OPEN_FILES, found(Gate.OPEN_FILES, FAIL), word(Gate.OPEN_FILES, ATTESTED), FAIL),
        (Gate.OPEN_FILES, found(Gate.OPEN_FILES, FAIL), word(Gate.OPEN_FILES, WAIVED), WAIVED),
        (Gate.INFORMED, None, word(Gate.INFORMED, ATTESTED, ends=timedelta(hours=1)), PASS),
        (Gate.INFORMED, None, word(Gate.INFORMED, WAIVED), UNKNOWN),
        (Gate.TWO_APPROVERS, None, word(Gate.TWO_APPROVERS, ATTESTED), UNKNOWN),
        (Gate.CODE_TYPED, None, word(Gate.CODE_TYPED, WAIVED), UNKNOWN),
    ],
)
def test_each_line_of_the_table(gate: Gate, measured: Measured | None, vouched: Vouched | None, result: str) -> None:
    assert standing(gate, measured, vouched, NOW).result == result


@pytest.mark.parametrize(
    "gate",
    [Gate.CONFIGURATION, Gate.CREDENTIALS, Gate.COMPLETE_SCAN, Gate.BACKLOG, Gate.VERIFIED, Gate.SOAKED,
     Gate.TWO_APPROVERS, Gate.CODE_TYPED],
)  # fmt: skip
def test_these_are_never_waived_from_the_freezing_on(gate: Gate) -> None:
    assert not allowed(gate, WAIVED)
    assert not allowed(gate, ATTESTED)


def test_whatever_an_early_event_asks_for_may_be_vouched_for_before_the_freezing() -> None:
    needed = {gate for (_, event), (_, gates) in TRANSITIONS.items() if event in EARLY for gate in gates}
    assert needed == {gate for gate in Gate if LAW[gate].early}
    assert Event.FREEZE not in EARLY
    for gate in needed:
        assert standing(gate, None, word(gate, WAIVED), NOW, early=True).result == WAIVED
        assert standing(gate, None, word(gate, WAIVED), NOW).result == UNKNOWN


def test_every_gate_has_a_law_a_meaning_in_both_languages_and_a_name() -> None:
    assert set(LAW) == set(Gate)
    for gate, row in LAW.items():
        assert len(set(row.meaning)) == 2
        assert row.longest > timedelta(0)
        assert bool(row.vouch) == (row.waive or row.attest or row.early), f"{gate}: a word that may be given lasts"
        assert named(short(gate)) is named(gate.value) is gate
    assert len(shorts()) == len(Gate)
    with pytest.raises(KeyError):
        named("all")


def test_a_word_ends_when_it_says_or_when_the_law_says_whichever_is_first() -> None:
    assert until(word(Gate.DECIDED, WAIVED)) == NOW + timedelta(days=14)
    assert until(word(Gate.DECIDED, WAIVED, ends=timedelta(days=1))) == NOW + timedelta(days=1)
    assert until(word(Gate.DECIDED, WAIVED, ends=timedelta(days=99))) == NOW + timedelta(days=14)
