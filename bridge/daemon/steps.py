"""The daemon's part of a cutover: it does the steps of the run that the state names, and goes on after a crash.

1. the run is read from the state before each step, so that what a person asked for meanwhile counts
2. a step is cancelled when its run turned, or the deadline passed: then everything goes back, by itself
3. what a step found out, its end and the move to the next stage are one transaction
4. a step that can't be done says why, and is tried again until the deadline

While a run goes on the roots of the shares have no tasks of their own: the steps mirror them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.core import cutover
from bridge.core.changeover import MOVES, Course, Step, after, frozen
from bridge.core.cutover import Event, Stage
from bridge.core.gates import PASS
from bridge.daemon import authority, changeover, readiness, wiring
from bridge.daemon.freezing import freeze_all, post_all, thaw_all
from bridge.daemon.mirror_once import read_once
from bridge.daemon.reports import prove
from bridge.daemon.share_rows import ShareRow
from bridge.daemon.shares import Ground, Shares
from bridge.daemon.trouble import said
from bridge.engine.bridged import Bridged
from bridge.ports import BridgeError, ConfigurationError, Unreachable
from bridge.state import changeover as runs
from bridge.state import stages
from bridge.state.changeover import Run, running
from bridge.state.store import SchoolStore
from bridge.state.transaction import writing

#: How often it is looked whether somebody turned the run, and how long a step that could not be done waits at first and
#: at most, in seconds.
LOOK, AGAIN, SELDOM = 1.0, 5.0, 300.0
#: Readings of both sides until nothing is left to do: more of them mean that somebody still writes.
ROUNDS = 6
#: No step waits to be tried again.
NEVER: tuple[Run | None, datetime] = (None, datetime.min.replace(tzinfo=UTC))


class _Turned(Exception):
    """The run is not at this step any more, or its time is over."""


@dataclass(slots=True)
class Steps:
    """One school's. ``ground`` is what its roots stand on; ``wake`` has the school looked at again.

    ``doing`` shows the step under way, again and again while its deadline bounds it.
    """

    ground: Ground
    wake: Callable[[], None]
    doing: Callable[[str], None] = lambda text: None
    log: Any = field(default_factory=structlog.get_logger)
    alone_at_it: asyncio.Lock = field(default_factory=asyncio.Lock)
    owing: str = ""  #: why the cloud still has what is the school's again
    _rows: dict[str, ShareRow] = field(default_factory=dict)
    _proved: tuple[str, datetime] | None = None
    _blocked: tuple[Run | None, datetime] = NEVER

    async def go(self, one: Bridged, store: SchoolStore, shares: Shares | None) -> bool:
        """Do the steps of the run that goes on, as many as can be done now; whether it is still not over.

        Tasks of ``shares`` are stopped; ``Shares.refresh`` begins them again.
        """
        moved = False
        async with self.alone_at_it:
            while (run := await self._running()) is not None:
                if shares is not None:
                    await shares.rest()
                if self._late(run):
                    await self._expire(run)
                    continue
                if self._waits(run):
                    return True
                try:
                    self._rows = shares.rows if shares is not None else {}
                    await self._guarded(run, self._step(run.step)(run, one, store))
                except _Turned:
                    continue
                except (BridgeError, OSError, SQLAlchemyError) as error:
                    await self._held_up(run, error)
                    return True
                moved = True
                await one.remember(wiring.enter_stage, one, self._school, store)
        if moved:
            self.wake()
        self.owing = await authority.settle(self.ground, one, store, self.log, before=self.owing)
        try:
            self._proved = await asyncio.to_thread(prove, self.ground, store, self._proved)
        except (BridgeError, OSError, SQLAlchemyError) as error:
            self.log.warning("the report of the cutover can't be written", reason=said(error))
        return False

    async def going_on(self) -> bool:
        """Whether a run is not over."""
        return await self._running() is not None

    async def alone(self) -> bool:
        """What needs no side but the school's own folders: the deadline, the return, to thaw. Whether it was done.

        Nobody can be kept frozen, or in the cloud, because a cloud is away.
        """
        if self.alone_at_it.locked():
            return False
        async with self.alone_at_it:
            run = await self._running()
            if self._blocked[0] not in (None, run):  # turned or confirmed since: not only when it would be tried again
                self._blocked = NEVER
                self.wake()
            if run is None or not (self._late(run) or run.step in (Step.RETURN, Step.THAW)) or self._waits(run):
                return False
            if self._late(run):
                await self._expire(run)
                run = await self._running()
            while run is not None and run.step in (Step.RETURN, Step.THAW):
                try:
                    await (self._end(run) if run.step is Step.RETURN else self._thaw(run))
                except (BridgeError, OSError, SQLAlchemyError) as error:
                    await self._held_up(run, error)
                    break
                run = await self._running()
        return True

    def _waits(self, run: Run) -> bool:
        """Whether it is too early to try again a step that nobody turned since; a deadline does not wait."""
        return self._blocked[0] == run and wiring.now() < self._blocked[1] and not self._late(run)

    @staticmethod
    def _late(run: Run) -> bool:
        return frozen(run.step) and wiring.now() >= run.deadline

    async def _expire(self, run: Run) -> None:
        try:
            await asyncio.to_thread(changeover.expire, self._database, self._school, run, now=wiring.now())
        except ConfigurationError:  # somebody turned it in this moment; whatever it is, it is not asked without a pause
            await asyncio.sleep(LOOK)
        else:
            self.log.error("the deadline of the cutover passed: rolled back", run=run.id, step=run.step.value)

    async def _held_up(self, run: Run, error: Exception) -> None:
        await asyncio.to_thread(runs.trouble, self._database, self._school.code, run, said(error))
        self.log.warning("a step of the cutover is held up", run=run.id, step=run.step.value)
        # Not again before that, unless a person turned it or confirmed something: contents are not read for nothing.
        now = await self._running() or run
        self._blocked = now, wiring.now() + timedelta(seconds=self._wait(now))
        asyncio.get_running_loop().call_later(self._wait(now), self.wake)

    @property
    def _database(self) -> Any:
        return self.ground.database

    @property
    def _school(self) -> Any:
        return self.ground.school

    async def _running(self) -> Run | None:
        return await asyncio.to_thread(running, self._database, self._school.code)

    @staticmethod
    def _wait(run: Run) -> float:
        left = (run.deadline - wiring.now()).total_seconds()
        again: float = min(AGAIN * 2 ** min(run.attempts, 10), SELDOM)
        return min(again, max(left, 0.0) + 0.1) if frozen(run.step) else again

    async def _guarded(self, run: Run, work: Awaitable[None]) -> None:
        """Do a step until it is done, or cancel it when it should not be done any more. Raises _Turned."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK)
                if task.done():
                    break
                if frozen(run.step):
                    self.doing(f"cutover: {run.step}")
                there = await self._running()
                if self._late(run) or there is None or (there.id, there.step) != (run.id, run.step):
                    raise _Turned
            await task
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, BridgeError, OSError, SQLAlchemyError):
                    await task

    def _step(self, step: Step) -> Callable[[Run, Bridged, SchoolStore], Awaitable[None]]:
        steps: Mapping[Step, Callable[[Run, Bridged, SchoolStore], Awaitable[None]]] = {
            Step.FREEZE: self._freeze,
            Step.DELTA: self._delta,
            Step.VERIFY: self._verify,
            Step.SWITCH: self._switch,
            Step.NOTICE: self._notice,
            Step.HOME: self._delta,
            Step.RETURN: lambda run, *_: self._end(run),
            Step.THAW: self._thaw,
        }
        return steps[step]

    # --- the steps --------------------------------------------------------------------------------------------------

    async def _freeze(self, run: Run, one: Bridged, store: SchoolStore) -> None:
        await self._end(run, frozen=await freeze_all(self.ground, confirmed=run.state.get("confirmed", ())))

    async def _delta(self, run: Run, one: Bridged, store: SchoolStore) -> None:
        """Read both sides, people first, until a whole round found nothing to do.

        In full until that was so once: a run that waits for its gates must not list everything again and again. What a
        reading wrote that broke off is frozen and verified again.
        """
        written, full = 0, "delta" not in run.state
        broken_off = await asyncio.to_thread(runs.reading, self._database, self._school.code, run)
        for number in range(1, ROUNDS + 1):
            if run.step is Step.DELTA and (number > 1 or broken_off):
                # What the bridge itself brought to the school has to be frozen, too.
                await freeze_all(self.ground, confirmed=run.state.get("confirmed", ()))
            changed = await read_once(self.ground, one, store, full=full, rows=self._rows)
            written += changed
            if not changed:
                stale = {"verify": None} if written or broken_off else {}
                await self._end(run, delta={"rounds": number, "written": written}, reading=False, **stale)
                return
        raise Unreachable(
            f"{self._school.code}: {ROUNDS} readings in a row found something to do: somebody still writes. "
            f"Expected: nothing changes any more. See what: schoolbridge plan {self._school.code}"
        )

    async def _verify(self, run: Run, one: Bridged, store: SchoolStore) -> None:
        gate = cutover.Gate.VERIFIED
        (measured,) = await readiness.measure(self.ground, gates=[gate], verify=self._school.cutover.verify)
        if measured.result != PASS:
            await self._back(run, f"{gate}: {measured.found}. {measured.fix}")
        await self._end(run, verify=dict(measured.numbers))

    async def _switch(self, run: Run, one: Bridged, store: SchoolStore) -> None:
        """The gates are measured now; those that do not hold send the run back to look again."""
        gates = cutover.gates(Stage.FREEZING, Event.SWITCH)
        await readiness.measure(self.ground, gates=[gate for gate in gates if gate is not cutover.Gate.VERIFIED])
        found = await asyncio.to_thread(
            changeover.wanted, self._database, self._school, Stage.FREEZING, Event.SWITCH, now=wiring.now()
        )
        closed = [gate for gate in found if not gate.holds]
        if closed:
            problem = "; ".join(f"{gate.gate}: {gate.found or gate.result}. {gate.fix}" for gate in closed)
            await self._back(run, f"gates do not hold: {problem}")
        given = await authority.to_cloud(self.ground, one)
        await self._end(run, **changeover.told(found), **({"authority": given} if given else {}))

    async def _notice(self, run: Run, one: Bridged, store: SchoolStore) -> None:
        posted = await post_all(self.ground)
        thawed: Mapping[str, Any] = {}
        if self._school.cutover.shares_after == "writable":
            thawed = await thaw_all(self.ground, unpost=False)
        await self._end(run, notice={"posted": posted, "thawed": thawed})

    async def _thaw(self, run: Run, *_: object) -> None:
        posted = run.course is Course.ROLL_BACK  # only then was the school switched
        await self._end(run, thaw=await thaw_all(self.ground, unpost=True, posted=posted))

    # --- its end ----------------------------------------------------------------------------------------------------

    async def _end(self, run: Run, **state: Any) -> None:
        """A step is done: what it found out, the next step, and where it moves the school on that too."""
        step, event = after(run.step, run.course), MOVES.get(run.step)
        if step is Step.VERIFY and {**run.state, **state}.get("verify"):
            step = after(step, run.course)  # nothing was written since all of it was found equal
        if run.course is Course.REHEARSAL and step is Step.THAW:
            event = Event.ABORT
        # Until the gates were asked again, what was wrong last is what a person wants to know.
        problem = run.problem if run.step in (Step.DELTA, Step.VERIFY) else ""
        await asyncio.to_thread(self._go_on, run, step, event, state, problem)

    async def _back(self, run: Run, problem: str) -> NoReturn:
        """Something is not as it has to be: look again at everything after a while, until the deadline."""
        await asyncio.to_thread(self._go_on, run, Step.DELTA, None, {}, problem)
        raise Unreachable(f"{self._school.code}: {problem}")

    def _go_on(self, run: Run, step: Step, event: Event | None, state: Mapping[str, Any], problem: str) -> None:
        school = self._school
        with writing(self._database, school.code, school.kinds(), now=wiring.now()) as tx:
            if event is not None:
                before = Stage.SOAKING if event is Event.ROLL_BACK else Stage.FREEZING
                target = cutover.TRANSITIONS[before, event][0]
                reason = str(run.state.get("reason", "")) or "the gates hold"
                stages.move(
                    tx, target.value, event=event.value, actor=run.actor, reason=reason, expected=before.value,
                    more={"run": run.id, **state},
                )  # fmt: skip
            runs.go_on(tx, run, step, state=state, problem=problem)
        self.log.info("cutover", run=run.id, step=run.step.value, next=step.value)
