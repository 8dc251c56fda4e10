"""The report of a comparison of shares by content: for the command, and for the gate."""

from __future__ import annotations

from typing import Any

from bridge.daemon.compared import Compared
from bridge.settings import School

FORMAT = "schoolbridge-verify/1"
_TEXTS = {
    "equal": ("All that was compared is equal on both sides.", "Alles Verglichene ist auf beiden Seiten gleich."),
    "different": ("The two sides differ.", "Die beiden Seiten unterscheiden sich."),
    "error": (
        "Not everything could be compared: nothing is proved for what is missing here.",
        "Nicht alles konnte verglichen werden: Für das Fehlende ist nichts bewiesen.",
    ),
}
_COUNTS = (
    ("{0} of {1} folders compared", "{0} von {1} Ordnern verglichen"),
    ("{2} files at the school, {3} in the cloud", "{2} Dateien in der Schule, {3} in der Cloud"),
    ("contents of {4} compared, {5} left for other nights", "Inhalt von {4} verglichen, {5} bleiben anderen Nächten"),
    ("{6} differ, {7} of them held for a known reason", "{6} unterscheiden sich, {7} davon aus bekanntem Grund"),
    ("{8} were open or being written", "{8} waren geöffnet oder wurden geschrieben"),
)


def report_of(school: School, outcome: Compared) -> dict[str, Any]:
    """The report as a tree: counts, and the first differences by ids."""
    found, errors, absent, totals = outcome.found, outcome.errors, outcome.absent, outcome.totals()
    compared = sum(one.compared for one in found)
    different = totals["different"]
    result = "error" if errors else "different" if different else "equal"
    of = len(found) + len(errors) + len(absent)
    numbers = (
        len(found), of, totals["school:file"], totals["cloud:file"], compared, totals["left_for_other_nights"],
        different, totals["held"], totals["unread"],
    )  # fmt: skip
    texts = {
        language: [_TEXTS[result][place], *(text[place].format(*numbers) for text in _COUNTS)]
        for place, language in enumerate(("en", "de"))
    }
    return {
        "format": FORMAT,
        "school": school.code,
        "result": result,
        "text": texts,
        "contents_compared": compared,
        "totals": {name: number for name, number in sorted(totals.items()) if number},
        "roots": [
            {
                "root": one.root.code,
                "compared": one.compared,
                "counts": {name: number for name, number in sorted(one.counts.items()) if number},
                "differences": one.differences,
            }
            for one in found
        ],
        "not_compared": errors,
        "no_folder_yet": list(absent),
    }
