"""Homes that the bridge makes and moves itself (``make: true`` of a share): docs/decisions/019.

allowed  the stage writes at the school, the owner is enabled there, and no folder was ever mirrored for them
proved   of the homes that are known on the same server one at least is there: a disk that is not mounted shows none
counted  more homes than accounts may be made at once are held, as those would be, until a person releases them
made     by the connector, whole or not at all; the journal says before and after what was done
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.core.policy import Tally
from bridge.daemon import wiring
from bridge.daemon.roots import placed
from bridge.daemon.whereabouts import Connect, look
from bridge.ports import BridgeError, Unreachable, Waiting
from bridge.settings.effective import SideSettings
from bridge.state import homes as memory
from bridge.state import whereabouts
from bridge.state.homes import Home
from bridge.state.whereabouts import Known

if TYPE_CHECKING:
    from bridge.daemon.roots import Root
    from bridge.daemon.shares import Ground

#: Known homes that are looked for before a new one is made, and how long one that was found is proof enough.
WITNESSES, PROVED = 5, timedelta(minutes=1)
#: How often it is tried to move a home that could not be moved.
TRIED_AGAIN = timedelta(minutes=10)


@dataclass(slots=True)
class Homes:
    """What the roots of a school share for this. ``roots``: all there are now, by code."""

    roots: Mapping[str, Root] = field(default_factory=dict)
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    made: set[str] = field(default_factory=set)
    proved: dict[str, datetime] = field(default_factory=dict)
    stuck: dict[str, datetime] = field(default_factory=dict)

    def may_move(self, code: str, now: datetime) -> bool:
        """Whether it is time to try again to move a home."""
        return code in self.stuck and now - self.stuck[code] >= TRIED_AGAIN


def know(ground: Ground, roots: Mapping[str, Root]) -> None:
    """These are the roots now; what is held for others is held no longer. Blocking."""
    ground.homes.roots = roots
    if any(share.make for share in ground.school.shares):
        bare = [code for share in ground.school.shares if share.make for code in _bare(ground, share.name)]
        memory.forget(ground.database, ground.school.code, bare)


def allowed(ground: Ground, root: Root) -> bool:
    """Whether the bridge may make or move the folder of a root at all. Blocking."""
    stage = Stage(ground.store(ground.school.code).stage())
    return root.account is not None and Side.SCHOOL in ground.school.policy(stage).writable


def held(ground: Ground, root: Root) -> str:
    """Why this home has to wait for a person, or the empty text. Blocking."""
    school, home = ground.school, _home(ground, root)
    policy = school.policy(Stage(ground.store(school.code).stage()))
    freed = memory.freed(ground.database, school.code)
    if root.code in freed:
        return ""
    alike = [one for one in ground.homes.roots.values() if (one.share, one.role) == (root.share, root.role)]
    bare = _bare(ground, root.share)
    # Those that a person released count for the others: else it would depend on whose turn comes first.
    wanted = {root.code} | {one.code for one in alike if one.code in bare} - ground.homes.made
    earlier = memory.made_since(ground.database, home, wiring.now() - policy.window)
    limit = policy.threshold(Side.SCHOOL, "user", root.role, Tally.CREATE).limit(len(alike))
    if limit is None or len(wanted) + earlier <= limit:
        return ""
    whom = f" of role {root.role}" if root.role else ""
    return (
        f"{school.code} {root.share}: {len(wanted)} folders{whom} are missing or were not read yet ({earlier} more "
        f"were made recently), {limit} may be made at once for {len(alike)} owners, as many as accounts. This one was "
        f"not made. If they are really missing, release them: schoolbridge release {school.code} --all folder:create "
        f"--reason '...'; if not, see whether the server shows all of its folders"
    )


async def make(ground: Ground, root: Root, connect: Connect, absent: Waiting) -> None:
    """Make the folder of a root that was never there, as ``whereabouts.find`` said by ``absent``.

    Raises ``absent`` where the bridge does not make it, Waiting where it can't be made yet, Unreachable where it is
    held or nothing proves that the server shows its folders, Refused where a right is missing.
    """
    if root.account is None or not await asyncio.to_thread(allowed, ground, root):
        raise absent
    async with ground.homes.one_at_a_time:
        await _prove(ground, root, connect)
        why = await asyncio.to_thread(held, ground, root)
        if why:
            await asyncio.to_thread(memory.hold, ground.database, _home(ground, root), why)
            raise Unreachable(why)
        connector = await connect(root.sides[Side.SCHOOL])
        try:
            foundation = connector.capabilities.foundation
            if foundation is None:
                raise absent
            await asyncio.to_thread(memory.intend, ground.database, _home(ground, root))
            await foundation.make(root.account, beside=[one.options for one in _other_places(ground, root)])
            found = await connector.identify()
            await asyncio.to_thread(memory.note, ground.database, _home(ground, root), found)
            ground.homes.made.add(root.code)
        finally:
            await connector.close()


async def move(ground: Ground, root: Root, connect: Connect) -> str:
    """Move the folder of a root from where it was proved to lie at last to its place; why not, else the empty text."""
    homes, now = ground.homes, wiring.now()
    known = await asyncio.to_thread(whereabouts.recall, ground.database, root.code)
    old = placed(ground.school, root, known.filled)
    homes.stuck[root.code] = now
    if not await asyncio.to_thread(allowed, ground, root) or old is None or known.identity is None:
        return "move it"
    # Two who make the folder of a class at the same time would take away each other's beginning.
    async with homes.one_at_a_time:
        connector = await connect(root.sides[Side.SCHOOL])
        try:
            foundation = connector.capabilities.foundation
            if foundation is None or not _same_tree(old, root.sides[Side.SCHOOL]):
                return "move it"
            await foundation.move(old.options, known.identity)
            await asyncio.to_thread(memory.note_moved, ground.database, _home(ground, root), known.identity)
        except BridgeError as error:
            return f"the bridge could not move it and tries again ({error})"
        finally:
            await connector.close()
    homes.stuck.pop(root.code, None)
    return ""


async def _prove(ground: Ground, root: Root, connect: Connect) -> None:
    """Raise Unreachable unless one of the homes that are known on the same server is there, if any is known."""
    homes, now, mine = ground.homes, wiring.now(), root.sides[Side.SCHOOL]
    if root.share in homes.proved and now - homes.proved[root.share] < PROVED:
        return
    known = await asyncio.to_thread(memory.bound, ground.database, ground.school.code, root.share)
    witnesses = [(settings, one) for settings, one in _known_places(ground, root, known) if _same_tree(settings, mine)]
    for settings, one in witnesses[:WITNESSES]:
        try:
            place = await look(connect, settings)
        except BridgeError:
            continue
        await place.connector.close()
        if place.shows(one.identity):
            homes.proved[root.share] = now
            return
    if witnesses:
        raise Unreachable(
            f"{ground.school.code} {root.share}: not one of {min(len(witnesses), WITNESSES)} folders that are known "
            f"was there. Expected: those that were mirrored before. No folder is made meanwhile; see whether the share "
            f"is the right one, and its disk mounted"
        )


def _known_places(ground: Ground, root: Root, known: Mapping[str, Known]) -> Sequence[tuple[SideSettings, Known]]:
    """Where the folders of living owners were proved to lie at last."""
    found = [
        (placed(ground.school, root, one.filled), one) for code, one in known.items() if code in ground.homes.roots
    ]
    return [(settings, one) for settings, one in found if settings is not None]


def _other_places(ground: Ground, root: Root) -> Sequence[SideSettings]:
    """Where the folder might lie if its owner's class was another one when somebody made it."""
    if "class" not in root.filled:
        return ()
    mine = [one for one in ground.homes.roots.values() if one.share == root.share]
    classes = {one.filled["class"] for one in mine if "class" in one.filled} - {root.filled["class"]}
    found = [placed(ground.school, root, {**root.filled, "class": one}) for one in sorted(classes)]
    return [one for one in found if one is not None and _same_tree(one, root.sides[Side.SCHOOL])]


def _same_tree(one: SideSettings, other: SideSettings) -> bool:
    """Whether two places differ by their path alone."""
    paths = {"root"}
    return one.connector == other.connector and one.options.model_dump(exclude=paths) == other.options.model_dump(
        exclude=paths
    )


def _bare(ground: Ground, share: str) -> set[str]:
    """Roots of a share whose folders the bridge would make, and which never had one. Blocking."""
    known = memory.known(ground.database, ground.school.code, share)
    roots = ground.homes.roots.values()
    return {one.code for one in roots if one.share == share and one.account is not None and one.code not in known}


def _home(ground: Ground, root: Root) -> Home:
    return Home(ground.school.code, root.code, root.owner, root.role)
