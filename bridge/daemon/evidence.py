"""What is put into signed reports: the completion of a cutover for a third party, the readiness for the head teacher.

One moment of the database for all of it: manifest and counts, what was left and who said so, how the stage moved, the
heads of the journals. Ids only, never names of people or files; only those who decided are named by their account.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from bridge.core.cutover import STAGES, Event, Gate, Stage
from bridge.core.gates import Standing
from bridge.daemon import manifest
from bridge.daemon.measuring.books import digest_of, keys_of
from bridge.daemon.readiness import gates_of
from bridge.daemon.roots import roots_of
from bridge.daemon.shares import Ground
from bridge.daemon.software import software
from bridge.daemon.stood import stood, time, told
from bridge.state import mirrored, proof
from bridge.state.appointments import appointment
from bridge.state.changeover import Run
from bridge.state.tables import school as schools

COMPLETION = "schoolbridge-completion/1"
READINESS = "schoolbridge-readiness/1"
#: The transitions of a cutover whose gates a completion report shows, as far as the school went.
_WAY = (
    (Stage.HYBRID, Event.FREEZE),
    (Stage.FREEZING, Event.SWITCH),
    (Stage.SOAKING, Event.FINALISE),
)
#: So many of them are behind a school or come next; in other stages all of them.
_AHEAD = {Stage.CLASSIC: 1, Stage.OBSERVING: 1, Stage.REHEARSING: 1, Stage.HYBRID: 1, Stage.FREEZING: 2}


def completion(ground: Ground, *, now: datetime, out: manifest.Sink | None = None) -> dict[str, Any]:
    """All that proves a cutover. The manifest's lines go to ``out``; the report has its root."""
    school, database = ground.school, ground.database
    with mirrored.one_moment(database) as connection:
        stage, since = _stage(connection, school.code)
        summary = manifest.write(connection, school.code, salt=secrets.token_hex(16), out=out)
        head, *roots = proof.heads(connection, school.code)
        codes = [one.school for one in (head, *roots)]
        left = [_left(one) for one in proof.left(connection, school.code)]
        conflicts = [
            {"code": code, "conflict": conflict, "link": link}
            for code, conflict, link in proof.open_conflicts(connection, school.code)
        ]
        runs = proof.runs(connection, school.code)
        run = runs[-1] if runs else None
        moves = list(proof.moves(connection, school.code, since=run.started if run else None))
        approvals = proof.approvals(connection, school.code)
        one_sided = mirrored.one_sided(connection, codes)
        unsound = proof.unsound(connection, codes)
        passed = stood(connection, school.code, moves)
    gates, as_of = _gates(ground, stage, passed, now)
    return {
        **_head(ground, COMPLETION, stage, since, now),
        "run": _run(run),
        "runs": [
            {"id": one.id, "started": time(one.started), "ended": time(one.ended), "outcome": one.outcome}
            for one in runs
        ],
        "moves": [{name: value for name, value in one.items() if name != "evidence"} for one in moves],
        "mirrored": {
            "objects": dict(sorted(summary.kinds.items())),
            "shares": {name: dict(sorted(numbers.items())) for name, numbers in sorted(summary.shares.items())},
            "one_sided": one_sided,
        },
        "manifest": {
            "format": manifest.FORMAT,
            "tree": "RFC 6962, SHA-256",
            "root": summary.tree.root.hex(),
            "leaves": summary.tree.size,
        },
        "verification": _verification(run, gates),
        "skipped": {
            "held": left,
            "conflicts": conflicts,
            "without_folder": [
                {"share": share, "owner": owner, "why": why}
                for (share, owner), why in sorted(roots_of(school, database).unfit.items())
            ],
            "waived": [one for some in gates.values() for one in some if one["result"] == "waived"],
        },
        "gates": gates,
        "gates_as_of": as_of,
        "approvals": approvals,
        "journal": {
            "school": str(head),
            "roots": [str(one) for one in roots],
            "unsound": unsound,
        },
        "rollback": _rollback(stage, gates),
    }


