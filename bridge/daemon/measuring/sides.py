"""What both sides and the shares answer when they are asked: rights, certificates, clocks, room, licences.

Connectors of their own are opened, with an index in a scratch directory: the daemon goes on meanwhile. Of a share with
thousands of folders a few are asked, spread evenly, and all those that something is being sent to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from bridge.core.cutover import Gate, Stage
from bridge.core.gates import Measured
from bridge.core.model import Side
from bridge.daemon import authority, whereabouts, wiring
from bridge.daemon.measuring.verdicts import counted, hidden, listed, place_of, verdict
from bridge.daemon.roots import Root
from bridge.daemon.scratch import scratch
from bridge.daemon.shares import Ground
from bridge.ports import BridgeError, Connector, Finding, Topic, Waiting
from bridge.settings.effective import SideSettings

#: Folders of a share that are asked, beside those that something is sent to, of which there may be so many.
ASKED, SENDING = 5, 20
#: A certificate has to last so many days, clocks may be so many seconds apart, so many bytes have to stay free.
DAYS, SECONDS, SPARE = 14, 60, 1 << 30


@dataclass(frozen=True, slots=True)
class Told:
    """One finding and whose it is; ``root`` is the code of the root and ``share`` its share, empty for people's."""

    place: str
    side: Side
    finding: Finding
    root: str = ""
    share: str = ""

    @property
    def text(self) -> str:
        """For a person."""
        return f"{self.place}: {self.finding.subject}: {self.finding.found}"


@dataclass(slots=True)
class Probed:
    """Everything that was told. ``of``: how many folders the shares have."""

    told: list[Told] = field(default_factory=list)
    of: int = 0

    @property
    def folders(self) -> int:
        """How many folders of shares answered."""
        return len({one.root for one in self.told if one.root})

    def about(self, topic: Topic) -> list[Told]:
        """Findings of a topic."""
        return [one for one in self.told if one.finding.topic is topic]


