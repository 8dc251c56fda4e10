"""Files compared by their bytes: how many of how many, and what that says of those that were not.

Of N files n were compared, chosen so that nobody could foresee them, and none differed. If D of the N differed, the
chance of meeting none of them is (1 - n/N)**D at the most; with 95 % confidence fewer than D differ for which that is
below 5 %. All of them compared, none differs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.core.cutover import Gate
from bridge.core.gates import Measured
from bridge.daemon.measuring.verdicts import counted, verdict

#: The chance of being wrong, and the part of the files that may differ unseen at most.
DOUBT, PART = 0.05, 0.01


def fewer_than(compared: int, of: int) -> int:
    """So many files or more would have shown with 95 % confidence; 1: none differs, more than ``of``: nothing known."""
    if compared >= of:
        return 1
    if compared <= 0:
        return of + 1
    return max(1, math.ceil(math.log(DOUBT) / math.log1p(-compared / of)))


def verified(report: Mapping[str, Any], at: datetime, *, frozen: bool, shares: bool) -> Measured:
    """The verdict on what ``verify`` told of all shares. What is held for a known reason is judged by another gate.

    Of a school that has ``shares``, no folder at all proves nothing.
    """
    totals: Mapping[str, int] = report["totals"]
    different, held = totals.get("different", 0), totals.get("held", 0)
    unread, compared = totals.get("unread", 0), int(report["contents_compared"])
    errors, folders = len(report["not_compared"]), len(report["roots"])
    of = compared + totals.get("left_for_other_nights", 0)
    beyond = fewer_than(compared, of)
    unknown = different - held
    bad = [f"{counted(unknown, 'difference')} that nothing explains"] * bool(unknown)
    bad += [f"{counted(errors, 'folder')} that could not be compared"] * bool(errors)
    bad += [f"{counted(unread, 'file')} open or being written"] * bool(unread and frozen)
    enough = (
        (folders > 0 or not shares)
        and (not of or beyond <= max(1, math.floor(of * PART)))
        and unread <= (of + unread) * PART
    )
    said = "" if compared >= of else f"; with 95 % confidence fewer than {beyond:,} of all differ"
    found = f"{compared:,} of {counted(of, 'file')} compared in {counted(folders, 'folder')}, {unknown:,} differ{said}"
    found += f"; {held:,} differ for a known reason" if held else ""
    found += f"; {counted(unread, 'file')} could not be read" if unread and not frozen else ""
    found += "; no folder of the shares is there" if shares and not folders else ""
    return verdict(
        Gate.VERIFIED, at, ok=False if bad else enough or None,
        expected="every file compared, or so many that with 95 % confidence fewer than 1 % differ; none differs",
        found="; ".join([*bad, found]),
        fix="see the differences (schoolbridge verify), mirror, compare again: schoolbridge readiness SCHOOL --verify",
        numbers={"files": of, "compared": compared, "different": different, "held": held, "unread": unread,
                 "not_compared": errors, "folders": folders, "fewer_than": beyond,
                 "percent": float(report.get("percent", 100))},
    )  # fmt: skip
