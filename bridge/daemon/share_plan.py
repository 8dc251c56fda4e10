"""What would happen to the files of a school: each root rehearsed on a copy of its memory, one after the other.

Nothing is written on either side, and nothing of it stays: the state and the connectors' indexes are copied into a
scratch directory first. Of a root only counts and its first operations are held in memory, however large it is.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.core.access import Change
from bridge.core.model import Operation, Side
from bridge.daemon import access, homes, shares, wiring
from bridge.daemon.roots import Root, roots_of
from bridge.daemon.scratch import scratch
from bridge.daemon.shares import Ground
from bridge.engine.bridged import Progress, Report, silent
from bridge.engine.cycle import cycle
from bridge.ports import BridgeError, Waiting
from bridge.state.access import recall
from bridge.state.database import open_database
from bridge.state.root_counts import RootCounts, counted


@dataclass(frozen=True, slots=True)
class RootPlan:
    """The plan of one root. ``no_folder``: there is nothing to plan, because nobody made its folder yet.
    ``makes``: the bridge would make it, or, with ``held``, a person has to release it first.

    ``waiting``: rule -> how many files wait for a person or for their next try besides. ``rights``: who would be let in
    at the drive, or no longer. ``elsewhere``: where its folder lies if not at the expected place, and what to do.
    """

    root: Root
    report: Report
    no_folder: str = ""
    makes: bool = False
    held: str = ""
    waiting: Counter[str] = field(default_factory=Counter)
    rights: Sequence[Change] = ()
    elsewhere: str = ""

    @property
    def counts(self) -> Counter[tuple[Side, str, str]]:
        """How many operations by side, kind and action."""
        return self.report.rehearsed.counts

    @property
    def operations(self) -> list[Operation]:
        """The first of them."""
        return self.report.operations


async def plans(
    ground: Ground, *, most: int, only: Iterable[str] = (), progress: Progress = silent
) -> AsyncIterator[RootPlan]:
    """The plan of every root of the school (of the shares ``only``, where some are named), ``most`` operations each.

    A root that can't be read has its error in its report; the others go on.
    """
    found = await asyncio.to_thread(roots_of, ground.school, ground.database)
    ground.homes.roots = found.roots
    known = set(await asyncio.to_thread(ground.database.schools))
    wanted = set(only)
    roots = [root for root in found.roots.values() if not wanted or root.share in wanted]
    for number, root in enumerate(roots):
        progress("plan shares", number, len(roots))
        yield await _planned(ground, root, known=root.code in known, most=most)


async def _planned(ground: Ground, root: Root, *, known: bool, most: int) -> RootPlan:
    report = Report("", root.code, wiring.now())
    try:
        with scratch(ground.settings.indexes.parent, "plan") as own:
            return await _rehearse(ground, root, own, known=known, most=most)
    except Waiting as absent:
        makes = root.account is not None
        held = await asyncio.to_thread(homes.held, ground, root) if makes else ""
        return RootPlan(root, report, no_folder=str(absent), makes=makes, held=held)
    except BridgeError as error:
        report.error = str(error)
        return RootPlan(root, report)


async def _rehearse(ground: Ground, root: Root, own: Path, *, known: bool, most: int) -> RootPlan:
    await asyncio.to_thread(_copy_indexes, ground, root, own)
    copy = open_database(f"sqlite:///{own / 'state.db'}", clock=wiring.now)
    try:
        if known:
            await asyncio.to_thread(ground.database.copy_school, root.code, copy)
        there = replace(ground, database=copy, place=own)
        _same_stage(ground, there)
        store = there.store(root.code)
        for rule in ("guard:", "stage"):
            store.unhold(rule)  # judged anew, as for people
        lies: list[str] = []
        async with shares.opened(there, root, write=False, elsewhere=lies.append) as bridged:
            report = await cycle(wiring.read_only(bridged), rehearse=True, most=most)
            granted = await access.intended(
                ground, root, bridged, await asyncio.to_thread(recall, ground.database, root.code)
            )
        held = {what.split(":", 1)[1] for what in report.held}
        standing = counted(copy, ground.school.code).get(root.code, RootCounts()).rules
        waiting = Counter({rule: number for rule, number in standing.items() if rule not in held})
        rights = access.expected(ground, root, granted)
        return RootPlan(root, report, waiting=waiting, rights=rights, elsewhere="".join(lies))
    finally:
        copy.close()


def _same_stage(ground: Ground, there: Ground) -> None:
    """The stage is the school's: its people are not copied for each root."""
    people = ground.store(ground.school.code)
    there.store(ground.school.code).move_stage(people.stage(), event="plan", actor="plan", reason="a copy of the state")


def _copy_indexes(ground: Ground, root: Root, own: Path) -> None:
    """What the connectors know, as it was at one moment: the daemon may be writing it."""
    there = replace(ground, place=own)
    for side in Side:
        source, target = ground.directory(root, side), there.directory(root, side)
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not source.is_dir():
            continue
        for one in source.iterdir():
            if one.suffix == ".sqlite":
                with closing(sqlite3.connect(one)) as begun, closing(sqlite3.connect(target / one.name)) as copied:
                    begun.backup(copied)
            elif one.is_file() and not one.name.endswith(("-wal", "-shm", "-journal")):
                shutil.copy2(one, target / one.name)
