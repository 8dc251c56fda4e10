"""People and groups of a school, read anew from both sides and planned on a copy of the state: nothing is written.

What was read is what the counts are made of: they never rest on what the bridge believes to know.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.cutover import Gate
from bridge.core.gates import Measured
from bridge.core.model import Action, Side
from bridge.daemon import wiring
from bridge.daemon.measuring.verdicts import Progress, counted, verdict
from bridge.daemon.shares import Ground
from bridge.daemon.trouble import said
from bridge.engine.cycle import cycle
from bridge.ports import BridgeError, CloudAuthority
from bridge.state import synced
from bridge.state.database import Database
from bridge.state.equality import Equality, compare


@dataclass(frozen=True, slots=True)
class People:
    """``listed``: sides that were read to their end; ``left``: (side, kind, action) -> operations that are to come.

    ``unasked``: why the cloud did not tell whom another synchronisation masters there.
    """

    listed: frozenset[Side] = frozenset()
    error: str = ""
    left: Counter[tuple[Side, str, str]] = field(default_factory=Counter)
    equality: Equality = field(default_factory=Equality)
    records: int = 0
    unasked: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of it was read."""
        return not self.error and self.listed == frozenset(Side)

    @property
    def accounts(self) -> int:
        """Accounts that are still to be made in the cloud."""
        return self.left[Side.CLOUD, "user", Action.CREATE.value]


async def look(ground: Ground, progress: Progress) -> People:
    """Read both sides in full. Raises what opening a side raises; what comes later is in ``error``."""
    with wiring.scratch_store(ground.settings, ground.school) as store:
        for side in Side:
            store.drop_token(side)
        for rule in ("guard:", "stage"):
            store.unhold(rule)  # judged anew, as for a plan
        async with wiring.bridged(ground.settings, ground.catalog, ground.school, store, progress=progress) as bridged:
            report = await cycle(wiring.read_only(bridged), rehearse=True)
            equality = await asyncio.to_thread(compare, store.database, ground.school.code)
            port = bridged.connectors[Side.CLOUD].capabilities.authority
            equality, unasked = await with_mastered(store.database, ground.school.code, equality, port)
        return People(
            listed=frozenset(Side(one) for one in report.listed),
            error=report.error,
            left=Counter((one.side, one.kind, one.action.value) for one in report.operations if one.action.writes),
            equality=equality,
            records=sum(store.counts().values()),
            unasked=unasked,
        )


async def with_mastered(
    database: Database, code: str, same: Equality, port: CloudAuthority | None
) -> tuple[Equality, str]:
    """The same, with those who are in the cloud by another synchronisation; why it could not be asked, else empty.

    It is asked only where somebody is missing. A cloud that does not say leaves them missing: nothing else is proved.
    """
    if port is None or not any(one.only_school for one in same.kinds.values()):
        return same, ""
    try:
        found = await port.mastered()
        theirs = await asyncio.to_thread(synced.matched, database, code, found)
        members = await port.members([one for one in theirs.values() if one.kind == "group"])
    except BridgeError as error:
        return same, said(error)
    return await asyncio.to_thread(synced.counted, database, code, same, theirs, members), ""


def counts(people: People, at: datetime) -> Measured:
    """Both sides as sets."""
    same = people.equality
    if not people.complete:
        return verdict(
            Gate.COUNTS, at, ok=None, expected=_EXPECTED, found=f"not everything could be read: {why(people)}",
            fix="see: schoolbridge check --online",
        )  # fmt: skip
    parts = [
        f"{kind}s: {one.both:,} on both sides, {one.only_school:,} at the school only, "
        f"{one.only_cloud:,} in the cloud only"
        + (f" ({one.exempt:,} without consent)" if one.exempt else "")
        + (f" ({one.leaving:,} leaving)" if one.leaving else "")
        + (f", {one.mastered:,} in the cloud by Entra Connect" if one.mastered else "")
        for kind, one in same.kinds.items()
    ]
    parts.append(
        f"memberships: {same.memberships:,} at the school, {same.missing:,} missing in the cloud, "
        f"{same.extra:,} extra there"
    )
    if people.unasked:
        parts.append(f"who of them is there by Entra Connect could not be asked: {people.unasked}")
    numbers: dict[str, float | int | str] = {
        "memberships": same.memberships, "memberships_missing": same.missing, "memberships_extra": same.extra,
    }  # fmt: skip
    for kind, one in same.kinds.items():
        numbers |= {
            f"{kind}s": one.both,
            f"{kind}s_only_school": one.only_school,
            f"{kind}s_only_cloud": one.only_cloud,
            f"{kind}s_mastered": one.mastered,
        }
    return verdict(
        Gate.COUNTS, at, ok=same.equal, expected=_EXPECTED, found="; ".join(parts), numbers=numbers,
        fix="see what is left or held: schoolbridge plan, schoolbridge quarantine",
    )  # fmt: skip


_EXPECTED = "the same users, groups and memberships on both sides"


def why(people: People) -> str:
    """Why it is not complete."""
    missing = [side.value for side in Side if side not in people.listed]
    return people.error or f"the {' and the '.join(missing)} side was not read to its end"


def told(people: People) -> str:
    """What is left to be done, in words."""
    left = sum(people.left.values())
    return f"{counted(left, 'operation')} on people and groups" if left else "nothing left on people and groups"
