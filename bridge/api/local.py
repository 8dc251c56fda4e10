"""The source of one daemon: its state, what it tells of itself, and the functions behind its commands.

Whatever reads the state runs in a few threads of its own: those that mirror files never make a page wait for one.
A survey of all schools is shared by everybody who asks within a second, or three while much else is done.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import ParamSpec, TypeVar

from bridge.api import asked, models, pages, reports, standings
from bridge.api.actions import Act, Measuring, carry_out
from bridge.api.answers import ProgressView
from bridge.api.live import Live, differences
from bridge.api.passwords import set_one
from bridge.api.planned import planned
from bridge.api.source import Unknown, Who
from bridge.api.survey import Bridge, Shot, Survey, Surveyor
from bridge.api.views import progress_view
from bridge.core.cutover import Event
from bridge.daemon.board import BEAT
from bridge.daemon.health import moment_of
from bridge.settings import School

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 4
#: Seconds that a survey under way gets when the daemon stops.
_PATIENCE = 5.0
#: A survey this old is still good; one up to ``_STALE`` old is handed out while the next is being made.
_FRESH, _STALE = timedelta(seconds=1), timedelta(seconds=4)
#: One that took long is good for so many times as long, up to ``_LONGEST``: it took that long because files are being
#: mirrored, which who only looks on is not to hold up.
_TIMES, _LONGEST = 25, timedelta(seconds=3)


def _heard(task: asyncio.Task[Survey]) -> None:
    """Nobody may have waited for it: what went wrong is told by ``ready``, and again by the next one."""
    if not task.cancelled():
        task.exception()


class LocalSource:
    """Implements ``bridge.api.source.Source``."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="status-api")
        self._surveyor = Surveyor(bridge)
        self._survey: Survey | None = None
        self._good = _FRESH
        self._looking: asyncio.Task[Survey] | None = None
        #: What was done since the last look: code -> the number of the last action.
        self._forget: dict[str, int] = {}
        self._acts = itertools.count()
        self._measuring = Measuring()
        self._trouble = ""
        self.events = Live(self.survey, clock=bridge.clock, differ=differences)

    async def close(self) -> None:
        """End what runs beside."""
        await self.events.stop()
        await self._measuring.stop()
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=_PATIENCE)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In one of the API's own threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))

    # -- all schools

    async def survey(self) -> Survey:
        """All schools as they were within the last seconds."""
        while True:
            known = self._survey
            age = self.bridge.clock() - known.at if known else _STALE
            if known is not None and age < self._good and not self._forget:
                return known
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(), name="status API: survey")
                self._looking.add_done_callback(_heard)
            if known is not None and age < _STALE and not self._forget:
                return known
            found = await asyncio.shield(self._looking)
            if not self._forget:  # else this look may have begun before something was done
                return found

    async def _look(self) -> Survey:
        forget, begun = dict(self._forget), time.monotonic()
        try:
            self._survey = await self.run(self._surveyor.look, self._survey, forget=forget.keys())
            self._trouble = ""
            self._good = min(max(_FRESH, _TIMES * timedelta(seconds=time.monotonic() - begun)), _LONGEST)
        except Exception as error:  # whatever it is: who can't look must not be called ready
            self._trouble = f"the state can't be read ({type(error).__name__})"
            raise
        for code, number in forget.items():
            if self._forget[code] == number:  # nothing was done meanwhile
                del self._forget[code]
        return self._survey

    async def board(self) -> Sequence[models.SchoolRow]:
        """All schools."""
        return (await self.survey()).rows

    async def _shot(self, code: str) -> Shot:
        shot = (await self.survey()).shots.get(code)
        if shot is None:
            raise Unknown(f"no school has the code {code}")
        return shot

    def _school(self, code: str) -> School:
        found = self.bridge.settings().school(code)
        if found is None:
            raise Unknown(f"no school has the code {code}")
        return found

    # -- one school

    async def school(self, code: str) -> models.SchoolView:
        """One school."""
        return (await self._shot(code)).view

    async def progress(self, code: str) -> ProgressView:
        """How far its files are."""
        return progress_view((await self._shot(code)).seen)

    async def gates(self, code: str, event: models.EventName) -> models.EventView:
        """The gates of one event."""
        seen = (await self._shot(code)).seen
        return await self.run(
            standings.event_view, self.bridge.database, seen.school, seen.stage, Event(event), self.bridge.clock()
        )

    async def cutover(self, code: str, *, names: bool) -> models.CutoverView:
        """The cutover of a school."""
        seen = (await self._shot(code)).seen
        return await self.run(
            standings.cutover, self.bridge.database, seen.school, seen.stage, self.bridge.clock(), names=names
        )

    async def cycles(self, code: str, *, before: str | None, limit: int) -> models.Page[models.CycleView]:
        """Its cycles, the newest first."""
        self._school(code)
        return await self.run(pages.cycles, self.bridge.database, code, before, limit)

    async def plan(self, code: str, *, names: bool, limit: int) -> Sequence[models.OperationView]:
        """What the next cycle would do, by the state alone."""
        seen = (await self._shot(code)).seen
        if not seen.glance.stage:
            return []
        store = await self.run(self._surveyor.store, seen.school)
        return await planned(seen.school, store, names=names, limit=limit)

    async def held(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.OperationView]:
        """What waits for a person or is in quarantine, the oldest first."""
        self._school(code)
        return await self.run(pages.held, self.bridge.database, code, names=names, before=before, limit=limit)

    async def conflicts(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.ConflictView]:
        """Files of which both versions were kept, open ones first."""
        self._school(code)
        return await self.run(pages.conflicts, self.bridge.database, code, names=names, before=before, limit=limit)

    async def drift(self, code: str, *, names: bool) -> Sequence[models.DriftView]:
        """What was changed on the side that does not own it."""
        seen = (await self._shot(code)).seen
        if not seen.glance.stage:
            return []
        store = await self.run(self._surveyor.store, seen.school)
        return await self.run(pages.drifts, store, names=names)

    async def journal(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.JournalRow]:
        """The journal, the newest first."""
        self._school(code)
        return await self.run(
            pages.rows_of_journal, self.bridge.database, code, names=names, before=before, limit=limit
        )

    async def releases(self, code: str, *, names: bool) -> Sequence[models.ReleaseView]:
        """What was let pass."""
        self._school(code)
        return await self.run(pages.releases, self.bridge.database, code, names=names)

    async def reports(self, code: str) -> Sequence[models.ReportView]:
        """Reports that lie ready."""
        self._school(code)
        return await self.run(reports.listed, self.bridge.settings(), code)

    async def report(self, code: str, report: str, form: str) -> tuple[bytes, str]:
        """One report in one of its formats: its bytes and media type."""
        self._school(code)
        return await self.run(reports.read, self.bridge.settings(), code, report, form)

    # -- what is asked

    async def act(self, code: str, action: asked.Action, who: Who, *, key: str = "") -> asked.ActionAnswer:
        """Do what is asked; the next answers about this school know of it."""
        school = self._school(code)
        store = await self.run(self._surveyor.store, school)
        act = Act(self.bridge, school, store, action, who.actor)
        try:
            measures = action.action == "measure-gates"
            text = self._measuring.begin(act) if measures else await self.run(carry_out, act)
        finally:
            self._forget[code] = next(self._acts)
        heard = self.bridge.wake(code, action.full)
        if action.action == "sync" and not heard:
            return asked.ActionAnswer(done=False, text="nobody looks after this school now; see its causes")
        return asked.ActionAnswer(done=True, text=text, stage=await self.run(store.stage))

    async def set_password(self, code: str, wanted: asked.Password, who: Who) -> asked.PasswordAnswer:
        """Set one person's password on both sides."""
        school = self._school(code)
        store = await self.run(self._surveyor.store, school)
        return await self.run(set_one, self.bridge, school, store, wanted, who.actor)

    def live(self, after: int | None) -> AsyncGenerator[models.LiveEvent, None]:
        """Events as they happen, those after an id first as far as they are remembered."""
        return self.events.follow(after)

    def ready(self) -> tuple[bool, str]:
        """Ready: the state can be read, the daemon's loop beats, no school is red. The text names no school."""
        if self._trouble:
            return False, self._trouble
        told, now = self.bridge.told(), self.bridge.clock()
        beat = moment_of((told or {}).get("beat"))
        if beat is None or now - beat > timedelta(seconds=6 * BEAT):
            return False, "the daemon gives no sign of life"
        if self._survey is None:
            return False, "the schools were not looked at yet"
        red = sum(one.health == "red" for one in self._survey.rows)
        return (False, f"{red} of {len(self._survey.rows)} schools are red") if red else (True, "")
