"""Tells people what is wrong, beside the work and never in its way.

look     what is wrong now beside what was told: ``core.notices`` says what is remembered and what is due
tell     each target by itself: note that it is tried, send, note that it was told
again    what could not be sent stays due; the gaps between attempts double, and ``status`` shows it

Everything waits in the state, nothing in memory: what a crash cut off is due again. Who hangs holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from bridge.core.local_time import last_at
from bridge.core.notices import Concern, Letter, Notice, Severity, letters, step, told, tried
from bridge.daemon import board as boards
from bridge.daemon import sending, threads, wiring
from bridge.daemon.board import Board
from bridge.daemon.concerns import Watch, standing_by
from bridge.daemon.notice_text import Message, Scribe
from bridge.daemon.threads import aside
from bridge.daemon.trouble import place
from bridge.settings import Settings
from bridge.settings.notify import Target
from bridge.state import notices as state
from bridge.state.database import Database
from bridge.state.notices import News

#: How often is looked at most and at least, in seconds; between them half of the shortest ``after``.
_OFTEN, _SELDOM = 1.0, 60.0
#: The longest gap between two attempts to send, and the first.
_LONGEST, _FIRST = timedelta(minutes=30), timedelta(minutes=1)
#: So many messages are sent to one target at a look; the others at the next one.
MOST = 20
#: More news than this at once are one message.
_SINGLY = 5
Send = Callable[[Settings, Target, Message], Awaitable[None]]


@dataclass(slots=True)
class Attempts:
    """Those that failed, one after the other."""

    failed: int
    next: datetime


class Teller:
    """Looks all the time at what is wrong, and tells those who are named in ``notify``."""

    def __init__(
        self, settings: Callable[[], Settings], database: Database, board: Board, *, send: Send = sending.send
    ) -> None:
        self.settings, self.database, self.board, self.send = settings, database, board, send
        self.log = structlog.get_logger()
        self._attempts: dict[str, Attempts] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._loaded: Settings | None = None
        self._watch = Watch()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; a message under way may arrive, and is sent again after the next start."""
        tasks = [*self._busy.values(), *([self._task] if self._task else [])]
        await threads.end(tasks)

    async def _run(self) -> None:
        while True:
            targets = self.settings().bridge.notify
            await asyncio.sleep(_pause(targets))
            try:
                await self.look(wiring.now())
            except Exception as error:  # noqa: BLE001 - whatever it is, mirroring goes on and the next look is made
                for target in targets:
                    self._bug(target, error, wiring.now())

    async def look(self, now: datetime) -> None:
        """Once: remember what is wrong, and begin to tell what is due."""
        settings = self.settings()
        targets = settings.bridge.notify
        if settings is not self._loaded:  # what was wrong with a target may be mended
            await self._afresh(frozenset(one.name for one in targets))
            self._loaded = settings
        if not targets:
            return
        free = [one for one in targets if one.name not in self._busy]
        due = await aside(partial(self._remember, settings, free, now))
        for target, (known, news) in zip(free, due, strict=True):
            attempts = self._attempts.get(target.name)
            if attempts is None or attempts.next <= now:
                task = asyncio.create_task(self._tell(settings, target, known, news, now))
                self._busy[target.name] = task
                task.add_done_callback(partial(self._free, target.name))

    async def _afresh(self, names: frozenset[str]) -> None:
        """Forget those who are not told any more, and how often the others could not be told."""
        for name in self._busy.keys() - names:
            self._busy[name].cancel()
        await asyncio.gather(*(task for name, task in self._busy.items() if name not in names), return_exceptions=True)
        await aside(lambda: state.forget_others(self.database, names))
        self._attempts.clear()
        self.board.telling = {name: facts for name, facts in self.board.telling.items() if name in names}

    def _free(self, name: str, _: asyncio.Task[None]) -> None:
        self._busy.pop(name, None)

    async def settled(self) -> None:
        """Wait until all messages under way are through."""
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        await asyncio.sleep(0)

    async def _tell(
        self, settings: Settings, target: Target, known: Sequence[Notice], news: Sequence[News], now: datetime
    ) -> None:
        """All that is due for one target, until a message can't be sent."""
        zone = ZoneInfo(settings.bridge.time_zone)
        scribe = Scribe(target, target.language or settings.bridge.language, zone)
        quiet = target.quiet is not None and target.quiet.holds(now.astimezone(zone))
        digest = last_at(target.digest, zone, now) if target.digest else None
        due = letters(known, after=target.after, quiet=quiet, now=now, digest=digest)
        soft = [one for one in due if digest is not None and one.severity is not Severity.CRITICAL]
        loud = [one for one in news if one.severity is Severity.CRITICAL]
        rest = [] if quiet else [one for one in news if one not in loud and (digest is None or one.at <= digest)]
        try:
            for letter in [one for one in due if one not in soft][:MOST]:
                await self._deliver(settings, target, [letter], [], scribe.letter(letter), now)
            if digest is None:
                loud, rest = loud + rest, []
            for these in _bundles(loud)[:MOST]:
                await self._deliver(settings, target, [], these, scribe.news(these), now)
            if soft or rest:
                parts = [*map(scribe.letter, soft), *(scribe.news([one]) for one in rest)]
                await self._deliver(settings, target, soft, rest, scribe.digest(parts, now), now)
        except sending.NotSent as error:
            self._failed(target, str(error), now)
            self._later(target, now)
        except Exception as error:  # noqa: BLE001 - see ``_run``
            self._bug(target, error, now)
            self._later(target, now)
        else:
            self._attempts.pop(target.name, None)
            if self.board.telling.pop(target.name, None):
                self.log.info("can be told again", target=target.name)

    def _remember(
        self, settings: Settings, targets: Sequence[Target], now: datetime
    ) -> list[tuple[list[Notice], list[News]]]:
        """What each target has to know now, written to the state."""
        database, tree = self.database, boards.read(self.board.path.parent)
        wrong = self._watch.concerns(settings, database, tree, now)
        codes = [one.code for one in settings.schools]
        others = _others(codes, standing_by(tree))
        wrong = [one for one in wrong if one.school not in others]
        everybody = settings.bridge.notify
        state.gather(database, {code: [one.name for one in everybody if one.tells_of(code)] for code in codes})
        troubles, news = state.remembered(database)
        found = []
        for target in targets:
            mine = [one for one in wrong if concerns_target(target, one)]
            before = [one for one in troubles.get(target.name, []) if one.concern.school not in others]
            after = step(before, mine, least=target.at_least, after=target.after, now=now)
            state.keep(database, target.name, before, after)
            fresh = news.get(target.name, [])
            wanted = [one for one in fresh if one.severity.rank >= target.at_least.rank and one.school in codes]
            state.done(database, target.name, [one for one in fresh if one not in wanted])
            found.append((after, [one for one in wanted if one.school not in others]))
        return found

    async def _deliver(
        self,
        settings: Settings,
        target: Target,
        these: Sequence[Letter],
        news: Sequence[News],
        message: Message,
        now: datetime,
    ) -> None:
        """One message, of letters or of news: noted as tried before it is sent, and as told afterwards."""
        before = [one for letter in these for one in letter.notices]
        attempt = [one for letter in these for one in tried(letter, now)]
        await self._keep(target, before, attempt)
        await self.send(settings, target, message)
        await self._keep(target, attempt, [one for letter in these for one in told(letter, now)])
        await aside(partial(state.done, self.database, target.name, news))

    async def _keep(self, target: Target, before: Sequence[Notice], after: Sequence[Notice]) -> None:
        await aside(lambda: state.keep(self.database, target.name, before, after))

    def _bug(self, target: Target, error: Exception, now: datetime) -> None:
        """Nobody can be told because of an error of the bridge or its machine."""
        if self._show(target, f"an internal error ({type(error).__name__})", now):
            self.log.error("telling failed", target=target.name, error=type(error).__name__, at=place(error))

    def _failed(self, target: Target, why: str, now: datetime) -> None:
        if self._show(target, why, now):
            self.log.warning("can't be told what is wrong", target=target.name, reason=why)

    def _show(self, target: Target, why: str, now: datetime) -> bool:
        """In ``status``; whether it is news."""
        known = self.board.telling.get(target.name, {})
        self.board.telling[target.name] = {"why": why, "since": known.get("since", now.isoformat())}
        return known.get("why") != why

    def _later(self, target: Target, now: datetime) -> None:
        before = self._attempts.get(target.name)
        failed = before.failed + 1 if before else 1
        gap = min(min(target.after, _FIRST) * (1 << min(failed - 1, 20)), _LONGEST)
        self._attempts[target.name] = Attempts(failed, now + gap)


def _pause(targets: Sequence[Target]) -> float:
    shortest = min((one.after.total_seconds() for one in targets), default=_SELDOM)
    return max(_OFTEN, min(shortest / 2, _SELDOM))


def concerns_target(target: Target, one: Concern) -> bool:
    """Of itself, that it can't be told, nobody can be told."""
    return target.tells_of(one.school) and not (one.kind == "telling" and one.subject == target.name)


def _others(codes: Sequence[str], standing: frozenset[str]) -> frozenset[str]:
    """What others tell of, where several daemons share a state: their schools; of itself (the empty code) speaks the
    one that looks after the first school.
    """
    silent = bool(codes) and min(codes) in standing
    return standing | {""} if silent else standing


def _bundles(news: Sequence[News]) -> list[Sequence[News]]:
    return [news] if len(news) > _SINGLY else [[one] for one in news]
