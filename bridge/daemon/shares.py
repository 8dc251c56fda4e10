"""The shares of one school: which roots there are, when each of them is looked at, and what became of it.

refresh   people and groups were mirrored: roots come and go with their owners
wake      hints of a root wake that root; the schedule wakes all of them, spread over its period
turn      a few at a time, in the order in which they were woken; a long cycle gives way in between, so that a large
          home never keeps the others waiting
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from bridge.core.cutover import Stage
from bridge.core.model import Side
from bridge.daemon import homes, whereabouts, wiring
from bridge.daemon.access import Everybody, carry_over
from bridge.daemon.catalog import Catalog
from bridge.daemon.gate import Gate
from bridge.daemon.homes import Homes
from bridge.daemon.ids import TimeOrdered
from bridge.daemon.roots import Root, Roots, roots_of
from bridge.daemon.share_rows import NOT_YET, RootRow, ShareRow
from bridge.daemon.turn import look_again
from bridge.daemon.watched import Life, Reopen, Watched
from bridge.daemon.whereabouts import Lying
from bridge.engine.bridged import Bridged, Progress, Report, silent
from bridge.engine.cycle import cycle
from bridge.engine.load import Load
from bridge.engine.wrap import Leased
from bridge.ports import Connector, Unreachable, Waiting
from bridge.settings import School, Settings
from bridge.settings.effective import SideSettings
from bridge.state.database import Database
from bridge.state.frozen import Modes
from bridge.state.store import SchoolStore

#: Roots of one school that are mirrored at the same time.
AT_ONCE = 4
#: Kinds that a root holds.
KINDS = ("folder", "file")


@dataclass(frozen=True, slots=True)
class Ground:
    """What all roots of a school stand on."""

    settings: Settings
    catalog: Catalog
    school: School
    database: Database
    place: Path | None = None
    """Where the connectors' indexes are, in place of the configured directory."""
    everybody: Everybody = field(default_factory=Everybody)
    homes: Homes = field(default_factory=Homes)
    #: Of this database: a copy of the ground on another one begins with none.
    _stores: dict[str, SchoolStore] = field(default_factory=dict, init=False, repr=False, compare=False)

    def directory(self, root: Root, side: Side) -> Path:
        """Where a side's connector keeps its index; no name of a person is in the path."""
        place = hashlib.sha256(root.code.encode()).hexdigest()[:32]
        return (self.place or self.settings.indexes) / place[:2] / place / side.value

    async def connect(self, root: Root, side: Side, settings: SideSettings | None = None) -> Connector:
        """One side of a root, not asked anything yet; with other ``settings`` than its own at another place."""
        one, directory = settings or root.sides[side], self.directory(root, side)
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        context = wiring.context(self.settings, self.school, permit=self.database.permit)
        context = replace(context, directory=directory, modes=Modes(self.database, root.code))
        connector = await self.catalog.connect(one.connector, one.options, context)
        return connector if self.database.lease is None else Leased(connector, self.database.permit)

    def store(self, code: str) -> SchoolStore:
        """The memory of a root, or with the school's own code that of its people; made once, because that writes."""
        if code not in self._stores:
            kinds = self.school.kinds()
            mine = kinds if code == self.school.code else {name: kinds[name] for name in KINDS}
            self._stores[code] = self.database.school(code, mine)
        return self._stores[code]


