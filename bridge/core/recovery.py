"""What waits after a state was put back from a backup: its agreements are older than the world. Pure.

| how far | creating, restoring, changing | disabling, retiring, deleting, purging, taking out of a group |
|---|---|---|
| comparing: not both sides were read in full since | wait | wait |
| compared: both were; nobody said yet that all is right | go on | wait |
| still: a person, or what is known from elsewhere, wants nothing written | wait | wait |
| over: nothing was put back, or a person ended it | go on | go on |

Why no more has to wait once both sides were read. What was changed and mirrored after the backup is equal on both
sides, and is agreed on. What differs is merged: a file that neither side has as it was agreed on is kept twice; where
one side has just what was agreed on, the other's version is taken, and the one before lies in the trash or among the
cloud's versions. What both sides lost is forgotten; what was made after the backup is found by its key or its place.
Only a loss can't be told: what one side lacks may have been deleted there, or made anew under another id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from bridge.core.model import Hold, Operation

#: What is held until a person ends it; with the state after a colon, what is only held until that is another one.
RULE = "restored"
#: What counts as a removal whatever the operation is called: see ``bridge.core.policy.Tally``.
_REMOVED = frozenset({"disable", "delete", "member_removal"})


class Recovery(StrEnum):
    """How far a school is after its state was put back."""

    OVER = ""
    COMPARING = "comparing"
    COMPARED = "compared"
    STILL = "still"


def kept(operation: Operation, counted: Collection[str], recovery: Recovery, *, school: str) -> Hold | None:
    """Why an operation waits for the table above; None when it doesn't. ``counted``: what the guard counts it for."""
    removes = operation.action.removes or not _REMOVED.isdisjoint(counted)
    if recovery is Recovery.OVER or not (removes or (operation.action.writes and recovery is not Recovery.COMPARED)):
        return None
    code = school.partition("/")[0]
    message = (
        f"{school}: {operation.kind} {operation.link}: the state was put back from a backup, so {operation.action} in "
        f"the {operation.side} waits: {_WHY[recovery]}. See: schoolbridge restored show --school {code}"
    )
    return Hold(operation, RULE if recovery is Recovery.COMPARED else f"{RULE}:{recovery}", message)


_WHY: Mapping[Recovery, str] = {
    Recovery.COMPARING: "both sides have to be read in full first, which happens by itself",
    Recovery.COMPARED: "what is missing on one side may have been made or deleted after the backup",
    Recovery.STILL: "nothing is written until a person ends that",
}


def passed(recovery: Recovery) -> str | None:
    """How rules begin by which nothing is held any more, now that it is this far; None where all still are."""
    return {Recovery.OVER: RULE, Recovery.COMPARED: f"{RULE}:"}.get(recovery)


def waiting(school: str, recovery: Recovery) -> list[str]:
    """What a person has to be reminded of meanwhile: what waits is not healthy."""
    if recovery is Recovery.OVER:
        return []
    what = "nothing is deleted on either side" if recovery is Recovery.COMPARED else "nothing is written"
    see = f"schoolbridge restored show --school {school}"
    return [f"the state was put back from a backup: {what} until a person ends it; see: {see}"]
