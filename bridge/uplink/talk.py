"""What a site and its hub say to each other while the line stands: reports, and a wait for orders.

report   first how far this state is, then at news and at least every ``hub.every``, until nothing waits
wait     a request that the hub answers as soon as there is an order; orders come with receipts as well
away     tried again in growing gaps, each a random part of the longest one: a city's sites come back one by one
renew    a new certificate for a new key once two thirds of the old one's time are over, or when the hub says so
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

import structlog
import tenacity

from bridge import __version__
from bridge.core.fleet import Mark, Verdict
from bridge.daemon import threads
from bridge.fleet.messages import MOST, Message, Receipt, Report
from bridge.fleet.paths import PATIENCE
from bridge.ports import ConfigurationError
from bridge.state import outbox, restored
from bridge.state.aside import set_aside
from bridge.state.outbox import Packed
from bridge.uplink import demands, enrol
from bridge.uplink.aside import culprit
from bridge.uplink.line import Away, Line, NotTaken
from bridge.uplink.orders import Ground, Orders
from bridge.uplink.papers import Papers, read
from bridge.uplink.questions import Questions
from bridge.uplink.shown import Shown
from bridge.uplink.tell import Telling

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes of the messages in a report: a slow line of a school that is busy otherwise has to bring them in time. Seconds
#: of the longest gap while the hub is away, and between looks for news.
SIZE, LONGEST, PERIOD = 256 << 10, 240.0, 1.0
#: Looking for news takes no more than this part of the time.
_SHARE = 0.1
#: Seconds that orders under way get at the end.
_GRACE = 3.0
#: Seconds between looks whether the papers are others.
_PAPERS = 5.0
#: A renewal that failed is tried again after this.
_RENEWAL = timedelta(minutes=10)


class Talk:
    """One conversation: with these papers over this line, until the certificate is another one."""

    def __init__(self, ground: Ground, papers: Papers, line: Line, shown: Shown) -> None:
        self._ground, self._papers, self._line, self._shown = ground, papers, line, shown
        self._bridge = ground.source.bridge
        self._telling = Telling(ground.source, ground.configured)
        self._orders = Orders(ground, self.news)
        self._questions = Questions(ground, line)
        self._news, self._renewed, self._again = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tried: datetime | None = None
        #: Whether the hub has heard how far this state is, before new numbers are given.
        self._greeted = False
        self._beside: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    def news(self) -> None:
        """Report now."""
        self._news.set()

    async def run(self) -> None:
        """Until the certificate was renewed, or it is cancelled."""
        tasks = [asyncio.create_task(one) for one in (self._reports(), self._waits(), self._looks())]
        renewed = asyncio.create_task(self._renewed.wait())
        try:
            done, _ = await asyncio.wait([*tasks, renewed], return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()  # what ended by a bug is heard of
        finally:
            await threads.end([*tasks, renewed])
            if self._beside:  # an order that is cut off is one of which nobody knows whether it was carried out
                await asyncio.wait(self._beside, timeout=_GRACE)
            await threads.end(self._beside)

    # -- reports

    async def _reports(self) -> None:
        while True:
            self._news.clear()
            await self._retrying(self._report, self._away)
            every = self._ground.hub().every.total_seconds()
            try:
                await asyncio.wait_for(self._news.wait(), every * random.uniform(0.8, 1.0))  # noqa: S311
            except TimeoutError:
                continue
            await asyncio.sleep(min(PERIOD, every) / 4)  # what changes together goes together

    async def _report(self) -> None:
        """Look and send until nothing waits. Raises Away."""
        await self._telling.look()
        while True:
            packed = await self._run(self._pack)
            try:
                receipt, anew = await self._sent(packed)
            except NotTaken as error:
                await self._set_aside(packed, error)
                continue
            self._greeted = True
            if anew:
                self._telling.anew()
                await self._telling.look()
            left = await self._run(outbox.waiting, self._bridge.database)
            self._shown.heard(receipt.now, self._bridge.clock(), waiting=left)
            if not left or not (anew or receipt.seq >= packed.last):
                break  # a hub that takes less than it was sent is asked again after a while
        await self._renew(receipt)

    async def _sent(self, packed: Packed) -> tuple[Receipt, bool]:
        """Send this; the receipt, and whether all states are to be told anew. Raises Away, also NotTaken."""
        receipt = await self._line.report(self._written(packed))
        demands.allow(receipt.allowances)
        self._take(receipt)
        return receipt, await self._run(self._concluded, packed, receipt)

    async def _set_aside(self, packed: Packed, error: NotTaken) -> None:
        """What can't be taken holds up nothing else. Raises the error where there is nothing to set aside.

        A school that this site has, and the hub says is another's: people have to say whose it is. Till then it waits.
        """

        async def send(part: Packed) -> Receipt:
            return (await self._sent(part))[0]

        if error.schools:
            gone = error.schools - {*self._codes()}
            bad = [(one, error) for one in packed.messages if one.school in gone]
        else:
            found = await culprit(send, packed)
            if found is None:
                return
            bad = [found]
        done = [await self._run(set_aside, self._bridge.database, packed, one.seq, str(why)) for one, why in bad]
        if not any(done):
            raise error
        for one, why in bad:
            self._shown.aside(f"{one.kind} of {one.school or 'this site'}", str(why))

    def _pack(self) -> Packed:
        if not self._greeted:
            return outbox.flying(self._bridge.database)
        return outbox.pack(self._bridge.database, most=MOST, size=SIZE)

    def _written(self, packed: Packed) -> Report:
        messages = [
            Message(seq=one.seq, at=one.at, school=one.school, kind=one.kind, body=dict(one.body))  # type: ignore[arg-type]
            for one in packed.messages
        ]
        return Report(
            epoch=packed.epoch, last=packed.last, oldest=packed.oldest, now=self._bridge.clock(), version=__version__,
            messages=messages, demands=demands.current(),
        )  # fmt: skip

    def _codes(self) -> list[str]:
        return [one.code for one in self._bridge.settings().schools]

    def _concluded(self, packed: Packed, receipt: Receipt) -> bool:
        """Whether all states are to be told anew. In a thread."""
        if receipt.verdict == "none":
            return False
        database, verdict = self._bridge.database, Verdict(receipt.verdict)
        if outbox.behind(database, packed, verdict):
            self._put_back(receipt)
        hub = Mark(receipt.epoch, receipt.seq)
        return outbox.conclude(database, packed, hub=hub, verdict=verdict, missing=receipt.missing)

    def _put_back(self, receipt: Receipt) -> None:
        """The hub knows more than this state: before a new epoch begins, it is noted that nothing may be deleted."""
        self._log.warning(
            "the hub knows more than this state does: it was put back from a backup; all is told anew",
            epoch=receipt.epoch, applied=receipt.seq,
        )  # fmt: skip
        reason = f"the hub knows message {receipt.seq} of epoch {receipt.epoch}, which this state never sent"
        restored.note(self._bridge.database, self._codes(), reason=reason)

    def _away(self, error: Away) -> None:
        """A hub ends the connection of an expired certificate without a word (RFC 8446, section 6.2)."""
        ends, now = self._papers.ends, self._bridge.clock()
        expired = f"this site's certificate ended {ends:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M} here. If "
        expired += "this clock is right, enrol this site again: schoolbridge uplink enrol. The hub: "
        self._shown.away((expired if now >= ends else "") + str(error))

    # -- orders

    async def _waits(self) -> None:
        while True:
            began = self._loop.time()
            receipt = await self._retrying(lambda: self._line.wait(PATIENCE), self._no_wait)
            self._take(receipt)
            # Whatever a hub answers at once again and again, a school's line is not for that.
            await asyncio.sleep(max(0.0, PERIOD - (self._loop.time() - began)))

    def _no_wait(self, _: Away) -> None:
        """The reports say whether the hub is away; this only says that it may be."""

    def _take(self, receipt: Receipt) -> None:
        for signed in receipt.commands:
            self._aside(self._orders.carry_out(signed))
        for signed in receipt.questions:
            self._aside(self._questions.answer(signed))

    def _aside(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # -- news

    async def _looks(self) -> None:
        looked = self._loop.time()
        while True:
            began = self._loop.time()
            if began - looked >= _PAPERS:
                looked = began
                await self._run(self._others)
            if not self._news.is_set() and await self._telling.urgent():
                self.news()
            await asyncio.sleep(max(PERIOD, (self._loop.time() - began) * (1 / _SHARE - 1)))

    # -- the certificate

    def _others(self) -> None:
        """Whether somebody enrolled this site anew meanwhile: then the old certificate is good no more. In a thread."""
        with suppress(ConfigurationError):
            if read(self._papers.folder).serial != self._papers.serial:
                self._loop.call_soon_threadsafe(self._renewed.set)

    async def _renew(self, receipt: Receipt) -> None:
        now = self._bridge.clock()
        if not receipt.renew and now < self._papers.renewal:
            return
        if self._tried is not None and now - self._tried < _RENEWAL:
            return
        self._tried = now
        try:
            await enrol.renew(self._line, self._papers)
        except (Away, ConfigurationError) as error:
            self._log.warning(
                "the certificate of this site can't be renewed", reason=str(error), ends=self._papers.ends
            )
            return
        self._log.info("the certificate of this site was renewed")
        self._renewed.set()

    # -- what both loops do

    def again(self) -> None:
        """Somebody changed something: an away hub is tried now."""
        self._again.set()

    async def _nap(self, seconds: float) -> None:
        self._again.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._again.wait(), seconds)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._ground.source.run(work, *args, **kwargs)

    async def _retrying(self, work: Callable[[], Awaitable[T]], told: Callable[[Away], None]) -> T:
        def say(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, Away):
                told(error)

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Away),
            wait=tenacity.wait_random_exponential(multiplier=1, max=LONGEST),
            before_sleep=say,
            sleep=self._nap,
        )
        async for attempt in retrying:
            with attempt:
                return await work()
        raise AssertionError("tenacity ended without an outcome")