@asynccontextmanager
async def opened(
    ground: Ground,
    root: Root,
    *,
    progress: Progress = silent,
    load: Load | None = None,
    elsewhere: Callable[[str], None] = lambda text: None,
    write: bool = True,
) -> AsyncIterator[Bridged]:
    """A root with both sides connected, in the school's present stage. ``load`` is kept up while it is mirrored.

    ``elsewhere`` is told where its folder lies if not at the expected place, else the empty text. With ``write`` a
    folder that the share has the bridge make is made, or moved to its place. Raises Waiting while it was never there,
    Unreachable once it was and is gone.
    """
    school = ground.school
    store = await asyncio.to_thread(ground.store, root.code)
    async with AsyncExitStack() as stack:
        lying = await _found(ground, root, write=write)
        stack.push_async_callback(lying.connector.close)
        elsewhere(lying.elsewhere)
        cloud = await ground.connect(root, Side.CLOUD)
        stack.push_async_callback(cloud.close)
        bridged = Bridged(
            code=root.code,
            name=school.name,
            store=store,
            connectors={Side.SCHOOL: lying.connector, Side.CLOUD: cloud},
            kinds=store.kinds,
            policy=school.policy(Stage.CLASSIC),
            naming=wiring.names_of(school),
            clock=wiring.now,
            new_id=TimeOrdered(wiring.now, secrets.randbits),
            progress=progress,
            load=load or Load(),
        )
        wiring.enter_stage(bridged, school, await asyncio.to_thread(ground.store, school.code))
        yield bridged


async def _found(ground: Ground, root: Root, *, write: bool) -> Lying:
    """The school's side of a root; with ``write`` its folder is made, or moved to its place, where that is to be."""
    connect = partial(ground.connect, root, Side.SCHOOL)
    try:
        lying = await whereabouts.find(ground, root, connect)
    except Waiting as absent:
        if not write:
            raise
        await homes.make(ground, root, connect, absent)
        return await whereabouts.find(ground, root, connect)
    if not lying.elsewhere:
        return lying
    todo = "move it"
    if write and root.account is not None:
        await lying.connector.close()
        todo = await homes.move(ground, root, connect)
        lying = await whereabouts.find(ground, root, connect)
    return replace(lying, elsewhere=f"{lying.elsewhere}: {todo}") if lying.elsewhere else lying


async def turn(
    ground: Ground,
    root: Root,
    bridged: Bridged,
    *,
    sides: Iterable[Side],
    full: bool = False,
    pause: timedelta = timedelta(0),
) -> Report:
    """One cycle of a root with its rights and bookkeeping, in the stage that the school is in now."""
    school, store = ground.school, ground.store(bridged.code)
    people = await asyncio.to_thread(ground.store, school.code)
    await bridged.remember(wiring.enter_stage, bridged, school, people)
    await bridged.remember(store.enter_stage, bridged.policy.writable, bridged.policy.recovery)
    bridged.policy = replace(bridged.policy, pause=pause)
    wanted = set(sides)
    for side in wanted if full else wanted & await bridged.remember(store.unread):
        await bridged.remember(store.drop_token, side)
    started = bridged.clock()
    try:
        if not await _frozen(ground, root, bridged):
            # What a frozen folder grants is not what it is to grant.
            await carry_over(ground, root, bridged, full=full)
    except Unreachable as error:  # nothing is placed before those are let in who may see it, and no others
        return Report("", root.code, started, error=str(error), retry_after=error.retry_after)
    report = await cycle(bridged, sides=[side for side in Side if side in wanted])
    await look_again(bridged, people, report)
    if report.changed or report.error:
        outcome = "failed" if report.error else "changed"
        await bridged.remember(store.begin_cycle, report.cycle, now=started)
        await bridged.remember(
            store.end_cycle, report.cycle, outcome=outcome, counts=report.counts(), now=bridged.clock()
        )
    return report


async def _frozen(ground: Ground, root: Root, bridged: Bridged) -> bool:
    """Whether it is; what is left of a freezing that is over (its owner was away then) is given back here."""
    modes, stage = Modes(ground.database, root.code), bridged.policy.stage
    if not await asyncio.to_thread(modes.any):
        return False
    freezing = bridged.connectors[Side.SCHOOL].capabilities.freezing
    writable = stage is Stage.SOAKING and ground.school.cutover.shares_after == "writable"
    if freezing is not None and (writable or stage is Stage.HYBRID):
        await freezing.thaw()
    return await asyncio.to_thread(modes.any)


