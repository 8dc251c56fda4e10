"""Receipts of what was disabled, deleted, purged, held and erased (DIN 66398): taken from the journal, signed.

A receipt names a link and an anchor, never a person; it says which step was done when, after which period of whose
role, by which stage of the policy. The journal's number and hash of its row tie it to the chain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.daemon.signing import Signer
from bridge.letters.report import Part, report
from bridge.settings import School
from bridge.settings.words import in_words
from bridge.state.journal import Written
from bridge.state.private import save
from bridge.state.store import SchoolStore

FORMAT = "schoolbridge-receipts/1"
_STEPS = frozenset({"disable", "delete", "purge", "forget", "erase", "hold person", "lift hold"})
_WORDS = {
    "de": {
        "title": "Löschbelege",
        "what": "Belegt ist, was die Brücke getan hat; Personen stehen hier nur mit ihrer Kennung (DIN 66398).",
        "span": "Von {} bis {}. Belege: {}.",
        "periods": "Fristen bei der Ausgabe dieses Belegs (dulden, deaktiviert, im Papierkorb)",
        "receipts": "Belege",
        "columns": ("Nr.", "Zeit (UTC)", "Schritt", "Seite", "Link und Anker", "Rolle", "Regel", "Grund"),
        "foot": "Unterschrieben mit dem Schlüssel {}; geprüft wird die Datei {} mit: schoolbridge leavers {} --check",
        "begin": "Anfang",
    },
    "en": {
        "title": "Receipts of deletion",
        "what": "These are the steps the bridge has done; people are named by their ids only (DIN 66398).",
        "span": "From {} to {}. Receipts: {}.",
        "periods": "Periods when this was printed (tolerated, disabled, in the recycle bin)",
        "receipts": "Receipts",
        "columns": ("No.", "Time (UTC)", "Step", "Side", "Link and anchor", "Role", "Rule", "Reason"),
        "foot": "Signed with the key {}; the file {} is checked with: schoolbridge leavers {} --check",
        "begin": "the beginning",
    },
}


def receipts(store: SchoolStore, *, since: datetime | None = None, after: int = 0) -> list[dict[str, Any]]:
    """All receipts of a school's people and groups since a time or after a row of the journal, oldest first."""
    return [
        _receipt(row)
        for row in store.journal(after=after)
        if (since is None or row.at >= since) and row.entry.action in _STEPS and _of_people(row)
    ]


def _of_people(row: Written) -> bool:
    entry = row.entry
    return entry.kind in {"user", "group"} and (
        bool(entry.after.get("rule")) or entry.action not in {"disable", "delete"}
    )


def _receipt(row: Written) -> dict[str, Any]:
    entry = row.entry
    return {
        "seq": row.seq,
        "hash": row.hash,
        "at": row.at.isoformat(timespec="seconds"),
        "step": entry.action,
        "kind": entry.kind,
        "link": entry.link,
        "side": entry.side,
        "anchor": entry.anchor,
        "role": str(entry.after.get("role", "")),
        "rule": str(entry.after.get("rule", "")),
        "reason": entry.reason,
        "actor": entry.actor,
        "outcome": entry.outcome.partition(":")[0],
    }


def tree(school: School, store: SchoolStore, found: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """The report that is signed; the journal's checkpoint proves that the rows were there when it was made."""
    head = store.checkpoint()
    return {
        "format": FORMAT,
        "school": school.code,
        "checkpoint": str(head),
        "stage": store.stage(),
        "periods": {
            f"{kind}.{role}": [in_words(one) for one in steps] for (kind, role), steps in school.periods.items()
        },
        "receipts": [dict(one) for one in found],
        **more,
    }


def print_out(path: Path, signed: Mapping[str, Any], *, signer: Signer, school: School, language: str) -> Path:
    """Write the signed report beside ``path`` (``.json``), then the PDF; returns the former. Raises OSError."""
    beside = path.with_suffix(".json")
    save(beside, (json.dumps(signed, ensure_ascii=False, indent=1) + "\n").encode())
    words, said = _WORDS[language], signed["report"]
    foot = str(words["foot"]).format(signer.fingerprint, beside.name, school.code)
    save(path, report(str(words["title"]), _parts(words, said), school=school.name, language=language, foot=foot))
    return beside


def _parts(words: Mapping[str, Any], said: Mapping[str, Any]) -> Iterable[Part]:
    rows = [
        (
            str(one["seq"]), str(one["at"])[:19].replace("T", " "),
            one["step"], one["side"], f"{one['link']}\n{one['anchor']}", one["role"], one["rule"], one["reason"],
        )
        for one in said["receipts"]
    ]  # fmt: skip
    span = str(words["span"]).format(said.get("since") or words["begin"], said["printed"], len(rows))
    yield Part(
        str(words["receipts"]), (words["what"], span, said["checkpoint"]), (words["columns"], *rows) if rows else ()
    )
    yield Part(str(words["periods"]), [f"{whom}: {', '.join(steps)}" for whom, steps in said["periods"].items()])


def missing(store: SchoolStore, said: Mapping[str, Any]) -> list[int]:
    """Numbers of receipts whose row the journal does not have (any more) with this hash."""
    told = [(int(one["seq"]), one["hash"]) for one in said.get("receipts", ())]
    wanted = {seq for seq, _ in told}
    hashes = {row.seq: row.hash for row in store.journal() if row.seq in wanted}
    return [seq for seq, digest in told if hashes.get(seq) != digest]
