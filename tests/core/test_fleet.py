"""Each row of the table of what a hub applies; its simulation stands in ``tests/fleet``."""

from __future__ import annotations

import pytest

from bridge.core.fleet import Mark, Taken, Told, Verdict, answered, take

MARK = Mark(2, 10)


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        (Told(1, 99, 1, [98, 99]), Taken(Verdict.BEHIND, MARK)),
        (Told(2, 9, 8, [8, 9]), Taken(Verdict.BEHIND, MARK)),
        (Told(2, 10, 9, [9, 10]), Taken(Verdict.REPEATED, MARK)),
        (Told(2, 10, 11, []), Taken(Verdict.REPEATED, MARK)),
        (Told(2, 14, 11, [13, 14]), Taken(Verdict.HOLE, MARK)),
        (Told(2, 14, 13, [14]), Taken(Verdict.HOLE, MARK)),
        (Told(2, 14, 13, [13, 14]), Taken(Verdict.APPLIED, Mark(2, 14), first=13, missing=2)),
        (Told(2, 14, 15, []), Taken(Verdict.APPLIED, Mark(2, 14), missing=4)),
        (Told(2, 12, 9, [9, 10, 11, 12]), Taken(Verdict.APPLIED, Mark(2, 12), first=11)),
        (Told(2, 12, 11, [11]), Taken(Verdict.APPLIED, Mark(2, 11), first=11)),
        (Told(3, 2, 1, [1, 2]), Taken(Verdict.APPLIED, Mark(3, 2), first=1)),
        (Told(3, 0, 1, []), Taken(Verdict.REPEATED, Mark(3, 0))),
    ],
)
def test_rows(told: Told, taken: Taken) -> None:
    assert take(MARK, told) == taken


@pytest.mark.parametrize(
    ("site", "hub", "verdict", "after"),
    [
        (Mark(2, 8), Mark(2, 10), Verdict.BEHIND, (Mark(3, 0), 0)),
        (Mark(2, 8), Mark(5, 10), Verdict.BEHIND, (Mark(6, 0), 0)),
        (Mark(3, 5), Mark(3, 4), Verdict.APPLIED, (Mark(3, 5), 4)),
        (Mark(3, 5), Mark(2, 9), Verdict.APPLIED, (Mark(3, 5), 0)),
        (Mark(3, 5), Mark(3, 3), Verdict.HOLE, (Mark(3, 5), 3)),
    ],
)
def test_what_a_site_concludes(site: Mark, hub: Mark, verdict: Verdict, after: tuple[Mark, int]) -> None:
    assert answered(site, hub, verdict) == after
