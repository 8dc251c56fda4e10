"""A cutover in steps: what is done while a school is frozen, and on the way back.

| step | what is done | then | stage |
|---|---|---|---|
| freeze | people at the school can write the shares no more | last delta | freezing |
| last delta | both sides are read in full until nothing is left to do | verify | freezing |
| verify | all contents, counts and memberships are compared | switch | freezing |
| switch | the gates hold: the cloud owns people, groups and shares from now on | notice | freezing -> soaking |
| notice | each share says where the files are; the school can write again | over | soaking |
| bring home | both sides are read in full until nothing is left to do | return | soaking |
| return | the school owns everything again | thaw | soaking -> hybrid |
| thaw | notices go, the school can write again | over | hybrid |

Where the gates do not hold, the run goes back to the last delta after a while; what was verified is verified again only
if something was written since. A deadline that passes, or a person who aborts, leads from freezing to thaw, whatever is
under way. A rehearsal goes as far as verify and then back. Each step may be repeated: after a crash the run goes on
with the step it was at.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bridge.core.cutover import Event, Stage


class Step(StrEnum):
    """Where a run is."""

    FREEZE = "freeze"
    DELTA = "last delta"
    VERIFY = "verify"
    SWITCH = "switch"
    NOTICE = "notice"
    HOME = "bring home"
    RETURN = "return"
    THAW = "thaw"
    OVER = "over"


class Course(StrEnum):
    """What a run is for, and what came of it."""

    CUTOVER = "switched"
    REHEARSAL = "rehearsed"
    ROLL_BACK = "rolled back"
    ABORTED = "aborted"
    LATE = "deadline passed"


#: step -> the step after it.
AFTER: Mapping[Step, Step] = {
    Step.FREEZE: Step.DELTA,
    Step.DELTA: Step.VERIFY,
    Step.VERIFY: Step.SWITCH,
    Step.SWITCH: Step.NOTICE,
    Step.NOTICE: Step.OVER,
    Step.HOME: Step.RETURN,
    Step.RETURN: Step.THAW,
    Step.THAW: Step.OVER,
}

#: step -> the stage in which it is done; the event that ends it, where it moves the school on.
STAGE_OF: Mapping[Step, Stage] = {
    Step.FREEZE: Stage.FREEZING,
    Step.DELTA: Stage.FREEZING,
    Step.VERIFY: Stage.FREEZING,
    Step.SWITCH: Stage.FREEZING,
    Step.NOTICE: Stage.SOAKING,
    Step.HOME: Stage.SOAKING,
    Step.RETURN: Stage.SOAKING,
    Step.THAW: Stage.HYBRID,
}
MOVES: Mapping[Step, Event] = {Step.SWITCH: Event.SWITCH, Step.RETURN: Event.ROLL_BACK}

FORWARD = (Step.FREEZE, Step.DELTA, Step.VERIFY, Step.SWITCH, Step.NOTICE)
BACK = (Step.HOME, Step.RETURN, Step.THAW)


def steps(course: Course) -> tuple[Step, ...]:
    """All steps of a run of this course, in their order."""
    if course is Course.ROLL_BACK:
        return BACK
    if course is Course.CUTOVER:
        return FORWARD
    return (*FORWARD[:3], Step.THAW)


def after(step: Step, course: Course) -> Step:
    """The step after one that is done."""
    if step is Step.VERIFY and course is Course.REHEARSAL:
        return Step.THAW
    return AFTER[step]


def frozen(step: Step) -> bool:
    """Whether the deadline counts: the school can't work as long as this lasts."""
    return STAGE_OF.get(step) is Stage.FREEZING
