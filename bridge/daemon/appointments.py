"""Appointments of cutovers: made by a person, kept by the daemon if everything holds at that time.

| at its time | what becomes of it |
|---|---|
| a run began then: a crash came before that was noted, or a person was first | started |
| the daemon was down, or could not begin, for more than a quarter of an hour | missed |
| the school is in another stage than hybrid | refused |
| a blackout, or the order of the waves | refused |
| the gates of freezing, measured once more, do not hold | refused |
| none of it | started |

Each of them ends the appointment, is in the journal and is told. Nothing else ever starts a cutover by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from bridge.core.cutover import Event, Stage
from bridge.core.local_time import shown
from bridge.core.waves import THROUGH, Hindrance, Place
from bridge.core.waves import hindrance as hindered
from bridge.daemon import changeover, readiness, threads, wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.shares import Ground
from bridge.daemon.threads import aside
from bridge.daemon.trouble import place, said
from bridge.ports import BridgeError, ConfigurationError
from bridge.settings import School, Settings
from bridge.state import appointments as state
from bridge.state.appointments import Appointment, Outcome
from bridge.state.database import Database

#: Later than this nothing is started any more: people have gone home.
LATE = timedelta(minutes=15)
#: So long an appointment that nobody keeps is shown as trouble, then it is noted as missed.
_NOBODYS = timedelta(days=1)
#: An appointment further ahead than this is a typing error.
FURTHEST = timedelta(days=400)
#: Seconds between two looks at most.
_SELDOM = 30.0
_MEASURING = 600.0


def hindrance(settings: Settings, database: Database, school: School, now: datetime) -> Hindrance | None:
    """Why blackouts and waves keep a school from beginning at a time; None when they don't."""
    return hindered(school.code, waves=settings.waves, places=state.places(database), calendar=school.calendar, now=now)


def make(
    settings: Settings, database: Database, school: School, at: datetime, *, actor: str, reason: str, now: datetime
) -> tuple[Appointment, str]:
    """Make an appointment; with what has to change until then. Raises ConfigurationError where it can't be kept."""
    code, then = school.code, shown(at, school.zone)
    if at <= now or at > now + FURTHEST:
        raise ConfigurationError(
            f"{code}: {then} is over, or more than {FURTHEST.days} days ahead; it is {shown(now, school.zone)} now. "
            f"Name a time to come"
        )
    stage = state.places(database).get(code, Place(Stage.CLASSIC)).stage
    if stage in THROUGH or stage is Stage.FREEZING:
        raise ConfigurationError(f"{code}: the school is {stage} already; only a school that is hybrid is cut over")
    found = hindrance(settings, database, school, at)
    if found is not None and found.cause in {"blackout", "not before", "no wave"}:
        raise ConfigurationError(f"{found.text}. Expected: a time at which it may begin; found: {then}")
    made = state.appoint(database, code, school.kinds(), at, actor=actor, reason=reason)
    open_ = [f"the stage is {stage}; it has to be hybrid by then"] if stage is not Stage.HYBRID else []
    return made, "; ".join([*open_, *([found.text] if found else [])])


@dataclass(frozen=True, slots=True)
class Doors:
    """What an appointment needs of others: to measure the gates of a school anew, and to begin its cutover.

    ``begin`` raises ConfigurationError where it may not.
    """

    measure: Callable[[Ground], Awaitable[object]]
    begin: Callable[[Ground, Appointment], object]


async def _measure(ground: Ground) -> None:
    with threads.of(ground.school.code):  # what hangs in it takes none of the daemon's
        await readiness.measure(ground)


def _begin(ground: Ground, of: Appointment) -> None:
    why = f"appointment of {shown(of.at, ground.school.zone)}: {of.reason}"
    changeover.request(ground.database, ground.school, Event.FREEZE, actor=of.actor, reason=why)