def chosen(roots: Iterable[Root], sending: Iterable[str]) -> list[Root]:
    """A few of each share, spread evenly, and those (by owner) that something is sent to."""
    busy = set(list(sending)[:SENDING])
    by_share: dict[str, list[Root]] = {}
    for one in roots:
        by_share.setdefault(one.share, []).append(one)
    found: dict[str, Root] = {}
    for some in by_share.values():
        some.sort(key=lambda one: one.code)
        step = max(1, len(some) // ASKED)
        found |= {one.code: one for one in (*some[::step][:ASKED], *(one for one in some if one.owner in busy))}
    return list(found.values())


async def probe(ground: Ground, roots: Sequence[Root], *, of: int) -> Probed:
    """Ask both sides of the school, and both of each of these roots; never raises for what is wrong with them."""
    probed = Probed(of=of)
    for side in Side:
        await _people(ground, side, probed)
    with scratch(ground.settings.indexes.parent, "verify") as own:
        for number, root in enumerate(roots):
            # Whatever holds for the disk of a share is told once: counting its folders takes long.
            whole = all(one.share != root.share or one.side is Side.CLOUD for one in probed.told)
            await _root(ground, root, probed, own / str(number), whole=whole)
    return probed


async def _people(ground: Ground, side: Side, probed: Probed) -> None:
    place = f"{side} side"
    try:
        async with wiring.connected(ground.settings, ground.catalog, ground.school, side) as connector:
            findings = await _asked(connector, whole=True)
            if side is Side.CLOUD:
                stage = await asyncio.to_thread(ground.store(ground.school.code).stage)
                findings += await authority.lacking(ground, connector, Stage(stage))
            probed.told += [Told(place, side, one) for one in findings]
    except BridgeError as error:
        probed.told.append(Told(place, side, Finding("login", False, str(error))))


async def _asked(connector: Connector, *, whole: bool) -> list[Finding]:
    """Raises what ``identify`` raises."""
    identity = await connector.identify()
    found = [Finding("identity", True, identity.description)]
    return [*found, *await connector.check()] if whole else found


async def _root(ground: Ground, root: Root, probed: Probed, own: Path, *, whole: bool) -> None:
    async with AsyncExitStack() as stack:
        for side in Side:
            place = f"{place_of(root)}, {side} side"
            directory = own / side.value
            directory.mkdir(mode=0o700, parents=True)
            context = replace(wiring.context(ground.settings, ground.school), directory=directory)

            async def connect(one: SideSettings, context: object = context) -> Connector:
                return await ground.catalog.connect(one.connector, one.options, context)  # type: ignore[arg-type]

            try:
                if side is Side.SCHOOL:
                    connector = (await whereabouts.find(ground, root, connect)).connector
                else:
                    connector = await connect(root.sides[side])
                stack.push_async_callback(connector.close)
                findings = await _asked(connector, whole=whole or side is Side.CLOUD)
            except Waiting:
                continue  # nobody logged in yet: there is nothing to be let into
            except (BridgeError, OSError) as error:
                findings = [Finding("access", False, str(error))]
            for one in findings:
                subject, found, remedy = (hidden(text, root) for text in (one.subject, one.found, one.remedy))
                plain = replace(one, subject=subject, found=found, remedy=remedy)
                probed.told.append(Told(place, side, plain, root.code, root.share))


def credentials(probed: Probed, at: datetime) -> Measured:
    """Everything that is about getting in, and how long certificates last."""
    told = probed.about(Topic.ACCESS)
    bad = [one for one in told if one.finding.ok is False]
    short = [one for one in told if one.finding.numbers.get("days_left", DAYS) < DAYS]
    warned = sum(one.finding.ok is None for one in told)
    asked = {one.place for one in told}
    missing = [side for side in Side if f"{side} side" not in asked]
    found = listed([one.text for one in (*bad, *short)]) or (
        f"{counted(len(told), 'probe')} at {counted(len(asked), 'endpoint')} passed"
        f"{f', {warned} with a warning (schoolbridge check --online)' if warned else ''}"
    )
    if probed.of:
        found += f"; {probed.folders} of {counted(probed.of, 'folder')} asked"
    fixes = listed([one.finding.remedy for one in (*bad, *short) if one.finding.remedy])
    return verdict(
        Gate.CREDENTIALS, at, ok=None if missing else not bad and not short,
        expected=f"both sides and the shares let the bridge in; certificates last {DAYS} days or longer", found=found,
        fix=fixes or "see: schoolbridge check --online",
        numbers={"probes": len(told), "failed": len(bad) + len(short), "warnings": warned, "folders": probed.folders},
    )  # fmt: skip


def clock(probed: Probed, at: datetime) -> Measured:
    """Every side of people has to tell its time; a share's may not."""
    told = probed.about(Topic.CLOCK)
    seen = {one.side: one for one in told if not one.root and "seconds" in one.finding.numbers}
    silent = [side for side in Side if side not in seen]
    apart = {one.place: one.finding.numbers["seconds"] for one in told if "seconds" in one.finding.numbers}
    late = [f"{place}: {seconds:.0f} s" for place, seconds in apart.items() if seconds > SECONDS]
    silence = f"the {' and the '.join(silent)} side did not tell the time"
    found = listed(late) or (silence if silent else f"{max(apart.values()):.0f} s apart at most")
    return verdict(
        Gate.CLOCK, at, ok=False if late else None if silent else True,
        expected=f"no clock more than {SECONDS} s from that of this machine", found=found,
        fix="set all clocks by the same time server" if late else "see: schoolbridge check --online",
        numbers={"seconds": max(apart.values(), default=0)},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Demand:
    """What is still to come: bytes down to the school, by root's code bytes up, accounts; and drives that were full."""

    down: int = 0
    up: dict[str, int] = field(default_factory=dict)
    accounts: int = 0
    full: int = 0
    without_licence: int = 0


def capacity(probed: Probed, demand: Demand, at: datetime) -> Measured:
    """Room and licences against what is still to come."""
    bad: list[str] = []
    rooms = [one for one in probed.about(Topic.SPACE) if "free" in one.finding.numbers]
    for one in rooms:
        free = one.finding.numbers["free"]
        need = demand.down + SPARE if one.side is Side.SCHOOL else demand.up.get(one.root, 0)
        if one.finding.ok is False or free < need:
            bad.append(f"{one.text}; needed: {need / 1e9:.1f} GB")
    licences = [one for one in probed.about(Topic.LICENCES) if "left" in one.finding.numbers]
    lacking = [one.text for one in probed.about(Topic.LICENCES) if one.finding.ok is False]
    lacking += [
        f"{one.text}; needed: {demand.accounts}" for one in licences if one.finding.numbers["left"] < demand.accounts
    ]
    if demand.full:
        bad.append(f"{counted(demand.full, 'file')} did not fit into a drive that was full")
    if demand.without_licence:
        lacking.append(f"{demand.without_licence} people got no licence")
    unsure = _unsure(probed, rooms, demand)
    found = listed([*bad, *lacking, *unsure]) or (
        f"room in {counted(len(rooms), 'place')} asked, {counted(len(licences), 'licence')} with enough left"
    )
    fixes = ["make room at the school, or raise the quota of the drive"] * bool(bad)
    fixes += ["buy licences, or free some"] * bool(lacking)
    return verdict(
        Gate.CAPACITY, at, ok=False if bad or lacking else None if unsure else True,
        expected="room for what is still to be sent (and 1 GB besides at the school), a licence for everybody",
        found=found, fix="; ".join(fixes) or "see: schoolbridge check --online",
        numbers={"places": len(rooms), "bytes_down": demand.down, "bytes_up": sum(demand.up.values()),
                 "accounts": demand.accounts},
    )  # fmt: skip


def _unsure(probed: Probed, rooms: Sequence[Told], demand: Demand) -> list[str]:
    """Places that were asked and did not tell their room, though something may come there."""
    asked = {one.share for one in probed.told if one.root and one.side is Side.SCHOOL}
    dumb = sorted(asked - {one.share for one in rooms if one.side is Side.SCHOOL})
    found = [f"share {share}, school side: it did not tell how much room it has" for share in dumb]
    if probed.of and not asked:
        found.append("no share told how much room it has")
    due = {one.root for one in probed.told if demand.up.get(one.root)}
    drives = len(due - {one.root for one in rooms if one.side is Side.CLOUD})
    return found + [f"{counted(drives, 'drive')} to be sent to did not tell how much room is left"] * bool(drives)
