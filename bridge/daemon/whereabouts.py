"""Where the folder of a root lies: at the place that its owner's class and login lead to, or still where it lay before.

| at the expected place | where it lay at last | then |
|---|---|---|
| the known folder | – | mirrored; this is where it lay at last |
| nothing | the known folder | mirrored there with a warning, until it is moved |
| another folder | the known folder | an error that names both: a new one was made before the old one was moved |
| nothing, or another | nothing, or another | an error: it was there before |
| nothing, never known | – | waits for it |
| that of another owner, never known | – | an error: it was not moved yet |
| any, never known | – | mirrored |

A folder is known by its identity (``Connector.identify``), so nobody gets the folder of a namesake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.core.model import Side
from bridge.daemon.roots import placed
from bridge.ports import BridgeError, Connector, Identity, Unreachable, Waiting
from bridge.settings.effective import SideSettings
from bridge.state import whereabouts as memory
from bridge.state.whereabouts import Known

if TYPE_CHECKING:
    from bridge.daemon.roots import Root
    from bridge.daemon.shares import Ground

#: Opens the school's side of a root.
Connect = Callable[[SideSettings], Awaitable[Connector]]

_KEPT = "Nothing is mirrored and nothing is deleted meanwhile"


class Gone(Unreachable):
    """The folder was there before, and lies neither at its place nor where it lay at last."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was looked at, its connector open: what lies there, or what the side says about its absence."""

    connector: Connector
    found: Identity | None
    absent: str = ""

    def shows(self, identity: str | None) -> bool:
        """Whether the folder of this identity lies here."""
        return self.found is not None and self.found.id == identity


@dataclass(frozen=True, slots=True)
class Lying:
    """The school's side of a root, open where its folder lies. ``elsewhere``: what a person should know; else empty."""

    connector: Connector
    elsewhere: str = ""


async def find(ground: Ground, root: Root, connect: Connect) -> Lying:
    """Open the school's side of a root where its folder is proved to lie.

    Raises Waiting where it was never there, Unreachable where it was, and what the side raises.
    """
    known = await asyncio.to_thread(memory.recall, ground.database, root.code)
    here = await look(connect, root.sides[Side.SCHOOL])
    try:
        if known.identity is None:
            await _is_free(ground, root, here)
        elif not here.shows(known.identity):
            return await _elsewhere(ground, root, connect, here=here, known=known)
        if known.filled != root.filled:
            await asyncio.to_thread(memory.keep, ground.database, root.code, root.filled)
    except BaseException:
        await here.connector.close()
        raise
    return Lying(here.connector)


async def look(connect: Connect, settings: SideSettings) -> Place:
    """See what lies at a place; the connector stays open. Raises what the side raises but Waiting."""
    connector = await connect(settings)
    try:
        return Place(connector, await connector.identify())
    except Waiting as absent:
        return Place(connector, None, str(absent))
    except BaseException:
        await connector.close()
        raise


async def _is_free(ground: Ground, root: Root, here: Place) -> None:
    """A folder that is seen for the first time must not be one of another owner that nobody moved yet."""
    if here.found is None:
        raise Waiting(here.absent)
    found = await asyncio.to_thread(memory.others, ground.database, root.code, here.found.id)
    for owner, filled in sorted(found.items()):
        if placed(ground.school, root, filled) == root.sides[Side.SCHOOL]:
            raise Unreachable(
                f"{here.found.description} is still the folder of {owner}, who has another place by now. {_KEPT}. "
                f"Move it there first"
            )


async def _elsewhere(ground: Ground, root: Root, connect: Connect, *, here: Place, known: Known) -> Lying:
    settings = placed(ground.school, root, known.filled)
    if settings is None or settings == root.sides[Side.SCHOOL]:
        raise _gone(here, before="")
    there = await look(connect, settings)
    if here.found is None and there.shows(known.identity) and there.found is not None:
        await here.connector.close()
        where = there.found.description
        return Lying(there.connector, f"{here.absent}; its folder still lies at {where} and is mirrored there")
    await there.connector.close()
    if there.shows(known.identity) and here.found is not None and there.found is not None:
        raise Unreachable(
            f"{here.found.description} is not the folder that was mirrored: that one still lies at "
            f"{there.found.description}, so a new one was made before the old one was moved. {_KEPT}. Move what is in "
            f"the new one into the old one, remove the new one, and move the old one to its place"
        )
    raise _gone(here, before=there.absent or f"{there.found.description if there.found else ''} is another folder too")


def _gone(here: Place, *, before: str) -> Unreachable:
    also = f"; {before}" if before else ""
    rest = f"{also}. It was there before: put it back. {_KEPT}"
    if here.found is None:
        return Gone(here.absent + rest)
    return Unreachable(f"{here.found.description} is not the folder that was mirrored (a copy is another folder){rest}")


async def moved(root: Root, folder: Connector, connect: Connect, *, elsewhere: bool) -> bool:
    """Whether the place of a root has to be found anew.

    That is so when its folder is not to be read any more where it was opened, or, where it lay ``elsewhere``, something
    is at the expected place by now.
    """
    try:
        await folder.identify()
    except BridgeError:
        return True
    if not elsewhere:
        return False
    here = await look(connect, root.sides[Side.SCHOOL])
    await here.connector.close()
    return here.found is not None
