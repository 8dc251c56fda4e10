"""The law of the cutover: one table of stages, one of transitions. Diagrams and the policy are drawn from it.

An event that the table does not know in a stage is refused by name. Gates are checked by whoever asks for the event;
the table says which ones there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.core.kinds import Authority


class Stage(StrEnum):
    """Where a school stands on its way to the cloud."""

    CLASSIC = "classic"
    OBSERVING = "observing"
    REHEARSING = "rehearsing"
    HYBRID = "hybrid"
    FREEZING = "freezing"
    SOAKING = "soaking"
    CLOUD = "cloud"
    RETIRED = "retired"
    PAUSED_HYBRID = "paused-hybrid"
    PAUSED_SOAKING = "paused-soaking"
    PAUSED_CLOUD = "paused-cloud"


class Event(StrEnum):
    """What moves a school from one stage to another."""

    OBSERVE = "observe"
    REHEARSE = "rehearse"
    MIRROR = "mirror"
    WITHDRAW = "withdraw"
    FREEZE = "freeze"
    DEADLINE = "deadline"
    ABORT = "abort"
    SWITCH = "switch"
    ROLL_BACK = "roll-back"
    FINALISE = "finalise"
    RETIRE = "retire"
    PAUSE = "pause"
    RESUME = "resume"


class Gate(StrEnum):
    """A condition of a transition, checked with evidence and age."""

    CONFIGURATION = "configuration unchanged since the rehearsal"
    CREDENTIALS = "credentials and rights"
    CLOCK = "clock"
    CAPACITY = "disk, quota and licences"
    COMPLETE_SCAN = "last complete scan"
    BACKLOG = "backlog within the freeze budget"
    DECIDED = "conflicts and quarantine decided"
    COUNTS = "counts and memberships equal on both sides"
    VERIFIED = "content verified"
    PERMISSIONS = "permission map complete"
    OPEN_FILES = "no open files"
    DEVICES = "device readiness"
    INFORMED = "people informed"
    ROLLBACK_REHEARSED = "rollback rehearsed"
    SOAKED = "soaked long enough"
    TWO_APPROVERS = "two approvers"
    CODE_TYPED = "school code typed"


class Power(StrEnum):
    """Who may be written."""

    NOBODY = "nobody"
    BOTH = "both"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class StageRow:
    """A row of the stage table. ``observed``: both sides are read. ``school_frozen``: people may not write there."""

    power: Power
    authority: Authority
    observed: bool
    meaning: str
    school_frozen: bool = False


_SCHOOL, _CLOUD = Authority.SCHOOL, Authority.CLOUD

STAGES: Mapping[Stage, StageRow] = {
    Stage.CLASSIC: StageRow(Power.NOBODY, _SCHOOL, False, "known, not bridged"),
    Stage.OBSERVING: StageRow(Power.NOBODY, _SCHOOL, True, "both sides read, correlated and assessed"),
    Stage.REHEARSING: StageRow(Power.NOBODY, _SCHOOL, True, "plans shown and held: what would happen"),
    Stage.HYBRID: StageRow(Power.BOTH, _SCHOOL, True, "mirrored both ways; the school is the source of authority"),
    Stage.FREEZING: StageRow(Power.BOTH, _SCHOOL, True, "school read-only, final delta, verification", True),
    Stage.SOAKING: StageRow(Power.BOTH, _CLOUD, True, "cut over; writeback keeps the old server usable"),
    Stage.CLOUD: StageRow(Power.CLOUD, _CLOUD, True, "the old server is no longer written: point of no return"),
    Stage.RETIRED: StageRow(Power.NOBODY, _CLOUD, False, "evidence kept until retention ends"),
    Stage.PAUSED_HYBRID: StageRow(Power.NOBODY, _SCHOOL, True, "hybrid, writing paused by a person"),
    Stage.PAUSED_SOAKING: StageRow(Power.NOBODY, _CLOUD, True, "soaking, writing paused by a person"),
    Stage.PAUSED_CLOUD: StageRow(Power.NOBODY, _CLOUD, True, "cloud, writing paused by a person"),
}

_READY = (Gate.CONFIGURATION, Gate.CREDENTIALS, Gate.CLOCK, Gate.CAPACITY, Gate.COMPLETE_SCAN, Gate.DECIDED)
_SWITCH = (Gate.BACKLOG, Gate.COUNTS, Gate.VERIFIED, Gate.PERMISSIONS, Gate.OPEN_FILES)
_PEOPLE = (Gate.DEVICES, Gate.INFORMED, Gate.ROLLBACK_REHEARSED)

#: (stage, event) -> (stage after it, gates that must hold)
TRANSITIONS: Mapping[tuple[Stage, Event], tuple[Stage, tuple[Gate, ...]]] = {
    (Stage.CLASSIC, Event.OBSERVE): (Stage.OBSERVING, (Gate.CREDENTIALS,)),
    (Stage.OBSERVING, Event.REHEARSE): (Stage.REHEARSING, (Gate.CREDENTIALS, Gate.COMPLETE_SCAN)),
    (Stage.OBSERVING, Event.WITHDRAW): (Stage.CLASSIC, ()),
    (Stage.REHEARSING, Event.MIRROR): (Stage.HYBRID, (Gate.CREDENTIALS, Gate.COMPLETE_SCAN)),
    (Stage.REHEARSING, Event.WITHDRAW): (Stage.OBSERVING, ()),
    (Stage.HYBRID, Event.WITHDRAW): (Stage.REHEARSING, ()),
    (Stage.HYBRID, Event.PAUSE): (Stage.PAUSED_HYBRID, ()),
    (Stage.PAUSED_HYBRID, Event.RESUME): (Stage.HYBRID, ()),
    (Stage.HYBRID, Event.FREEZE): (Stage.FREEZING, (*_READY, Gate.BACKLOG, *_PEOPLE)),
    (Stage.FREEZING, Event.DEADLINE): (Stage.HYBRID, ()),
    (Stage.FREEZING, Event.ABORT): (Stage.HYBRID, ()),
    (Stage.FREEZING, Event.SWITCH): (Stage.SOAKING, (*_READY, *_SWITCH)),
    (Stage.SOAKING, Event.ROLL_BACK): (Stage.HYBRID, ()),
    (Stage.SOAKING, Event.PAUSE): (Stage.PAUSED_SOAKING, ()),
    (Stage.PAUSED_SOAKING, Event.RESUME): (Stage.SOAKING, ()),
    (Stage.SOAKING, Event.FINALISE): (
        Stage.CLOUD,
        (*_READY, Gate.COUNTS, Gate.VERIFIED, Gate.SOAKED, Gate.TWO_APPROVERS, Gate.CODE_TYPED),
    ),
    (Stage.CLOUD, Event.PAUSE): (Stage.PAUSED_CLOUD, ()),
    (Stage.PAUSED_CLOUD, Event.RESUME): (Stage.CLOUD, ()),
    (Stage.CLOUD, Event.RETIRE): (Stage.RETIRED, (Gate.DECIDED, Gate.CODE_TYPED)),
}

#: Stages in which a school may be met for the first time, by its YAML.
INITIAL = frozenset({Stage.CLASSIC, Stage.OBSERVING, Stage.REHEARSING, Stage.HYBRID})


class Illegal(Exception):
    """The table has no such transition."""


class GateClosed(Exception):
    """The transition exists, but not all its gates hold."""

    def __init__(self, closed: Iterable[Gate]) -> None:
        self.closed = tuple(closed)
        super().__init__("gates not passed: " + "; ".join(self.closed))


def events(stage: Stage) -> Mapping[Event, Stage]:
    """What may happen in ``stage``, and where it leads."""
    return {event: target for (source, event), (target, _) in TRANSITIONS.items() if source is stage}


def gates(stage: Stage, event: Event) -> tuple[Gate, ...]:
    """The gates of a transition; raises Illegal when there is none."""
    found = TRANSITIONS.get((stage, event))
    if found is None:
        possible = ", ".join(events(stage)) or "nothing"
        raise Illegal(f"'{event}' is not possible in stage '{stage}'; possible here: {possible}")
    return found[1]


def advance(stage: Stage, event: Event, *, passed: Iterable[Gate] = ()) -> Stage:
    """The stage after ``event``; raises Illegal or, when a gate is neither passed nor waived, GateClosed."""
    closed = [gate for gate in gates(stage, event) if gate not in set(passed)]
    if closed:
        raise GateClosed(closed)
    return TRANSITIONS[stage, event][0]


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {_node(Stage.CLASSIC)}"]
    lines += [
        f"    {_node(source)} --> {_node(target)}: {event}" for (source, event), (target, _) in TRANSITIONS.items()
    ]
    return "\n".join([*lines, f"    {_node(Stage.RETIRED)} --> [*]"])


def _node(stage: Stage) -> str:
    return stage.value.replace("-", "_")
