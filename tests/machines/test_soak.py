"""A case that fails in a soak can be run again alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.machines.soak import run_machine


class Failing(RuleBasedStateMachine):
    """Counts its steps and falls over a large number."""

    cases = 0

    def __init__(self) -> None:
        super().__init__()
        Failing.cases += 1

    @rule(number=st.integers(0, 1000))
    def take(self, number: int) -> None:
        assert number < 900


def test_a_failing_case_is_replayed_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    how = settings(max_examples=200, stateful_step_count=10, database=None)
    monkeypatch.setenv("SCHOOLBRIDGE_SEED", "7")
    with pytest.raises(AssertionError) as found:
        run_machine(Failing, how, chunk=1)
    assert "SCHOOLBRIDGE_SEED=7, chunk 1" in capsys.readouterr().out
    blob = re.search(r"@reproduce_failure\('[^']+', b'([^']+)'\)", "\n".join(found.value.__notes__))
    assert blob
    monkeypatch.setenv("SCHOOLBRIDGE_REPLAY", blob[1])
    Failing.cases = 0
    with pytest.raises(AssertionError):
        run_machine(Failing, how)
    assert Failing.cases == 1
