"""What can be brought back into a root, on either side: from the side's own trash, or from its recycle bin by id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from bridge.core.model import Action, Side
from bridge.daemon import whereabouts, wiring
from bridge.daemon.roots import Root
from bridge.daemon.scratch import scratch
from bridge.daemon.shares import Ground
from bridge.ports import ConfigurationError, Connector, Failed, Kept, Refused, Write
from bridge.settings.effective import SideSettings
from bridge.state.journal import Entry
from bridge.state.tombs import let_go, note_restored, tombs


@dataclass(frozen=True, slots=True)
class Back:
    """One version that came back: ``path`` below the root; ``why`` it did not come back, else empty."""

    kept: Kept
    path: str
    why: str = ""


@asynccontextmanager
async def opened(ground: Ground, root: Root, side: Side) -> AsyncIterator[Connector]:
    """One side of a root with an index of its own: the daemon may be using the other."""
    one = root.sides[side]
    with scratch(ground.settings.indexes.parent, "restore") as own:
        context = replace(wiring.context(ground.settings, ground.school), directory=own)

        async def connect(settings: SideSettings) -> Connector:
            return await ground.catalog.connect(settings.connector, settings.options, context)

        if side is Side.SCHOOL:
            connector = (await whereabouts.find(ground, root, connect)).connector
        else:
            connector = await connect(one)
        try:
            yield connector
        finally:
            await connector.close()


async def kept(ground: Ground, root: Root, side: Side, connector: Connector) -> Sequence[Kept]:
    """What lies in the trash, the latest first. Where the side can't list it, what the state knows as deleted."""
    trash = connector.capabilities.trash
    if trash is not None:
        return sorted([one async for one in trash.kept()], key=lambda one: (one.moment, one.path), reverse=True)
    return [
        Kept(one.anchor, one.kind, one.path, one.at.isoformat(), deleted=True, size=one.size, anchor=one.anchor)
        for one in tombs(ground.database, root.code, side)
    ]


def meant(there: Sequence[Kept], wanted: str) -> Sequence[Kept]:
    """What somebody means: an id, or a path; of a folder also all that was deleted below it, the newest of each."""
    by_id = [one for one in there if one.id == wanted]
    if by_id:
        return by_id
    path = wanted.strip("/")
    deleted: dict[str, Kept] = {}
    for one in there:
        if one.deleted and (one.path == path or one.path.startswith(f"{path}/")):
            deleted.setdefault(one.path, one)
    # Folders first, the upper ones before those in them.
    found = sorted(deleted.values(), key=lambda one: (one.path.count("/"), one.path))
    return found or [one for one in there if one.path == path][:1]


async def bring_back(
    ground: Ground, root: Root, side: Side, connector: Connector, *, wanted: Sequence[Kept], actor: str, reason: str
) -> Sequence[Back]:
    """Bring versions back and note it in the root's journal; the next cycle mirrors them."""
    kinds = {name: kind for name, kind in ground.school.kinds().items() if kind.parent}
    let_go(ground.database, root.code, kinds, side, [one.anchor for one in wanted if one.deleted])
    trash = connector.capabilities.trash
    found: list[Back] = []
    if trash is not None:
        for one in wanted:
            try:
                found.append(Back(one, await trash.bring_back(one.id)))
            except KeyError:
                found.append(Back(one, one.path, "it is not in the trash any more"))
    else:
        found = await _by_anchor(side, connector, wanted)
    entries = [
        Entry(
            "restore", actor=actor, side=side, kind=back.kept.kind, anchor=back.kept.id, reason=reason,
            after={"path": back.path}, outcome="failed" if back.why else "done",
        )
        for back in found
    ]  # fmt: skip
    note_restored(ground.database, root.code, kinds, entries)
    return found


async def _by_anchor(side: Side, connector: Connector, wanted: Sequence[Kept]) -> list[Back]:
    """By the port's RESTORE: what a recycle bin gives back by the id that the record had."""
    for kind in {one.kind for one in wanted}:
        if Action.RESTORE not in connector.capabilities.writes.get(kind, frozenset()):
            raise ConfigurationError(
                f"the {side} of this share can't bring back a {kind}: it is read only, or has no recycle bin. Use its "
                f"own means (the recycle bin of OneDrive, previous versions)"
            )
    if side is Side.SCHOOL:
        async for _ in connector.observe(None):
            pass  # a fresh index has to know the folders that things go back into
    found = []
    for one in wanted:
        write = Write(one.id, one.kind, Action.RESTORE, one.id)
        back = Back(one, one.path, "it is not known whether it came back; see the side itself")
        try:
            async for outcome in connector.apply([write]):
                back = Back(one, one.path, outcome.message if isinstance(outcome, Failed) else "")
        except Refused as error:
            back = Back(one, one.path, str(error))
        found.append(back)
    return found