def readiness(ground: Ground, found: Iterable[Standing], *, event: Event, now: datetime) -> dict[str, Any]:
    """How far a school is on its way to an event: its gates, who does what, until when."""
    with mirrored.one_moment(ground.database) as connection:
        stage, since = _stage(connection, ground.school.code)
        head = proof.heads(connection, ground.school.code)[0]
    gates = [told(one) for one in found]
    at = appointment(ground.database, ground.school.code)
    return {
        **_head(ground, READINESS, stage, since, now),
        "event": event.value,
        "ready": all(one["holds"] for one in gates),
        "appointment": time(at.at if at else None),
        "gates": gates,
        "journal": {"school": str(head)},
    }


def _head(ground: Ground, form: str, stage: Stage, since: datetime | None, now: datetime) -> dict[str, Any]:
    settings, school = ground.settings, ground.school
    return {
        "format": form,
        "school": school.code,
        "name": school.name,
        "made": time(now),
        "time_zone": settings.bridge.time_zone,
        "stage": {"now": stage.value, "since": time(since), "authority": STAGES[stage].authority.value},
        "configuration": {"sha256": digest_of(keys_of(settings, school))},
        "software": software(),
    }


def _stage(connection: Connection, code: str) -> tuple[Stage, datetime | None]:
    row = connection.execute(select(schools.c.stage, schools.c.stage_since).where(schools.c.code == code)).one()
    return Stage(row.stage), row.stage_since


def _run(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "id": run.id,
        "actor": run.actor,
        "started": time(run.started),
        "deadline": time(run.deadline),
        "ended": time(run.ended),
        "step": run.step,
        "step_since": time(run.step_at),
        "attempts": run.attempts,
        "held_up": bool(run.problem),  # its text may name a file
        "outcome": run.outcome,
    }


def _gates(
    ground: Ground, stage: Stage, passed: Mapping[str, tuple[str, list[dict[str, Any]]]], now: datetime
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str | None]]:
    """Of each step so far and of the next one: its gates as they were when it was taken, else as they are now."""
    gates: dict[str, list[dict[str, Any]]] = {}
    as_of: dict[str, str | None] = {}
    way = _WAY[: _AHEAD.get(Stage(stage.value.removeprefix("paused-")), len(_WAY))]
    for source, event in way:
        if source is not stage and event in passed:
            as_of[event.value], gates[event.value] = passed[event]
        else:
            found = gates_of(ground.database, ground.school, source, event, now)
            as_of[event.value], gates[event.value] = time(now), [told(one) for one in found]
    return gates, as_of


def _verification(run: Run | None, gates: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """What was found when contents were compared: the gate's words, and the numbers that the run remembers."""
    of = (Gate.VERIFIED, Gate.COUNTS)
    asked = gates.get(Event.SWITCH.value, [one for some in gates.values() for one in some])
    found = [one for one in asked if one["gate"] in of]
    numbers = run.state.get("verify") if run is not None else None
    return {"gates": found, "numbers": numbers if isinstance(numbers, Mapping) else {}}


def _rollback(stage: Stage, gates: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Whether there is a way back, and whether it was tried."""
    tried = [one for some in gates.values() for one in some if one["gate"] == Gate.ROLLBACK_REHEARSED]
    return {
        "possible": stage in {Stage.FREEZING, Stage.SOAKING, Stage.PAUSED_SOAKING},
        "until": Event.FINALISE.value,
        "rehearsed": tried[0] if tried else None,
    }


def _left(one: proof.Left) -> dict[str, Any]:
    released = {"by": one.released_by, "why": one.released_why, "at": one.released_at} if one.released_by else None
    return {
        "code": one.code,
        "link": one.link,
        "kind": one.kind,
        "side": one.side,
        "action": one.action,
        "rule": one.rule,
        "since": one.since,
        "released": released,
    }
