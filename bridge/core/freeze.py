"""What waits while a school year is open.

| phase | classes and courses | retiring and deleting people and groups |
|---|---|---|
| open: the directory is being rebuilt, nobody said yet which class is which | wait | waits |
| applied: every class has its group again | go on | waits |

Without the first a class of last year would fill with next year's pupils, who could read its files; without the second
a group that was made anew, or an account between two moves, would be retired in the cloud.
"""

from __future__ import annotations

from enum import StrEnum

from bridge.core.model import Hold, Operation

_KINDS = frozenset({"user", "group"})
_ROLES = frozenset({"class", "course"})
RULE = "year"


class Phase(StrEnum):
    """Where a school's year stands."""

    CLOSED = ""
    OPEN = "open"
    APPLIED = "applied"


def frozen(operation: Operation, phase: Phase, *, school: str) -> Hold | None:
    """Why an operation waits for the school year; None when it doesn't."""
    if phase is Phase.CLOSED or operation.kind not in _KINDS or not _waits(operation, phase):
        return None
    then = "apply" if phase is Phase.OPEN else "close"
    what = "its class or course" if operation.kind == "group" and phase is Phase.OPEN else "who left, or what ended,"
    message = (
        f"{school}: {operation.kind} {operation.link}: the school year is {phase}, so {operation.action} waits: "
        f"{what} is settled first. See: schoolbridge year plan {school}. Then: schoolbridge year {then} {school}"
    )
    return Hold(operation, RULE, message)


def _waits(operation: Operation, phase: Phase) -> bool:
    if operation.action.removes:
        return True
    return phase is Phase.OPEN and operation.kind == "group" and operation.role in _ROLES and operation.action.writes


def waiting(school: str, phase: Phase) -> list[str]:
    """What a person has to be reminded of while a year is open: what waits is not healthy."""
    if phase is Phase.CLOSED:
        return []
    what = "classes and courses wait, and nobody is retired" if phase is Phase.OPEN else "nobody is retired"
    return [f"the school year is {phase}: {what}; see: schoolbridge year plan {school}"]
