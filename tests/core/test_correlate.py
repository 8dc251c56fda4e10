"""The correlate table."""

from __future__ import annotations

import pytest

from bridge.core.correlate import PLACE, Found, Match, Verdict, correlate
from bridge.core.kinds import KINDS

FREE, OTHER, PAIRED = Found("c1", False), Found("c2", False), Found("c3", True)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({"source_anchor": [FREE]}, Verdict(Match.LINKED, "source_anchor", ("c1",))),
        ({"source_anchor": [FREE], "upn": [OTHER]}, Verdict(Match.LINKED, "source_anchor", ("c1",))),
        ({"source_anchor": [OTHER, FREE]}, Verdict(Match.DISPUTED, "source_anchor", ("c1", "c2"))),
        ({"source_anchor": [PAIRED]}, Verdict(Match.DISPUTED, "source_anchor", ("c3",))),
        ({"upn": [FREE]}, Verdict(Match.UNLINKED, "upn", ("c1",))),
        ({"upn": [OTHER, FREE]}, Verdict(Match.UNLINKED, "upn", ("c1", "c2"))),
        ({"upn": [PAIRED]}, Verdict(Match.UNMATCHED)),
        ({}, Verdict(Match.UNMATCHED)),
    ],
)
def test_people(found: dict[str, list[Found]], verdict: Verdict) -> None:
    assert correlate(KINDS["user"], found) == verdict


@pytest.mark.parametrize(
    ("found", "match"),
    [
        ([FREE], Match.LINKED),
        ([PAIRED], Match.UNMATCHED),
        ([FREE, PAIRED], Match.LINKED),
        ([FREE, OTHER], Match.DISPUTED),
    ],
)
def test_a_place_is_no_identity(found: list[Found], match: Match) -> None:
    assert correlate(KINDS["file"], {PLACE: found}).match is match
