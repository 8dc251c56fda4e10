"""All shares of a school compared, and the report of it: for the command, for the gate, for the cutover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from bridge.daemon.roots import Root
from bridge.daemon.trouble import said
from bridge.daemon.verify import Found, Task, compare
from bridge.daemon.whereabouts import Gone
from bridge.ports import BridgeError, Waiting
from bridge.settings import School
from bridge.state.linked import links

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


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found, root -> why it could not be compared, roots without a folder yet."""

    found: list[Found] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)


async def compare_all(task: Task, roots: Sequence[Root]) -> Compared:
    """Compare them one after the other; a root that can't be compared does not keep the others from it."""
    outcome = Compared()
    found, errors, absent = outcome.found, outcome.errors, outcome.absent
    for root in roots:
        try:
            found.append(await compare(task, root))
        except (Waiting, Gone) as error:
            # Where something was mirrored before, a folder that is gone is the worst of differences.
            if next(links(task.ground.database, root.code), None) is None:
                absent.append(root.code)
            else:
                before = "" if isinstance(error, Gone) else ". It was there before: put it back"
                errors[root.code] = f"{said(error)}{before}"
        except (BridgeError, OSError, SQLAlchemyError) as error:
            errors[root.code] = said(error)
    return outcome


def report_of(school: School, outcome: Compared) -> dict[str, Any]:
    """The report as a tree: counts, and the first differences by ids."""
    found, errors, absent = outcome.found, outcome.errors, outcome.absent
    totals = Counter[str]()
    for one in found:
        totals.update(one.counts)
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
