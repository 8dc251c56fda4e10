"""How the long proofs run: in chunks, each of a seed of its own, so that they spread over processes and replay alone.

make soak                              all of it: 100,000 cases of the planner, 10,000 of the whole engine on trees,
                                       1,800 of people and trees together, all fault points
SCHOOLBRIDGE_SEED=7 pytest -m soak ... the same cases again (the seed is printed)
SCHOOLBRIDGE_REPLAY=... pytest ...     one case alone: the text in quotes of the line ``@reproduce_failure(...)``
                                       that a failing one prints
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, reproduce_failure, seed, settings
from hypothesis import __version__ as hypothesis_version
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

#: Parts of a soak; each is a test.
CHUNKS = range(4)
_CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def run_machine(machine: type[RuleBasedStateMachine], how: settings, *, chunk: int | None = None) -> None:
    """Run a state machine; with ``chunk`` as that part of a soak."""
    alone = os.environ.get("SCHOOLBRIDGE_REPLAY")
    # A subclass of its own bears the seed: the next run of the same machine has another one.
    one = type(machine.__name__, (machine,), {})
    if alone:
        reproduce_failure(hypothesis_version, alone.encode())(one)
    elif chunk is not None:
        seed(seed_of(chunk))(one)
    run_state_machine_as_test(one, settings=settings(how, deadline=None, print_blob=True, suppress_health_check=_CALM))


def short_and_long(
    drawn: Callable[[Any], Any], prove: Callable[..., None], few: int, many: int
) -> tuple[Callable[..., None], Callable[..., None]]:
    """A property as two tests: some cases, always the same, for ``make test``; many others for the soak."""
    short = settings(max_examples=few, deadline=None, derandomize=True, suppress_health_check=_CALM)
    long = settings(max_examples=many, deadline=None, print_blob=True, suppress_health_check=_CALM)
    return short(drawn(prove)), pytest.mark.soak(pytest.mark.timeout(7200)(long(drawn(prove))))


def seed_of(chunk: int) -> int:
    """The seed of a part, printed: another one each time unless SCHOOLBRIDGE_SEED names it."""
    base = int(os.environ.get("SCHOOLBRIDGE_SEED") or random.SystemRandom().randrange(10**6))
    print(f"SCHOOLBRIDGE_SEED={base}, chunk {chunk}")
    return base * len(CHUNKS) + chunk