class Appointments:
    """Keeps the appointments of all schools that are ``mine`` to look after."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        catalog: Catalog,
        database: Database,
        *,
        doors: Doors = Doors(_measure, _begin),
        mine: Callable[[str], bool] = lambda code: True,
    ) -> None:
        self.settings, self.catalog, self.database, self.doors = settings, catalog, database, doors
        self._mine = mine
        self.log = structlog.get_logger()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what is under way is begun again after the next start, if it is not too late then."""
        tasks = [*self._under_way.values(), *([self._task] if self._task else [])]
        await threads.end(tasks)

    async def _run(self) -> None:
        while True:
            pause = _SELDOM
            try:
                pause = await self.check(wiring.now())
            except Exception as error:  # noqa: BLE001 - nothing may end this loop: appointments would go by unseen
                self.log.error("looking at appointments failed", error=type(error).__name__, at=place(error))
            await asyncio.sleep(pause)

    async def check(self, now: datetime) -> float:
        """Begin to keep those whose time has come; returns the seconds until the next look."""
        found = await aside(partial(state.appointments, self.database))
        settings = self.settings()
        if lost := [one for code, one in found.items() if settings.school(code) is None and now - one.at > _NOBODYS]:
            await aside(partial(self._nobodys, settings, lost))
        for code, one in found.items():
            school = settings.school(code)
            if school is None or one.at > now or code in self._under_way or not self._mine(code):
                continue
            ground = Ground(settings, self.catalog, school, self.database)
            with threads.of(code):  # what hangs at a school takes no thread of those who look after all of them
                task = asyncio.create_task(self._keep(ground, one, now))
            self._under_way[code] = task
            task.add_done_callback(partial(self._free, code))
        ahead = [(one.at - now).total_seconds() for one in found.values() if one.at > now]
        return max(0.1, min(_SELDOM, *ahead)) if ahead else _SELDOM

    def _nobodys(self, settings: Settings, lost: Sequence[Appointment]) -> None:
        """Of schools that are configured nowhere: people were told while they stood (``concerns``), now they go."""
        nowhere = state.stray(self.database, {one.code for one in settings.schools})
        for one in (one for one in lost if one in nowhere):
            text = f"{one.school}: no configuration knows this school any more, so nobody kept the appointment"
            if state.conclude(self.database, one, {}, Outcome.MISSED, reason=text, cause="not configured") is not None:
                self.log.warning("appointment", school=one.school, outcome=Outcome.MISSED.value, cause="not configured")

    def _free(self, code: str, _: asyncio.Task[None]) -> None:
        self._under_way.pop(code, None)

    async def settled(self) -> None:
        """Wait for all that are under way."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await asyncio.sleep(0)

    async def _keep(self, ground: Ground, one: Appointment, now: datetime) -> None:
        try:
            outcome, cause, text = await self._tried(ground, one, now)
            kinds = ground.school.kinds()
            done = partial(state.conclude, self.database, one, kinds, outcome, reason=text, cause=cause)
            if await aside(done) is not None:
                self.log.info("appointment", school=one.school, outcome=outcome.value, cause=cause)
        except Exception as error:  # noqa: BLE001 - tried again at the next look, and missed in the end
            self.log.error("an appointment failed", school=one.school, error=type(error).__name__, at=place(error))

    async def _tried(self, ground: Ground, one: Appointment, now: datetime) -> tuple[Outcome, str, str]:
        """The table above."""
        decided = await aside(partial(self._decided, ground, one, now))
        if decided is None:
            await self._measured(ground)  # takes its time: all else is asked once more
            decided = await aside(partial(self._decided, ground, one, now))
        if decided is not None:
            return decided
        try:
            await aside(partial(self.doors.begin, ground, one))
        except ConfigurationError as error:
            return Outcome.REFUSED, "gates", str(error)
        return Outcome.STARTED, "", f"kept at {shown(now, ground.school.zone)}"

    def _decided(self, ground: Ground, one: Appointment, now: datetime) -> tuple[Outcome, str, str] | None:
        """What becomes of it whatever the gates say; None when these decide."""
        code = ground.school.code
        if state.appointment(self.database, code) != one:
            return Outcome.CANCELLED, "", ""  # by a person, meanwhile; then nothing is written here
        begun = state.begun(self.database, code)
        if begun is not None and one.at <= begun <= one.at + LATE + timedelta(seconds=_MEASURING):
            return Outcome.STARTED, "", f"a run had begun at {shown(begun, ground.school.zone)} already"
        if now - one.at > LATE:
            text = f"{code}: nothing was begun at {shown(one.at, ground.school.zone)}, and now it is too late"
            return Outcome.MISSED, "", f"{text}; make another appointment"
        stage = state.places(self.database).get(code, Place(Stage.CLASSIC)).stage
        if stage is not Stage.HYBRID:
            text = f"{code}: the school is {stage}, expected: {Stage.HYBRID}; see: schoolbridge stage {code}"
            return Outcome.REFUSED, "stage", text
        found = hindrance(ground.settings, self.database, ground.school, now)
        return None if found is None else (Outcome.REFUSED, found.cause, found.text)

    async def _measured(self, ground: Ground) -> None:
        """Measure the gates anew. What can't be measured is old then, and whoever begins judges it as that."""
        try:
            async with asyncio.timeout(_MEASURING):
                await self.doors.measure(ground)
        except (BridgeError, OSError, TimeoutError) as error:
            self.log.warning("gates could not be measured", school=ground.school.code, reason=said(error))
