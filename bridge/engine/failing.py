"""What follows from a write that failed: when it is tried again, and what a failure proves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.kinds import Authority
from bridge.core.model import Action, Evidence, Link, Operation, Side
from bridge.engine.bridged import Bridged, Report
from bridge.engine.contents import DEFERRED, UNFINISHED
from bridge.ports import Failed, Page, Removal, Trouble, Written

_FIRST_RETRY = {True: timedelta(seconds=30), False: timedelta(minutes=5)}
#: Entra ID keeps deleted users and groups for 30 days (learn.microsoft.com/entra/architecture/recover-from-deletions).
LONGEST_BIN = timedelta(days=31)
_LAST_RETRY = {True: timedelta(minutes=15), False: timedelta(hours=24)}


def backoff(attempts: int, *, transient: bool) -> timedelta:
    """How long to wait after so many failed attempts in a row (1 or more)."""
    doubled: timedelta = _FIRST_RETRY[transient] * (1 << min(attempts - 1, 12))
    return min(doubled, _LAST_RETRY[transient])


def failed(operation: Operation, outcome: Failed, *, attempts: int, now: datetime) -> Trouble:
    """How the state remembers a failure; ``attempts`` counts those before it. Who made room for others did not fail."""
    attempts += outcome.cause != UNFINISHED
    return Trouble(
        link=operation.link,
        kind=operation.kind,
        side=operation.side,
        action=operation.action,
        role=operation.role,
        rule=f"{'waits' if outcome.cause in DEFERRED else 'failed'}:{outcome.cause}",
        message=outcome.message,
        since=now,
        attempts=attempts,
        retry_at=now if outcome.cause == UNFINISHED else now + backoff(attempts, transient=outcome.transient),
    )


def refused(operation: Operation, written: Written, *, attempts: int, now: datetime) -> Trouble:
    """What a side did not take of a write that it took otherwise: shown to a person, and tried again by itself."""
    names = ",".join(sorted({name.partition(":")[0] for name in written.refused}))
    cause = f"refused:{names}"
    outcome = Failed(operation.link, cause, "; ".join(sorted(set(written.refused.values()))))
    return replace(failed(operation, outcome, attempts=attempts, now=now), rule=cause)


def _outlived(bridged: Bridged, link: Link) -> bool:
    """Whether our own deletion of the cloud's record is older than the recycle bin of any cloud."""
    taken = link.taken
    ours = taken is not None and taken.step is Action.DELETE and taken.side is Side.CLOUD
    return ours and taken is not None and bridged.clock() - taken.at >= LONGEST_BIN


async def for_good(bridged: Bridged, report: Report, operation: Operation, outcome: Failed) -> bool:
    """Whether a restore found nothing to restore: then it is made anew from the other side, by the next pass.

    A person who deletes a file of a share leaves nothing in our trash. With accounts a replica that lags may not know
    a deleted one yet, and nobody is to be made twice: gone is what we deleted so long ago that no recycle bin has it.
    """
    if operation.action is not Action.RESTORE or outcome.cause != "gone" or outcome.transient:
        return False
    (link,) = await bridged.remember(bridged.store.links, {operation.link})
    if bridged.policy.existence(bridged.kinds[operation.kind]) is not Authority.BOTH and not _outlived(bridged, link):
        return False
    # What was made before this in the same turn may have got the anchor; then the link has another one by now.
    if operation.anchor == link.end(operation.side).anchor:
        page = Page(removals=(Removal(operation.anchor or "", Evidence.PURGED),))
        if not await bridged.remember(bridged.store.fold, operation.side, page, now=bridged.clock()):
            return False  # it was known already, so that it would not help to look again
    report.noted[f"{operation.kind}:purged"] += 1
    report.waiting[operation.link] = f"{operation.kind}:waits to be made anew"
    return True
