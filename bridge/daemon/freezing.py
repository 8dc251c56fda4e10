"""The shares of a school are frozen, told of and thawed: all roots, a few at a time, each through its connector.

| ``freeze`` of a share | frozen | told of |
|---|---|---|
| permissions | root by root, through its connector | through its connector |
| samba | the whole share of Samba, by root of this machine: ``samba_shares`` | the same |
| by-hand | by a person, who says so | the same, where the bridge may write |
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from bridge.core.model import Side
from bridge.daemon import whereabouts
from bridge.daemon.roots import Root, roots_of
from bridge.daemon.samba_shares import shares_of
from bridge.daemon.shares import AT_ONCE, Ground
from bridge.letters.notice import text_of
from bridge.ports import BridgeError, Freezing, Frozen, Unreachable, Waiting
from bridge.state.frozen import frozen_roots

BY_HAND = "by-hand"
_PERMISSIONS, _SAMBA = "permissions", "samba"


async def freeze_all(ground: Ground, *, confirmed: Collection[str]) -> dict[str, int]:
    """Freeze all shares. ``confirmed``: those that somebody froze by hand, and said so.

    Raises Unreachable where a share is not confirmed, or something in it could not be frozen; what was frozen stays so.
    """
    for share in ground.school.shares:
        if share.freeze == BY_HAND and share.name not in confirmed:
            code = ground.school.code
            raise Unreachable(
                f"{code}: the share {share.name} is frozen by hand: make it read-only on its server for everybody but "
                f"the bridge, then say so: schoolbridge cutover confirm {code} --share {share.name} --reason ..."
            )
    totals = _counted(await shares_of(ground, await _frozen(ground, _SAMBA)).freeze(), "shares of Samba frozen")
    totals += await _each(ground, await _frozen(ground, _PERMISSIONS), _freeze)
    return _checked(ground, totals, "frozen")


async def post_all(ground: Ground) -> dict[str, int]:
    """Leave a notice in every root that has a folder. A share that is frozen by hand may be read-only for the bridge,
    too: then it has none, and is counted."""
    text = text_of(ground.school)

    async def post(freezing: Freezing) -> Counter[str]:
        await freezing.post(text)
        return Counter({"posted": 1})

    done = await _each(ground, await _frozen(ground, _PERMISSIONS, _SAMBA), post)
    return dict(done + await _each(ground, await _frozen(ground, BY_HAND), post, without="without a notice"))


async def thaw_all(ground: Ground, *, unpost: bool, posted: bool = False) -> dict[str, int]:
    """Give back what freezing took; with ``unpost`` the notices go, too. ``posted``: also at shares frozen by hand.

    Raises Unreachable where something can't be given back yet; a notice that stays at one frozen by hand is counted.
    """
    samba = await _frozen(ground, _SAMBA)
    roots = {one.code: one for one in await _frozen(ground, _PERMISSIONS)}
    still = await asyncio.to_thread(frozen_roots, ground.database, ground.school.code)
    wanted = roots.values() if unpost else [roots[code] for code in still if code in roots]

    async def thaw(freezing: Freezing) -> Counter[str]:
        if unpost:
            await freezing.unpost()
        return _counted(await freezing.thaw(), "thawed")

    async def take_away(freezing: Freezing) -> Counter[str]:
        await freezing.unpost()
        return Counter()

    # Whatever can't be given back keeps nothing else frozen.
    totals = await _all(
        _each(ground, wanted, thaw), _thawed_by_samba(ground, samba), _each(ground, samba if unpost else (), take_away)
    )
    if unpost and posted:
        totals += await _each(ground, await _frozen(ground, BY_HAND), take_away, without="notices that stay")
    # Whose owner left meanwhile: nobody knows any more where the folder is. It is thawed by the first cycle if they
    # come back.
    lost = [code for code in still if code not in roots]
    return {**_checked(ground, totals, "thawed"), **({"roots without an owner": len(lost)} if lost else {})}


async def _freeze(freezing: Freezing) -> Counter[str]:
    done = await freezing.freeze()
    return Counter({"seen": done.seen}) + _counted(done, "frozen")


def _counted(done: Frozen, what: str) -> Counter[str]:
    return Counter({what: done.changed, **{f"trouble: {why}": count for why, count in done.troubles.items()}})


async def _thawed_by_samba(ground: Ground, roots: Iterable[Root]) -> Counter[str]:
    """All that root keeps of this school; of roots that are not configured any more, too."""
    return _counted(await shares_of(ground, roots).thaw(), "shares of Samba thawed")


async def _all(*works: Awaitable[Counter[str]]) -> Counter[str]:
    """Together, and their sum. The first error is raised when the others are through."""
    totals = Counter[str]()
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        totals += result
    return totals


async def _frozen(ground: Ground, *how: str) -> list[Root]:
    """The roots of the shares that are frozen in one of these ways."""
    shares = {share.name for share in ground.school.shares if share.freeze in how}
    if not shares:
        return []
    found = await asyncio.to_thread(roots_of, ground.school, ground.database)
    return [root for root in found.roots.values() if root.share in shares]


async def _each(
    ground: Ground, roots: Iterable[Root], act: Callable[[Freezing], Awaitable[Counter[str]]], *, without: str = ""
) -> Counter[str]:
    """Do it to all roots that have a folder, a few at a time. The first error is raised when the others are through.

    ``without``: as what a root is counted where it can't be done; then nothing is raised for it.
    """
    free = asyncio.Semaphore(AT_ONCE)

    async def one(root: Root) -> Counter[str]:
        async with free:
            try:
                lying = await whereabouts.find(
                    ground, root, lambda settings: ground.connect(root, Side.SCHOOL, settings)
                )
            except Waiting:
                return Counter({"without a folder": 1})
            try:
                freezing = lying.connector.capabilities.freezing
                if freezing is None:
                    raise Unreachable(
                        f"{root.code}: its folder can't be changed (read_only is set). Expected: the bridge may write "
                        f"it; or say freeze: by-hand for the share {root.share}"
                    )
                return await act(freezing)
            finally:
                await lying.connector.close()

    async def tried(root: Root) -> Counter[str]:
        try:
            return await one(root)
        except BridgeError:
            if not without:
                raise
            return Counter({without: 1})

    return await _all(*(tried(root) for root in roots))


def _checked(ground: Ground, totals: Counter[str], what: str) -> dict[str, Any]:
    troubles = {name.removeprefix("trouble: "): count for name, count in totals.items() if name.startswith("trouble: ")}
    if troubles:
        said = ", ".join(f"{count} × {why}" for why, count in sorted(troubles.items()))
        raise Unreachable(
            f"{ground.school.code}: not everything in the shares could be {what}: {said}. Give the service the right "
            f"to change permissions there (CAP_FOWNER, CAP_DAC_OVERRIDE); it tries again by itself"
        )
    return {name: count for name, count in sorted(totals.items()) if count}
