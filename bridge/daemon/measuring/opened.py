"""Files that are open at the school: asked of each folder's connector, and known from what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.core.cutover import Gate
from bridge.core.gates import Measured
from bridge.core.model import Side
from bridge.daemon import whereabouts, wiring
from bridge.daemon.measuring.verdicts import counted, listed, verdict
from bridge.daemon.roots import Root
from bridge.daemon.scratch import scratch
from bridge.daemon.shares import Ground
from bridge.ports import AllOpened, BridgeError, Connector, Waiting
from bridge.settings.effective import SideSettings
from bridge.state.root_counts import counted as counted_roots


@dataclass(slots=True)
class Open:
    """``waits``: files that the mirror waits for, because somebody has them open. ``blind``: why more may be open."""

    writing: int = 0
    reading: int = 0
    waits: int = 0
    folders: int = 0
    how: set[str] = field(default_factory=set)
    blind: list[str] = field(default_factory=list)


async def look(ground: Ground, roots: Mapping[str, Root]) -> Open:
    """Ask each folder; of a share that can't tell, only the first."""
    found = Open()
    for one in counted_roots(ground.database, ground.school.code).values():
        found.waits += one.waits
    deaf: set[str] = set()
    wholes: dict[str, AllOpened] = {}
    with scratch(ground.settings.indexes.parent, "verify") as own:
        context = replace(wiring.context(ground.settings, ground.school), directory=own)

        async def connect(one: SideSettings) -> Connector:
            return await ground.catalog.connect(one.connector, one.options, context)

        for root in roots.values():
            if root.share not in deaf and not await _one(ground, root, connect, found, wholes):
                deaf.add(root.share)
    if ground.school.shares and not found.folders and not found.blind:
        found.blind.append("no folder of the shares was there to be asked")
    return found


async def _one(
    ground: Ground, root: Root, connect: whereabouts.Connect, found: Open, wholes: dict[str, AllOpened]
) -> bool:
    """False where asking more folders of this share is of no use.

    ``wholes``: share -> what its server has open, looked at once for its thousands of folders.
    """
    where = f"share {root.share}"
    try:
        connector = (await whereabouts.find(ground, root, connect)).connector
    except Waiting:
        return True
    except (BridgeError, OSError):
        found.blind.append(f"{where}: a folder can't be opened; see: schoolbridge shares")
        return True
    try:
        tells = connector.capabilities.open_files
        if tells is None:
            kind = root.sides[Side.SCHOOL].connector
            found.blind.append(f"{where}: the connector {kind} can't see what is open on the server")
            return False
        if root.share not in wholes:
            wholes[root.share] = await tells.look()
        seen = await tells.opened(wholes[root.share])
    except (BridgeError, OSError):
        found.blind.append(f"{where}: open files could not be asked for")
        return root.share in wholes
    finally:
        await connector.close()
    found.folders += 1
    found.writing += seen.writing
    found.reading += seen.reading
    found.how.add(seen.how)
    if seen.blind:
        found.blind.append(f"{where}: {seen.blind}")
    return True


def verdict_on(found: Open, at: datetime) -> Measured:
    """Whoever only reads loses nothing."""
    bad = [f"{counted(found.writing, 'file')} open for writing"] * bool(found.writing)
    bad += [f"{counted(found.waits, 'file')} not mirrored because they are open"] * bool(found.waits)
    seen = f"none in {counted(found.folders, 'folder')}, by {' and '.join(sorted(found.how)) or 'nobody'}"
    blind = listed(found.blind)
    return verdict(
        Gate.OPEN_FILES, at, ok=False if bad else None if blind else True,
        expected="no file of the shares open for writing",
        found="; ".join([*(bad or [seen]), *([blind] if blind else [])]),
        fix="have them closed; where it can't be seen, look at the server (Get-SmbOpenFile, smbstatus --locks), then: "
        "schoolbridge gate SCHOOL attest open-files",
        numbers={"writing": found.writing, "reading": found.reading, "waits": found.waits, "folders": found.folders},
    )  # fmt: skip
