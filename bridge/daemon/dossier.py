"""Everything that is held about one person, for that person to read (GDPR Art. 15): a tree for JSON, and pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bridge.daemon.person_homes import Home
from bridge.letters.report import Part, report
from bridge.settings import School
from bridge.state.persons import RULES, Whom

FORMAT = "schoolbridge-person/1"
#: Rows of a table on paper; the file has all of them.
_PRINTED = 60
#: Columns that hold JSON.
_TREES = frozenset({"fields", "agreed", "before", "after", "wanted", "given", "unsaid", "filled"})

_TEXT = {
    "de": {
        "title": "Auskunft nach Art. 15 DSGVO",
        "head": "Gespeichert zur Person mit der Kennung {}",
        "lines": (
            "Stand: {}. Vollständig ist die Datei neben diesem Ausdruck; hier stehen je Tabelle höchstens {} Zeilen.",
            "Zwecke nennt das Verzeichnis der Verarbeitungstätigkeiten der Schule (schoolbridge report records).",
            "Kennwörter speichert die Brücke nicht. Protokolle (Logs) nennen nur Kennungen, keine Namen.",
            "Das Konto selbst liegt im Verzeichnis der Schule und bei Microsoft; beides ist hier nicht enthalten.",
        ),
        "table": "Tabelle {} ({} Zeilen)",
        "home": "Ordner {}: {} Versionen im Papierkorb",
        "empty": "keine",
    },
    "en": {
        "title": "Information under Art. 15 GDPR",
        "head": "Stored about the person with the id {}",
        "lines": (
            "As of {}. The file beside this print is complete; of each table at most {} rows are printed here.",
            "Purposes and legal grounds stand in the school's record of processing activities (report records).",
            "The bridge stores no passwords. Logs name ids only, no names.",
            "The account itself lies at the school (directory) and at Microsoft; neither is part of this.",
        ),
        "table": "Table {} ({} rows)",
        "home": "Folder {}: {} versions in its trash",
        "empty": "none",
    },
}


def tree(
    school: School, person: Whom, rows: Iterable[tuple[str, Mapping[str, Any]]], homes: Sequence[Home], made: datetime
) -> dict[str, Any]:
    """All of it, tables in the order of their names; the tables that hold nothing about people are named, too."""
    stores: dict[str, list[dict[str, Any]]] = {}
    for table, row in rows:
        stores.setdefault(table, []).append({name: _plain(name, value) for name, value in row.items()})
    return {
        "format": FORMAT,
        "school": school.code,
        "name_of_school": school.name,
        "link": person.link,
        "anchors": {side.value: anchor for side, anchor in person.anchors.items()},
        "made": made.isoformat(timespec="seconds"),
        "stores": stores,
        "stores_without_people": sorted(name for name, rule in RULES.items() if rule is None),
        "folders": [
            {
                "root": home.code,
                "trash": [
                    {"path": one.path, "kind": one.kind, "moment": one.moment, "deleted": one.deleted, "size": one.size}
                    for one in home.kept
                ],
                "not_readable": home.why,
                "indexes": list(home.files),
            }
            for home in homes
        ],
        "purposes": {
            f"{kind}.{name}": one.purpose for kind, named in school.attributes.items() for name, one in named.items()
        },
    }


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if name in _TREES and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def pages(said: Mapping[str, Any], *, school: School, language: str) -> bytes:
    """The PDF."""
    words = _TEXT[language]
    foot = f"{said['format']} · {said['school']} · {said['link']} · {said['made']}"
    return report(str(words["title"]), _parts(said, words), school=school.name, language=language, foot=foot)


def _parts(said: Mapping[str, Any], words: Mapping[str, Any]) -> Iterable[Part]:
    lines = [line.format(said["made"], _PRINTED) for line in words["lines"]]
    yield Part(words["head"].format(said["link"]), lines)
    for table, rows in said["stores"].items():
        yield Part(words["table"].format(table, len(rows)), [_line(row) for row in rows[:_PRINTED]])
    for home in said["folders"]:
        shown = [f"{one['moment']} {one['path']} ({one['size']} B)" for one in home["trash"][:_PRINTED]]
        lines = [*shown, *([home["not_readable"]] if home["not_readable"] else [])] or [words["empty"]]
        yield Part(words["home"].format(home["root"], len(home["trash"])), lines)


def _line(row: Mapping[str, Any]) -> str:
    """A row as people can read it: what is empty is left out."""
    parts = [f"{name}: {_shown(value)}" for name, value in row.items() if value not in (None, "", {}, [])]
    return "; ".join(part for part in parts if not part.startswith(("school:", "hash:", "salt:", "digest:", "refs:")))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(one)}" for name, one in value.items()) + "}"
    return str(value)
