"""Carry out at the school what a roster wants, by the executor of the cycle.

1. looked    the school is read anew, so that what was written before a crash is known, and nothing older is expected
2. excesses  what is more than the school's thresholds let pass
3. written   each write with its journal, its reserved login and the version that was read; every link stays due, so
             that the next cycle takes it to the cloud
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bridge.core.guard import Cell, Excess, Guard
from bridge.core.kinds import Authority
from bridge.core.model import Operation, Side
from bridge.engine.bridged import Bridged, Naming, Report
from bridge.engine.execute import Turn, execute
from bridge.engine.observe import observe
from bridge.engine.pair import pair
from bridge.engine.purges import able
from bridge.ports import BridgeError, ConfigurationError

_CLOUD = Authority.CLOUD


def check(bridged: Bridged, operations: Sequence[Operation]) -> None:
    """ConfigurationError, before anything is written, where the stage or the connector does not let the school be
    written, or what is written would not last."""
    if Side.SCHOOL not in bridged.policy.writable:
        raise ConfigurationError(
            f"{bridged.code}: stage {bridged.policy.stage} writes nothing to the school. Expected: hybrid. "
            f"Nothing was done. See: schoolbridge stage {bridged.code}"
        )
    elsewhere = sorted(name for name in ("user", "group") if bridged.policy.existence(bridged.kinds[name]) is _CLOUD)
    if elsewhere:
        raise ConfigurationError(
            f"{bridged.code}: in stage {bridged.policy.stage} the cloud decides which {' and '.join(elsewhere)} "
            f"records there are, and the mirror would take back what is written at the school. Expected: hybrid, where "
            f"the school decides. Nothing was done. Change people in the cloud"
        )
    connector = bridged.connectors[Side.SCHOOL]
    unable = sorted({f"{one.action} {one.kind} records" for one in operations if not able(connector, one)})
    if unable:
        raise ConfigurationError(
            f"{bridged.code}: the school can't {', '.join(unable)} through this bridge. Expected: a directory that is "
            f"written (the block `writeback`). Nothing was done"
        )


async def looked(bridged: Bridged, *, cycle: str) -> Report:
    """Read the school, and give what is new there its links. Raises Unreachable or Refused."""
    report = Report(cycle=cycle, school=bridged.code, started=bridged.clock())
    await observe(bridged, Side.SCHOOL, report)
    await pair(bridged, report)
    return report


async def excesses(bridged: Bridged, operations: Sequence[Operation]) -> Mapping[Cell, Excess]:
    """The numbers that are over a threshold of the school's, with what was done lately and what is held."""
    store = bridged.store
    guard = Guard(
        school=bridged.code,
        policy=bridged.policy,
        kinds=bridged.kinds,
        population=await bridged.remember(store.population),
        earlier=await bridged.remember(store.tallies, bridged.clock() - bridged.policy.window),
    )
    guard.count(operations)
    return guard.excesses()


async def written(
    bridged: Bridged, operations: Sequence[Operation], *, cycle: str, logins: Collection[str] = ()
) -> Report:
    """Write; ``logins`` were seen at the school and are nobody else's. What fails is held, as in a cycle."""
    now = bridged.clock()
    report = Report(cycle=cycle, school=bridged.code, started=now)
    turn = Turn(
        replace(bridged, naming=_free(bridged.naming, logins)), report, {one.link: now for one in operations}, {}
    )
    try:
        await execute(turn, operations)
    except BridgeError as error:
        report.error = str(error)
    return report


def _free(naming: Naming, logins: Collection[str]) -> Naming:
    taken = {login.casefold() for login in logins}

    def make(kind: str, column: str, base: str, anchor: str) -> tuple[str, Sequence[str]]:
        space, candidates = naming(kind, column, base, anchor)
        return space, [one for one in candidates if one.casefold() not in taken] if column == "login" else candidates

    return make
