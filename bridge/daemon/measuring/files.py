"""The folders of a school's shares: whether each was read to its end on both sides, and how much is left to be sent.

| the daemon | how it is found out |
|---|---|
| works, its status is fresh | its figures: when each folder was read last on each side, what is left, at which pace |
| does not run, or the school is frozen | every folder is read now and planned on a copy, as for ``plan`` |
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bridge.core.cutover import Gate
from bridge.core.gates import LAW, Measured
from bridge.core.model import Side
from bridge.daemon import board
from bridge.daemon.estimate import Estimate, in_words
from bridge.daemon.measuring import people as persons
from bridge.daemon.measuring.people import People
from bridge.daemon.measuring.verdicts import Progress, counted, hidden, listed, place_of, verdict
from bridge.daemon.progress import read
from bridge.daemon.roots import Root, Roots
from bridge.daemon.share_plan import plans
from bridge.daemon.shares import Ground
from bridge.engine.load import NOTHING, Amount
from bridge.settings.line import Calendar
from bridge.state.root_counts import counted as counted_roots

#: So many people or groups are written a second at the least.
PACE = 1.0
#: An estimate may take so much of the freezing: the rest is for verification and for what goes wrong.
PART = 0.5


@dataclass(slots=True)
class Files:
    """``unread``: folders that were not read to their end; ``reasons``: why folders stand still or have none.

    ``waiting``: folders that were never there yet. ``oldest``: since when the one that waits longest was not read.
    ``left`` is what is still to be sent, ``found`` when that will be through; ``sending``: owner -> its bytes left.
    """

    roots: int = 0
    waiting: int = 0
    unread: int = 0
    stopped: int = 0
    unfit: int = 0
    reasons: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    running: bool = False
    left: Amount = NOTHING
    complete: bool = True
    found: Estimate = field(default_factory=Estimate)
    sending: dict[str, int] = field(default_factory=dict)


def status_of(ground: Ground, now: datetime) -> Mapping[str, Any] | None:
    """What a daemon that works says of the school now; None without one."""
    runtime = ground.settings.runtime
    tree = board.read(runtime) if board.running(runtime) else None
    if tree is None:
        return None
    try:
        late = now - datetime.fromisoformat(str(tree.get("beat")))
    except ValueError:
        return None
    row = tree.get("schools", {}).get(ground.school.code)
    return row if isinstance(row, Mapping) and late <= timedelta(seconds=6 * board.BEAT) else None


async def look(ground: Ground, roots: Roots, now: datetime, progress: Progress, *, frozen: bool) -> Files:
    """See above. Raises what the state raises."""
    if not ground.school.shares:
        return Files()
    row = None if frozen else await asyncio.to_thread(status_of, ground, now)
    if row is None:
        return await _rehearsed(ground, roots, progress)
    found = _told(ground, roots, row, now)
    seen = await asyncio.to_thread(counted_roots, ground.database, ground.school.code)
    waiting = {owner for owner, _ in _pairs(row, "not_there")}
    never = [
        root for code, root in roots.roots.items()
        if root.owner not in waiting and (code not in seen or seen[code].read != set(Side))
    ]  # fmt: skip
    found.unread = max(found.unread, len(never))
    return found


def _pairs(row: Mapping[str, Any], what: str) -> Iterator[tuple[str, str]]:
    """(owner, why) of a part of ``away`` that is sorted by reason, for all shares."""
    for share in row.get("shares", {}).values():
        for why, owners in share.get("away", {}).get(what, {}).items():
            for owner in owners:
                yield owner, why


def _told(ground: Ground, roots: Roots, row: Mapping[str, Any], now: datetime) -> Files:
    shown = row.get("shares", {})
    bridge = ground.settings.bridge
    calendar = Calendar(tuple(bridge.bandwidth), ZoneInfo(bridge.time_zone))
    everything = all(one.name in shown for one in ground.school.shares)
    told = row.get("progress")
    moving = read(told, now, calendar, complete=everything)
    by_owner = {(root.share, root.owner): root for root in roots.roots.values()}
    found = Files(
        roots=len(roots.roots),
        unfit=len(roots.unfit),
        reasons=list(roots.unfit.values()),
        running=True,
        left=Amount(*told["left"]) if told else NOTHING,
        complete=moving.complete,
        found=moving.found,
    )
    times: list[datetime] = []
    for name, share in shown.items():
        found.waiting += share["waiting"]
        found.stopped += share["stopped"]
        found.unread += len(share["away"].get("not_read", ()))
        for why, owners in share["away"].get("still", {}).items():
            known = next((by_owner[name, one] for one in owners if (name, one) in by_owner), None)
            found.reasons.append(f"share {name}: {hidden(why, known) if known else why}")
        times += [datetime.fromisoformat(one) for one in share["oldest"].values() if one]
        for owner, numbers in share["away"].get("sending", {}).items():
            found.sending[owner] = found.sending.get(owner, 0) + numbers[3] - numbers[2]
    found.oldest = min(times, default=None)
    if not everything:
        found.unread += 1
        found.reasons.append("a share is not known to the daemon yet")
    return found


async def _rehearsed(ground: Ground, roots: Roots, progress: Progress) -> Files:
    found = Files(roots=len(roots.roots), unfit=len(roots.unfit), reasons=list(roots.unfit.values()))
    left = NOTHING
    operations = 0
    async for one in plans(ground, most=0, progress=progress):
        if one.report.error:
            found.stopped += 1
            found.reasons.append(f"{place_of(one.root)}: {hidden(one.report.error, one.root)}")
            continue
        if one.no_folder:
            found.waiting += 1
            continue
        sizes = one.report.rehearsed.sizes
        number = sum(one.counts.values())
        operations += number
        left += Amount(number, sizes[Side.CLOUD], sizes[Side.SCHOOL])
        if sizes[Side.CLOUD]:
            found.sending[one.root.owner] = sizes[Side.CLOUD]
    found.left = left
    found.complete = not found.stopped
    if operations:
        found.found = Estimate(reason="no daemon works on it")
    return found


def scanned(people: People, files: Files, at: datetime) -> Measured:
    """People, groups and all folders read to their end."""
    bad: list[str] = []
    if not people.complete:
        bad.append(persons.why(people))
    elif not people.records:
        bad.append("nobody was found on either side: see whether the right place is read")
    bad += files.reasons
    if files.unread:
        bad.append(f"{counted(files.unread, 'folder')} not read to the end yet")
    if files.waiting and files.waiting == files.roots:
        bad.append(f"none of {counted(files.roots, 'folder')} is there: see whether the place is right and mounted")
    limit = LAW[Gate.COMPLETE_SCAN].longest
    if files.oldest is not None and at - files.oldest > limit:
        bad.append(f"a folder was not read to its end since {files.oldest.isoformat(timespec='minutes')}")
    read_ones = files.roots - files.waiting
    good = f"{counted(people.records, 'record')} of people and groups and {counted(read_ones, 'folder')} read"
    waiting = f"; {counted(files.waiting, 'folder')} not there yet (nobody logged in)" if files.waiting else ""
    return verdict(
        Gate.COMPLETE_SCAN, at, ok=not bad,
        expected="both sides of people, groups and every folder read to their end without an error",
        found=(listed(bad) or good) + waiting,
        fix="put right what is found (schoolbridge check --online, schoolbridge shares), and wait for the next read",
        numbers={"records": people.records, "folders": read_ones, "waiting": files.waiting, "unread": files.unread,
                 "stopped": files.stopped, "unfit": files.unfit},
    )  # fmt: skip


def backlog(people: People, files: Files, at: datetime, *, budget: timedelta, frozen: bool) -> Measured:
    """What is left, against the time of the freezing; once frozen nothing may be left."""
    operations = sum(people.left.values())
    there = files.left
    what = counted(int(there.files), "file" if files.running else "operation")
    rest = f"{what} and {there.bytes / 1e6:,.1f} MB left of the shares" if there.files else "nothing left of the shares"
    found = f"{persons.told(people)}; {rest}"
    numbers: dict[str, float | int | str] = {
        "operations": operations, "files": int(there.files), "bytes_up": there.up, "bytes_down": there.down,
        "budget_seconds": int(budget.total_seconds()),
    }  # fmt: skip
    fix = "let the daemon work on; see: schoolbridge status, schoolbridge plan"
    known = people.complete and files.complete
    if frozen:
        nothing = not operations and not there.files
        return verdict(
            Gate.BACKLOG, at, ok=False if not nothing else True if known else None,
            expected="nothing left to be done while the school is frozen", found=found, fix=fix, numbers=numbers,
        )  # fmt: skip
    expected = f"what is left is done in half of {in_hours(budget)}, the time that a freezing may take"
    if there.files:
        found += f"; time left: {in_words(files.found, at)}"
    end = at if not there.files else files.found.latest
    if not known or end is None:
        return verdict(Gate.BACKLOG, at, ok=None, expected=expected, found=found, fix=fix, numbers=numbers)
    needed = timedelta(seconds=operations / PACE) + (end - at)
    numbers["needed_seconds"] = int(needed.total_seconds())
    return verdict(
        Gate.BACKLOG, at, ok=needed <= budget * PART, expected=expected, found=found, fix=fix, numbers=numbers
    )


def in_hours(length: timedelta) -> str:
    """``4 hours``."""
    hours = length.total_seconds() / 3600
    return f"{hours:g} hour{'s' if hours != 1 else ''}"


def full_up(files: Files, roots: Mapping[str, Root]) -> dict[str, int]:
    """Root's code -> bytes that are still to be sent to its drive."""
    return {code: files.sending[root.owner] for code, root in roots.items() if root.owner in files.sending}
