"""What was measured of a school's gates, what people said of them, and which configuration was rehearsed.

What was measured replaces what was measured before; the journal gets a row when a result changes, and for every word
of a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select

from bridge.core.changeover import Course
from bridge.core.cutover import Gate
from bridge.core.gates import LAW, WAIVED, Measured, Vouched, allowed, short
from bridge.core.kinds import Kind
from bridge.ports import ConfigurationError
from bridge.state import journal
from bridge.state.canonical import dump
from bridge.state.cutover_tables import changeover, gate
from bridge.state.cutover_tables import vouch as vouches
from bridge.state.database import Database
from bridge.state.transaction import Transaction, writing

#: What ``kind`` is in the journal.
KIND = "gate"
#: Beside the gates in their table: what was configured when the school rehearsed, key -> digest of its value.
_REHEARSED = "configuration rehearsed"
#: So many names of what is missing are kept.
_NAMED = 200
#: How runs end that prove the way back.
PROVEN = (Course.ROLL_BACK.value, Course.REHEARSAL.value)


def note(database: Database, code: str, kinds: Mapping[str, Kind], found: Sequence[Measured]) -> None:
    """Remember what was measured, all in one transaction."""
    if not found:
        return
    with writing(database, code, kinds) as tx:
        known = {
            row.gate: row.result for row in tx.rows(select(gate.c.gate, gate.c.result).where(gate.c.school == code))
        }
        tx.put(gate, [_row(one) for one in found])
        entries = []
        for one in found:
            before = known.get(one.gate.value)
            if before != one.result:
                after = {"result": one.result, "found": one.found}
                entries.append(_entry("measure", one.gate, before={"result": before}, after=after, outcome=one.result))
        journal.append(tx, entries)


def _row(one: Measured) -> dict[str, Any]:
    evidence = {"expected": one.expected, "found": one.found, "fix": one.fix, "numbers": dict(one.numbers)}
    if one.names:
        evidence["names"] = list(one.names[:_NAMED])
    return {"gate": one.gate.value, "result": one.result, "evidence": dump(evidence), "at": one.at}


def _entry(action: str, of: Gate, **more: Any) -> journal.Entry:
    return journal.Entry(action, kind=KIND, anchor=short(of), **more)


def measured(database: Database, code: str) -> Mapping[Gate, Measured]:
    """What was measured last, by gate."""
    with database.read() as connection:
        rows = connection.execute(select(gate).where(gate.c.school == code)).all()
    known = {one.value for one in Gate}
    return {Gate(row.gate): _measured(row) for row in rows if row.gate in known}


def _measured(row: Row[Any]) -> Measured:
    evidence = json.loads(row.evidence)
    names = tuple(evidence.pop("names", ()))
    return Measured(gate=Gate(row.gate), result=row.result, at=row.at, **evidence, names=names)


def vouch(database: Database, code: str, kinds: Mapping[str, Kind], vouched: Vouched, *, early: bool = False) -> None:
    """Remember what a person said. ConfigurationError where the law does not let them, or it says too little.

    ``early``: for an event before the freezing.
    """
    _check(code, vouched, early=early)
    with writing(database, code, kinds) as tx:
        put(tx, [vouched])


def put(tx: Transaction, words: Sequence[Vouched]) -> None:
    """The same inside of a transaction; ``vouch`` has checked it."""
    rows = ((one.gate.value, one.how, one.actor, one.reason, one.at, one.expires) for one in words)
    names = ("gate", "how", "actor", "reason", "at", "expires")
    tx.put(vouches, [dict(zip(names, row, strict=True)) for row in rows])
    journal.append(
        tx,
        [
            _entry(
                "waive" if one.how == WAIVED else "attest", one.gate, actor=one.actor, reason=one.reason,
                after={"gate": short(one.gate), "until": one.expires.isoformat() if one.expires else None},
            )
            for one in words
        ],
    )  # fmt: skip


def _check(code: str, one: Vouched, *, early: bool) -> None:
    row, name = LAW[one.gate], short(one.gate)
    if not allowed(one.gate, one.how, early=early):
        others = (
            "attest it" if row.attest else "waive it" if row.waive else "put right what is found, and measure again"
        )
        raise ConfigurationError(f"{code}: the gate {name} ({one.gate}) can't be {one.how}. Instead: {others}")
    if not one.reason.strip() or not one.actor.strip():
        raise ConfigurationError(f"{code}: say who and why for the gate {name}: both go into the journal")
    if one.expires is not None and not one.at < one.expires <= one.at + row.vouch:
        longest = (one.at + row.vouch).isoformat(timespec="minutes")
        raise ConfigurationError(
            f"{code}: what is said of the gate {name} has to end between now and {longest}; "
            f"found {one.expires.isoformat(timespec='minutes')}"
        )


def revoke(database: Database, code: str, kinds: Mapping[str, Kind], of: Gate, actor: str, reason: str) -> None:
    """Take back what a person said; ConfigurationError where nobody said anything."""
    with writing(database, code, kinds) as tx:
        mine = (vouches.c.school == code) & (vouches.c.gate == of.value)
        known = tx.rows(select(vouches.c.how, vouches.c.actor).where(mine))
        if not known:
            raise ConfigurationError(
                f"{code}: nobody attested or waived the gate {short(of)}: there is nothing to revoke"
            )
        tx.run(delete(vouches).where(mine))
        before = {"how": known[0].how, "by": known[0].actor}
        journal.append(tx, [_entry("revoke", of, actor=actor, reason=reason, before=before)])


def vouched(database: Database, code: str) -> Mapping[Gate, Vouched]:
    """What people said last, by gate, also what has expired."""
    with database.read() as connection:
        rows = connection.execute(select(vouches).where(vouches.c.school == code)).all()
    known = {one.value for one in Gate}
    return {
        Gate(row.gate): Vouched(Gate(row.gate), row.how, row.actor, row.reason, row.at, row.expires)
        for row in rows
        if row.gate in known
    }


def keep_rehearsed(
    database: Database, code: str, kinds: Mapping[str, Kind], keys: Mapping[str, str], *, actor: str, reason: str
) -> None:
    """From now on this configuration (key -> digest of its value) is the one that was rehearsed."""
    with writing(database, code, kinds) as tx:
        before, _ = _rehearsed(tx.connection, code)
        row = {"gate": _REHEARSED, "result": "", "evidence": dump(dict(keys)), "at": tx.now}
        tx.put(gate, [row])
        changed = sorted(name for name in {*before, *keys} if before.get(name) != keys.get(name)) if before else []
        entry = _entry("accept", Gate.CONFIGURATION, actor=actor, reason=reason, after={"changed": changed})
        journal.append(tx, [entry])


def rehearsed(database: Database, code: str) -> tuple[Mapping[str, str], datetime | None]:
    """Key -> digest of what was configured when the school rehearsed, and when that was; None: nothing is known."""
    with database.read() as connection:
        return _rehearsed(connection, code)


def _rehearsed(connection: Any, code: str) -> tuple[Mapping[str, str], datetime | None]:
    mine = (gate.c.school == code) & (gate.c.gate == _REHEARSED)
    row = connection.execute(select(gate.c.evidence, gate.c.at).where(mine)).first()
    return ({}, None) if row is None else (json.loads(row.evidence), row.at)


def way_back(database: Database, code: str) -> datetime | None:
    """When a run of this school ended that was rolled back, by a person or as a rehearsal."""
    mine = (changeover.c.school == code) & changeover.c.outcome.in_(PROVEN)
    with database.read() as connection:
        found: datetime | None = connection.execute(select(func.max(changeover.c.ended)).where(mine)).scalar()
    return found
