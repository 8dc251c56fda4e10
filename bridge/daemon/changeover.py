"""What people ask of a cutover: freeze, abort, roll back, approve, make it final. Nothing is done here but decided.

Every request is one transaction: the stage moves, the run begins or turns, the journal says who wanted it and by which
gates. The daemon sees the run and does its steps: ``bridge.daemon.steps``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bridge.core import cutover
from bridge.core.changeover import Course, Step
from bridge.core.cutover import Event, Gate, Illegal, Stage
from bridge.core.gates import Standing
from bridge.daemon import readiness, wiring
from bridge.daemon.freezing import BY_HAND
from bridge.daemon.ids import TimeOrdered
from bridge.ports import ConfigurationError
from bridge.settings import School
from bridge.settings.render import guess
from bridge.settings.source import shown
from bridge.state import approvals as given
from bridge.state import changeover as runs
from bridge.state import journal, stages
from bridge.state.approvals import Approval
from bridge.state.changeover import Run, past, running
from bridge.state.database import Database
from bridge.state.transaction import Transaction, writing

__all__ = ["CUTOVER", "Run", "approve", "expire", "past", "request", "running", "wanted"]

#: What a rehearsal needs not: it is how they come to hold.
NOT_REHEARSED = frozenset({Gate.ROLLBACK_REHEARSED, Gate.INFORMED, Gate.DEVICES})
#: Events that nobody asks for: they happen in the course of a run.
_BY_ITSELF: Mapping[Event, str] = {
    Event.SWITCH: "the run switches by itself once its gates hold; see them with: schoolbridge readiness {}",
    Event.DEADLINE: "the deadline passes by itself; to end the freezing now: schoolbridge cutover abort {}",
}
#: What is asked for here, with a run or with approvals, and nowhere else.
CUTOVER = frozenset(
    {Event.FREEZE, Event.ABORT, Event.DEADLINE, Event.SWITCH, Event.ROLL_BACK, Event.FINALISE, Event.RETIRE}
)
_ALONE = frozenset({Event.FREEZE, Event.ROLL_BACK, Event.FINALISE, Event.RETIRE, Event.PAUSE, Event.WITHDRAW})


def request(
    database: Database,
    school: School,
    event: Event,
    *,
    actor: str,
    reason: str,
    typed: str = "",
    rehearsal: bool = False,
    at_once: bool = False,
    now: datetime | None = None,
) -> Stage:
    """Do what a person asks for, and say in which stage the school is then.

    ``rehearsal`` (of a freezing): verify, then back to hybrid by itself. ``at_once`` (of a roll back, also of one that
    goes on): without bringing home what was changed in the cloud. ``typed``: the school's code. Raises
    ConfigurationError, with nothing changed, where the stage does not know the event, a gate does not hold, or another
    run goes on.
    """
    now = now or wiring.now()
    code = school.code
    stage = Stage(database.school(code, school.kinds()).stage())
    if event in _BY_ITSELF:
        raise ConfigurationError(f"{code}: {_BY_ITSELF[event].format(code)}")
    gates = wanted(database, school, stage, event, rehearsal=rehearsal, typed=typed, now=now)
    _closed(code, event, gates)
    run = running(database, code)
    # People go on writing in the cloud: who does not want to wait for a moment of quiet says so, also later.
    hurried = at_once and event is Event.ROLL_BACK and run is not None and run.step is Step.HOME
    if event in _ALONE and run is not None and not hurried:
        raise ConfigurationError(
            f"{code}: a run is at its step '{run.step}'. Wait until it is over: schoolbridge cutover show {code}"
        )
    after = stage if event is Event.ROLL_BACK else cutover.TRANSITIONS[stage, event][0]
    with writing(database, code, school.kinds(), now=now) as tx:
        stages.expect(tx, stage.value)
        if hurried and run is not None:
            runs.go_on(tx, run, Step.RETURN, state={"reason": reason})
            journal.append(tx, [journal.Entry("roll back at once", actor=actor, reason=reason)])
            return after
        if event in _ALONE:
            runs.alone(tx)  # looked at again: somebody else may have begun one in this moment
        if event is not Event.ROLL_BACK:
            stages.move(
                tx, after.value, event=event.value, actor=actor, reason=reason, expected=stage.value, more=told(gates)
            )
        _run(tx, school, event, run, actor=actor, reason=reason, rehearsal=rehearsal, at_once=at_once)
    return after


def wanted(
    database: Database,
    school: School,
    stage: Stage,
    event: Event,
    *,
    rehearsal: bool = False,
    typed: str = "",
    now: datetime | None = None,
) -> Sequence[Standing]:
    """The gates of an event as they stand. Raises ConfigurationError where the stage does not know it."""
    try:
        needed = cutover.gates(stage, event)
    except Illegal as error:
        raise ConfigurationError(f"{school.code}: {error}") from None
    left = {Gate.CODE_TYPED} if typed == school.code and event is not Event.FINALISE else set[Gate]()
    left |= NOT_REHEARSED if rehearsal else set()
    found = readiness.standings(database, school, stage, event, now=now or wiring.now())
    return [one for one in found if one.gate in set(needed) - left]


def _closed(code: str, event: Event, gates: Sequence[Standing]) -> None:
    closed = [one for one in gates if not one.holds]
    if closed:
        said = "; ".join(f"{one.gate}: {one.found or one.result} (expected: {one.expected})" for one in closed)
        raise ConfigurationError(
            f"{code}: '{event}' is not possible yet, {len(closed)} of {len(gates)} gates do not hold: {said}. What to "
            f"do for each of them: schoolbridge readiness {code} --event {event}"
        )


def told(gates: Sequence[Standing]) -> dict[str, dict[str, Any]]:
    """By which gates, for the journal: results or who vouched, and with what evidence; nothing of it changes later."""
    return {
        "gates": {one.gate.value: one.vouched.actor if one.vouched else one.result for one in gates},
        "evidence": {
            one.gate.value: {
                "expected": one.expected,
                "found": one.found,
                "measured": _time(one.measured),
                "vouched": {
                    "how": one.vouched.how,
                    "actor": one.vouched.actor,
                    "reason": one.vouched.reason,
                    "at": _time(one.vouched.at),
                    "expires": _time(one.vouched.expires),
                }
                if one.vouched
                else None,
            }
            for one in gates
        },
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _run(
    tx: Transaction,
    school: School,
    event: Event,
    run: Run | None,
    *,
    actor: str,
    reason: str,
    rehearsal: bool,
    at_once: bool,
) -> None:
    """Begin or turn the run that belongs to an event."""
    begun = {Event.FREEZE: Step.FREEZE, Event.ROLL_BACK: Step.RETURN if at_once else Step.HOME}.get(event)
    if begun is not None:
        course = Course.ROLL_BACK if event is Event.ROLL_BACK else Course.REHEARSAL if rehearsal else Course.CUTOVER
        deadline = tx.now + school.cutover.deadline
        state = {"course": course.value, "reason": reason}
        made = Run(_new_id(tx.now), tx.now, deadline, actor, begun, tx.now, state=state)
        runs.begin(tx, made)
    elif event is Event.ABORT and run is not None:
        runs.go_on(tx, run, Step.THAW, state={"course": Course.ABORTED.value})
    if event in (Event.FINALISE, Event.ROLL_BACK):
        given.use_up(tx, Event.FINALISE)


def expire(database: Database, school: School, run: Run, *, now: datetime) -> None:
    """The deadline has passed: back to hybrid, whatever the run is at. Raises ConfigurationError where it went on."""
    words = f"not switched by {run.deadline.isoformat(timespec='minutes')}: {run.problem or f'at step {run.step}'}"
    with writing(database, school.code, school.kinds(), now=now) as tx:
        stages.move(
            tx, Stage.HYBRID.value, event=Event.DEADLINE.value, actor="bridge", reason=words,
            expected=Stage.FREEZING.value,
        )  # fmt: skip
        runs.go_on(tx, run, Step.THAW, state={"course": Course.LATE.value, "late": words})


def approve(
    database: Database,
    school: School,
    event: Event,
    *,
    actor: str,
    reason: str,
    typed: str,
    now: datetime | None = None,
    confirmed: Callable[[], bool] = lambda: True,
) -> Sequence[Approval]:
    """Approve of an event that needs more than one; those who approved so far. Raises ConfigurationError."""
    now = now or wiring.now()
    stage = Stage(database.school(school.code, school.kinds()).stage())
    wanted(database, school, stage, event, now=now)
    if Gate.TWO_APPROVERS not in cutover.gates(stage, event):
        raise ConfigurationError(f"{school.code}: nobody has to approve of '{event}'")
    if typed != school.code:
        raise ConfigurationError(
            f"{school.code}: to approve of '{event}' type the code of the school again. Expected {school.code}, found "
            f"{typed or 'nothing'}: look whether it is the right school"
        )
    if not confirmed():
        raise ConfigurationError(f"{school.code}: not approved")
    given.approve(database, school.code, Approval(event, actor, reason, typed, now, now + school.cutover.approval))
    return given.approvals(database, school.code, event, now)


def by_hand(school: School) -> list[str]:
    """The shares that somebody makes read-only on their server."""
    return [share.name for share in school.shares if share.freeze == BY_HAND]


def unconfirmed(school: School, run: Run) -> list[str]:
    """Of those, what a run waits for now."""
    if run.step is not Step.FREEZE or run.ended is not None:
        return []
    return [name for name in by_hand(school) if name not in run.state.get("confirmed", ())]


def confirm(database: Database, school: School, share: str, *, actor: str, reason: str) -> None:
    """Note that a share was made read-only by hand. Raises ConfigurationError where that is not waited for."""
    known = by_hand(school)
    if share not in known:
        right = guess(share, known) if known else "none is"
        raise ConfigurationError(f'{school.code}: no share "{shown(share)}" is frozen by hand; {right}')
    runs.confirm(database, school.code, share, actor=actor, reason=reason)


def _new_id(now: datetime) -> str:
    return TimeOrdered(lambda: now, secrets.randbits)()
