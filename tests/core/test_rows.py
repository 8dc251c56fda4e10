"""Each of the seven rows decides as its table says."""

from __future__ import annotations

import pytest

from bridge.core.cutover import Stage
from bridge.core.fate import Row, fate, row_of
from bridge.core.kinds import KINDS
from bridge.core.policy import policy_for
from bridge.core.reconcile import reconcile
from tests.core.rows import ROWS, Case
from tests.core.words import NOW, link

POLICY = policy_for(Stage.HYBRID)


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_row(case: Case) -> None:
    one = link(case.kind, case.school, case.cloud, case.agreed, gone=case.gone)
    assert row_of(one) is case.row
    assert fate(one, KINDS[case.kind], POLICY).verdict is case.verdict
    plan = reconcile([one], kinds=KINDS, policy=POLICY, now=NOW, anchored=lambda link, side: True)
    assert tuple((operation.side, operation.action) for operation in plan.operations) == case.operations
    assert [hold.rule for hold in plan.holds] == ([case.rule] if case.rule else [])
    assert plan.quiet == ([] if case.operations or case.rule else ["L1"])


def test_every_row_has_a_case() -> None:
    assert {case.row for case in ROWS} == set(Row)
