"""The source of a hub: what sites told, said honestly; what needs rows or names is asked of the site.

board, school, progress, gates, cutover   from the newest states, with what is true of the site in front
cycles, plan, held, … , reports           asked of the site while somebody waits
act                                       a command to the site
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.api import asked, models
from bridge.api.answers import ProgressView
from bridge.api.live import Live
from bridge.api.source import Denied, Unknown, Who
from bridge.hub import details
from bridge.hub.acting import PATIENCE as ACTING
from bridge.hub.acting import Acts
from bridge.hub.answers import Awaited
from bridge.hub.asking import PATIENCE as ASKED
from bridge.hub.asking import Desk, away
from bridge.hub.fleet import Fleet, Shot, Sight, differences
from bridge.hub.honest import Site, worst
from bridge.settings.hub import HubFile
from bridge.state.database import Database

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 8
#: A sight this old is still good; one up to ``_STALE`` old is handed out while the next is being made.
_FRESH, _STALE = timedelta(seconds=1), timedelta(seconds=4)
#: Seconds that a look leaves to who got the sight before it: threads take turns, and the answer must not wait for it.
_LET = 0.2
#: A sight this old says that none comes any more.
_OLD = timedelta(minutes=1)
#: Seconds between two looks while nobody asks: who comes in the morning must not wait for all of the night.
_IDLE = 5.0


class HubSource:
    """Implements ``bridge.api.source.Source``; made within its loop."""

    def __init__(
        self,
        database: Database,
        hub: Callable[[], HubFile],
        key: Ed25519PrivateKey,
        *,
        asking: float = ASKED,
        acting: float = ACTING,
    ) -> None:
        self.database = database
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub-people")
        self._fleet, self._hub = Fleet(database, hub), hub
        self._sight: Sight | None = None
        self._looking: asyncio.Task[Sight] | None = None
        self._trouble = ""
        self._awaited = Awaited(database, self.run)
        self._desk = Desk(database, key, run=self.run, awaited=self._awaited, patience=asking)
        self._acts = Acts(database, key, run=self.run, awaited=self._awaited, patience=acting)
        self.events = Live(self.sight, clock=database.clock, differ=differences)
        self._kept = asyncio.create_task(self._keep(), name="hub: looks")

    async def close(self) -> None:
        """End what runs beside."""
        self._kept.cancel()
        await asyncio.gather(self._kept, return_exceptions=True)
        await self.events.stop()
        await self._awaited.close()
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=5.0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In one of the threads for people: reports of sites never make a page wait for one."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))

    # -- all schools

    async def sight(self) -> Sight:
        """The fleet as it was within the last seconds."""
        known = self._sight
        age = self.database.clock() - known.at if known else _STALE
        if known is not None and age < _FRESH:
            return known
        if known is not None and age < _STALE:
            self._look(after=_LET)
            return known
        return await asyncio.shield(self._look())

    def _look(self, *, after: float = 0.0) -> asyncio.Task[Sight]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._see(after), name="hub: look")
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._looking

    async def _see(self, after: float) -> Sight:
        await asyncio.sleep(after)
        try:
            self._sight = await self.run(self._fleet.look, self._sight)
        except Exception as error:
            self._trouble = f"the state can't be read ({type(error).__name__})"
            raise
        self._trouble = ""
        return self._sight

    async def _keep(self) -> None:
        """Look now and then also where nobody asks."""
        while True:
            with suppress(Exception):  # it is said by ``ready``
                await self._look()
            await asyncio.sleep(_IDLE)

    async def board(self) -> Sequence[models.SchoolRow]:
        """All schools."""
        return (await self.sight()).rows

    async def _shot(self, code: str) -> Shot:
        shot = (await self.sight()).shots.get(code)
        if shot is None:
            raise Unknown(f"no school has the code {code}")
        return shot

    # -- one school

    async def school(self, code: str) -> models.SchoolView:
        """One school."""
        shot = await self._shot(code)
        return await self.run(details.view, self.database, shot, self._freshest(shot))

    def _freshest(self, shot: Shot) -> models.Colour:
        """What was told of its sides is no fresher than this."""
        if shot.site.revoked is not None:  # also where it was heard a moment ago
            return "red"
        told: models.Colour = "amber" if shot.told is not None and shot.told.site != shot.site.name else "green"
        return worst(told, self._sight.silent.get(shot.site.name, "green") if self._sight else "green")

    async def progress(self, code: str) -> ProgressView:
        """How far its files are, as its site told it last."""
        shot = await self._shot(code)
        return await self.run(details.progress, self.database, code, self._freshest(shot))

    async def gates(self, code: str, event: models.EventName) -> models.EventView:
        """The gates of one event, as its site told them last."""
        cutover = await self.cutover(code, names=False)
        for one in cutover.events:
            if one.event == event:
                return one
        raise Unknown(f"{code}: the stage {cutover.stage} does not know the event {event}")

    async def cutover(self, code: str, *, names: bool) -> models.CutoverView:
        """The cutover of a school, as its site told it last: without names, whoever asks."""
        shot = await self._shot(code)
        return await self.run(details.cutover, self.database, shot)

    # -- asked of the site

    async def _rows(self, code: str, what: str, *, names: bool = False, **more: Any) -> Any:
        return await self._desk.rows(self._reachable(await self._shot(code)), code, what, names=names, **more)

    def _reachable(self, shot: Shot) -> Site:
        """The site of a school, if it is worth asking. Raises Away."""
        site, sight = shot.site, self._sight
        if site.revoked is not None:
            raise away(site, "it was revoked")
        if sight is not None and sight.silent.get(site.name) != "green":
            raise away(site, "nothing is heard from it")
        return site

    async def cycles(self, code: str, *, before: str | None, limit: int) -> models.Page[models.CycleView]:
        """Its cycles, the newest first."""
        found: models.Page[models.CycleView] = await self._rows(code, "cycles", before=before, limit=limit)
        return found

    async def plan(self, code: str, *, names: bool, limit: int) -> Sequence[models.OperationView]:
        """What the next cycle would do, by the site's state alone."""
        found: list[models.OperationView] = await self._rows(code, "plan", names=names, limit=limit)
        return found

    async def held(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.OperationView]:
        """What waits for a person or is in quarantine, the oldest first."""
        found: models.Page[models.OperationView] = await self._rows(
            code, "operations", names=names, before=before, limit=limit
        )
        return found

    async def conflicts(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.ConflictView]:
        """Files of which both versions were kept, open ones first."""
        found: models.Page[models.ConflictView] = await self._rows(
            code, "conflicts", names=names, before=before, limit=limit
        )
        return found

    async def drift(self, code: str, *, names: bool) -> Sequence[models.DriftView]:
        """What was changed on the side that does not own it."""
        found: list[models.DriftView] = await self._rows(code, "drift", names=names)
        return found

    async def journal(
        self, code: str, *, names: bool, before: str | None, limit: int
    ) -> models.Page[models.JournalRow]:
        """The journal of the school at its site, the newest first."""
        found: models.Page[models.JournalRow] = await self._rows(
            code, "journal", names=names, before=before, limit=limit
        )
        return found

    async def releases(self, code: str, *, names: bool) -> Sequence[models.ReleaseView]:
        """What was let pass."""
        found: list[models.ReleaseView] = await self._rows(code, "releases", names=names)
        return found

    async def reports(self, code: str) -> Sequence[models.ReportView]:
        """Reports that lie ready at the site."""
        found: list[models.ReportView] = await self._rows(code, "reports")
        return found

    async def report(self, code: str, report: str, form: str) -> tuple[bytes, str]:
        """One report in one of its formats: its bytes and media type."""
        return await self._desk.report(self._reachable(await self._shot(code)), code, report, form)

    # -- what is asked

    async def act(self, code: str, action: asked.Action, who: Who, *, key: str = "") -> asked.ActionAnswer:
        """Ask the site to do it. Raises Denied where it refused."""
        shot = await self._shot(code)
        answer = await self._acts.act(shot.site, code, action, who, key=key)
        return answer.model_copy(update={"stage": answer.stage or shot.row.stage})

    async def set_password(self, code: str, wanted: asked.Password, who: Who) -> asked.PasswordAnswer:
        """Never through a hub: a password goes no way that is longer than it has to be."""
        shot = await self._shot(code)
        raise Denied(
            f"{code}: passwords are not set through a hub; nothing was changed. Ask the site that looks after the "
            f"school ({shot.site.name}): its own status API, its page, or schoolbridge password there"
        )

    def live(self, after: int | None) -> AsyncGenerator[models.LiveEvent, None]:
        """Events as they happen, those after an id first as far as they are remembered."""
        return self.events.follow(after)

    def ready(self) -> tuple[bool, str]:
        """Ready: the state can be read. A red school is the school's trouble: a hub that shows it works."""
        if self._trouble:
            return False, self._trouble
        if self._sight is None:
            return False, "the schools were not looked at yet"
        if self.database.clock() - self._sight.at > _OLD:  # a database that hangs fails nothing
            return False, f"the state does not answer: the schools were looked at last {self._sight.at:%H:%M:%S} UTC"
        return True, ""

    @property
    def last(self) -> Sight | None:
        """What was seen last, for metrics."""
        return self._sight