@dataclass(slots=True)
class Shares:
    """The daemon's tasks for the roots of one school. ``rows`` is what the status file shows of them, by share."""

    ground: Ground
    rows: dict[str, ShareRow]
    watched: dict[str, Watched] = field(default_factory=dict)
    roots: Mapping[str, Root] = field(default_factory=dict)
    _gate: Gate = field(default_factory=lambda: Gate(AT_ONCE))

    async def refresh(self) -> None:
        """Begin roots that are new, and again those whose folder moved; end those whose owner is gone."""
        if not self.ground.school.shares:
            return
        now: Roots = await asyncio.to_thread(roots_of, self.ground.school, self.ground.database)
        over = [code for code, root in self.roots.items() if now.roots.get(code) != root]
        await asyncio.gather(*(self._end(code) for code in over))
        self.roots = now.roots
        await asyncio.to_thread(homes.know, self.ground, now.roots)
        for share in self.ground.school.shares:
            row = self.rows.setdefault(share.name, ShareRow())
            row.unfit = {owner: why for (name, owner), why in now.unfit.items() if name == share.name}
        for code, root in now.roots.items():
            if code not in self.watched:
                self._begin(root)

    def wake(self, sides: Iterable[Side], *, spread: float = 0.0, full: bool = False) -> None:
        """Look at all roots, spread over so many seconds."""
        loop, wanted = asyncio.get_running_loop(), tuple(sides)
        for place, one in enumerate(self.watched.values()):
            pause = spread * place / len(self.watched)
            loop.call_later(pause, lambda one=one: one.wake(wanted, full=full))  # type: ignore[misc]

    def revive(self) -> None:
        """Begin anew whose task died."""
        for one in self.watched.values():
            one.revive()

    async def stop(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self._end(code) for code in list(self.watched)))

    async def rest(self) -> None:
        """End their tasks for a while; what is known of the roots stays. ``refresh`` begins them again."""
        watched, self.watched = self.watched, {}
        await asyncio.gather(*(one.stop() for one in watched.values()))

    def _begin(self, root: Root) -> None:
        share = self.rows[root.share]
        row = share.roots[root.owner] = RootRow()
        pause = self.ground.school.pause
        log = structlog.get_logger().bind(school=self.ground.school.code, root=root.code)

        def noted(report: Report, sides: frozenset[Side]) -> None:
            if report.error:
                return
            if row.error:
                log.info("works again")
            row.note(report.counts(), sides, wiring.now())
            row.made = root.code in self.ground.homes.made
            log.debug("cycle", **report.counts())

        def failed(message: str) -> None:
            if row.fail(message, wiring.now()):
                log.warning("held up", reason=message)

        def doing(text: str) -> None:
            row.doing = text

        def elsewhere(text: str) -> None:
            if text and not row.elsewhere:
                log.warning("the folder lies at another place than expected")
            row.elsewhere = text

        async def going(bridged: Bridged, sides: frozenset[Side], full: bool) -> Report:
            share.most_files = bridged.connectors[Side.CLOUD].capabilities.most_files
            connect, folder = partial(self.ground.connect, root, Side.SCHOOL), bridged.connectors[Side.SCHOOL]
            unsure = row.error or row.elsewhere
            if row.elsewhere and self.ground.homes.may_move(root.code, wiring.now()):
                raise Reopen
            if unsure and await whereabouts.moved(root, folder, connect, elsewhere=bool(row.elsewhere)):
                raise Reopen
            return await turn(self.ground, root, bridged, sides=sides, full=full, pause=pause)

        life = Life(
            opened=lambda progress: opened(self.ground, root, progress=progress, load=row.load, elsewhere=elsewhere),
            turn=going,
            noted=noted,
            failed=failed,
            doing=doing,
            waiting=lambda why: row.wait(why if root.account else NOT_YET),
            gate=self._gate,
        )
        one = self.watched[root.code] = Watched(f"root {root.code}", life)
        one.start()

    async def _end(self, code: str) -> None:
        root = self.roots.get(code)
        await self.watched.pop(code).stop()
        if root is not None and root.share in self.rows:
            self.rows[root.share].drop(root.owner)
