"""How gates stand, and how they stood when a school went through them: by the journal, which nobody can change later.

The journal's row of a move names each gate with its result, or with the person who vouched for it, and its evidence.
Of rows without evidence (a stage moved by ``stage``) what was measured is shown where that was before the move and
nothing was measured since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bridge.core.cutover import Gate
from bridge.core.gates import Standing
from bridge.state import proof

RESULTS = frozenset({"pass", "fail", "waived", "stale", "unknown"})
HOLDS = frozenset({"pass", "waived"})


def told(one: Standing) -> dict[str, Any]:
    """A gate as it stands now, as reports tell it."""
    word = one.vouched
    vouched = None
    if word is not None:
        vouched = _word(word.how, word.actor, word.reason, word.at, word.expires)
    return {
        "gate": one.gate.value,
        "result": one.result,
        "holds": one.result in HOLDS,
        "expected": one.expected,
        "found": one.found,
        "fix": one.fix,
        "person": one.person,
        "human": one.human,
        "measured": time(one.measured),
        "valid_until": time(one.valid_until),
        "vouched": vouched,
    }


def stood(
    connection: Connection, code: str, moves: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Event -> when the school went through its gates last, and how they stood, where the journal names gates."""
    measured, vouched = proof.measured(connection, code), proof.vouched(connection, code)
    found = {}
    for move in moves:
        gates = move["gates"]
        if gates:
            at = datetime.fromisoformat(move["at"])
            rows = [
                _as_noted(gate, gates[gate], move["evidence"][gate])
                if gate in move["evidence"]
                else _passed(gate, gates[gate], at, measured.get(gate), vouched.get(gate))
                for gate in Gate
                if gate in gates
            ]
            found[move["event"]] = move["at"], rows
    return found


def _as_noted(gate: str, said: str, noted: Mapping[str, Any]) -> dict[str, Any]:
    """As the journal's row of the move tells it."""
    word = noted.get("vouched")
    result = said if word is None else "pass" if word["how"] == "attested" else "waived"
    return {
        "gate": gate,
        "result": result,
        "holds": result in HOLDS,
        "expected": noted.get("expected", ""),
        "found": noted.get("found", ""),
        "fix": "",
        "person": "",
        "human": False,
        "measured": noted.get("measured"),
        "valid_until": None,
        "vouched": word,
    }


def _passed(
    gate: str, said: str, at: datetime, measured: Mapping[str, Any] | None, vouched: Mapping[str, Any] | None
) -> dict[str, Any]:
    # The journal's time is told to the second: what was measured in that very second came before the move.
    known = measured if measured is not None and measured["at"].replace(microsecond=0) <= at else {}
    word, result = None, said
    if said not in RESULTS:
        mine = vouched if vouched is not None and vouched["actor"] == said else None
        word = _word(**mine) if mine else _word("vouched", said, "", None, None)
        result = "pass" if word["how"] == "attested" else "waived"
    return {
        "gate": gate,
        "result": result,
        "holds": result in HOLDS,
        "expected": known.get("expected", ""),
        "found": known.get("found", ""),
        "fix": "",
        "person": "",
        "human": False,
        "measured": time(known.get("at")),
        "valid_until": None,
        "vouched": word,
    }


def _word(how: str, actor: str, reason: str, at: datetime | None, expires: datetime | None) -> dict[str, Any]:
    return {"how": how, "actor": actor, "reason": reason, "at": time(at), "expires": time(expires)}


def time(moment: datetime | None) -> str | None:
    """A time as reports write it."""
    return None if moment is None else moment.isoformat(timespec="seconds")
