"""The cloud's own source of authority moves with a cutover: of what another synchronisation made there for the school.

to_cloud   with the switch of the stage: whoever is this school's and mastered on premises is noted, then given to the
           cloud. All of them, or the run waits and says why
give_back  in every stage before the switch: what is noted is given back, whatever ended the cutover. A cloud that is
           away keeps nobody frozen: it is tried again with the next cycle
lacking    what right is missing for it, asked with the gate of credentials and rights
Which are this school's: those whose identifier (SID) is that of somebody in its directory, and those that are linked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.daemon.shares import Ground
from bridge.daemon.trouble import said
from bridge.engine.bridged import Bridged
from bridge.ports import BridgeError, CloudAuthority, Connector, Finding, Mastered, Refused, Unreachable
from bridge.state import mastered as books
from bridge.state.store import SchoolStore

#: Stages in which the school's directory masters what it always did.
SCHOOLS = frozenset({Stage.CLASSIC, Stage.OBSERVING, Stage.REHEARSING, Stage.HYBRID})
#: Stages from which the next step is a cutover: a missing right is a fault there, and a warning before.
_NEAR = frozenset({Stage.HYBRID, Stage.FREEZING})
_SWITCH = "switch"
#: What to do about a cloud that does not answer.
_AGAIN = " It is tried again with each cycle; see whether the cloud answers: schoolbridge check --online"
#: So many reasons are told one by one.
_TOLD = 3


async def to_cloud(ground: Ground, one: Bridged) -> dict[str, int]:
    """Give the cloud what is this school's; how many of each kind the cloud has by now.

    May be repeated. Raises Refused where it refuses some of them, Unreachable where nobody knows.
    """
    port = one.connectors[Side.CLOUD].capabilities.authority
    if port is None or ground.school.cutover.cloud_authority != _SWITCH:
        return {}
    code, database = ground.school.code, ground.database
    found = await _mine(ground, port)
    if found:
        before = {one.anchor for one in await asyncio.to_thread(books.remembered, database, code)}
        await asyncio.to_thread(books.remember, database, code, found)
        why = await port.switch(found, cloud=True)
        # Who was noted before may have been switched before, and the list of the cloud may lag.
        if refused := why.keys() - before:
            await asyncio.to_thread(books.refused, database, code, refused)
        _checked(code, why, of=len(found))
    known = await asyncio.to_thread(books.remembered, database, code)
    return books.counted(known) if known else {}


async def give_back(ground: Ground, one: Bridged, stage: Stage) -> int:
    """Give back what is noted, where the stage says so; how many. Raises as ``to_cloud``; those that were done are
    forgotten before."""
    if stage not in SCHOOLS:
        return 0
    code, database = ground.school.code, ground.database
    found = await asyncio.to_thread(books.remembered, database, code)
    port = one.connectors[Side.CLOUD].capabilities.authority
    if not found or port is None:
        return 0
    why = await port.switch(found, cloud=False)
    if done := [one for one in found if one.anchor not in why]:
        await asyncio.to_thread(books.given_back, database, code, done)
    _checked(code, why, of=len(found))
    return len(done)


async def settle(ground: Ground, one: Bridged, store: SchoolStore, log: Any, *, before: str = "") -> str:
    """``give_back`` beside the run, which waits for no cloud; why it can't be done now, empty where nothing is left.

    It is tried again with the next cycle. ``before``: what was said last, so that only news is in the log.
    """
    try:
        await give_back(ground, one, Stage(await asyncio.to_thread(store.stage)))
    except (BridgeError, SQLAlchemyError) as error:
        reason = said(error) + (_AGAIN if isinstance(error, Unreachable) else "")
        if reason != before:
            log.warning("the source of authority in the cloud is not the school's again", reason=reason)
        return reason
    return ""


async def lacking(ground: Ground, connector: Connector, stage: Stage) -> list[Finding]:
    """A finding for each right that a cutover of this school needs and the bridge lacks; none where it needs none.

    Raises Unreachable, Refused.
    """
    port = connector.capabilities.authority
    if port is None or ground.school.cutover.cloud_authority != _SWITCH:
        return []
    numbers = books.counted(await _mine(ground, port))
    missing = await port.lacking([kind for kind in ("user", "group") if numbers[f"{kind}s"]])
    return [
        Finding(
            "source of authority", False if stage in _NEAR else None,
            f"missing to give the cloud {numbers[f'{kind}s']} {kind}s that Entra Connect masters",
            f"Grant {name} (application) and admin consent, or set cutover.cloud_authority: leave.",
        )
        for kind, name in missing.items()
    ]  # fmt: skip


async def _mine(ground: Ground, port: CloudAuthority) -> Sequence[Mastered]:
    found = await port.mastered()
    if not found:
        return found
    code, database = ground.school.code, ground.database
    known = await asyncio.to_thread(books.identifiers, database, code)
    anchors = await asyncio.to_thread(books.linked, database, code)
    return [one for one in found if known.get(one.sid) == one.kind or one.anchor in anchors]


def _checked(code: str, why: Mapping[str, str], *, of: int) -> None:
    if not why:
        return
    told = "; ".join(f"{anchor}: {text}" for anchor, text in sorted(why.items())[:_TOLD])
    more = f" and {len(why) - _TOLD} more" if len(why) > _TOLD else ""
    raise Refused(
        f"{code}: the source of authority of {len(why)} of {of} objects in the cloud can't be switched: {told}{more}. "
        f"Put that right; it is tried again by itself"
    )
