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
from bridge.core.gates import ATTESTED, FAIL, PASS, STALE, UNKNOWN, WAIVED, Standing
from bridge.state import proof

_RESULTS = frozenset({PASS, FAIL, WAIVED, STALE, UNKNOWN})


def told(one: Standing) -> dict[str, Any]:
    """A gate as it stands now, as reports tell it."""
    word = one.vouched
    vouched = None
    if word is not None:
        vouched = _word(word.how, word.actor, word.reason, word.at, word.expires)
    return {
        "gate": one.gate.value,
        "result": one.result,
        "holds": one.holds,
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
    return _then(gate, said, noted, noted.get("measured"), noted.get("vouched"))


def _passed(
    gate: str, said: str, at: datetime, measured: Mapping[str, Any] | None, vouched: Mapping[str, Any] | None
) -> dict[str, Any]:
    # The journal's time is told to the second: what was measured in that very second came before the move.
    known = measured if measured is not None and measured["at"].replace(microsecond=0) <= at else {}
    word = None
    if said not in _RESULTS:
        mine = vouched if vouched is not None and vouched["actor"] == said else None
        word = _word(**mine) if mine else _word("vouched", said, "", None, None)
    return _then(gate, said, known, time(known.get("at")), word)


def _then(
    gate: str, said: str, known: Mapping[str, Any], measured: str | None, word: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A gate as it stood, in the shape of ``told``; with a person's word, ``said`` is who gave it."""
    result = said if word is None else PASS if word["how"] == ATTESTED else WAIVED
    return {
        "gate": gate,
        "result": result,
        "holds": result in (PASS, WAIVED),
        "expected": known.get("expected", ""),
        "found": known.get("found", ""),
        "fix": "",
        "person": "",
        "human": False,
        "measured": measured,
        "valid_until": None,
        "vouched": word,
    }


def _word(how: str, actor: str, reason: str, at: datetime | None, expires: datetime | None) -> dict[str, Any]:
    return {"how": how, "actor": actor, "reason": reason, "at": time(at), "expires": time(expires)}


def time(moment: datetime | None) -> str | None:
    """A time as reports write it."""
    return None if moment is None else moment.isoformat(timespec="seconds")
