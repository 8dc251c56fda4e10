"""A site of the simulation: the real outbox, the real checks of orders and their ids, over SQLite in memory.

What ``bridge.uplink.talk`` does with tasks and waiting is done here step by step, in the same order:

look     states that differ from what this process told go into the outbox; events went in when they happened
report   the first of a process gives out no numbers; then pack and send; one is under way at a time, until its receipt
         comes or is not waited for any more
receipt  conclude; a new epoch, or messages that the hub lost: all states are told anew
orders   the real ``Orders``: checked, once per id, answered through the outbox
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from bridge.api.asked import ActionAnswer
from bridge.core.fleet import Mark, Verdict
from bridge.fleet.messages import Message, Receipt, Report
from bridge.state import outbox
from bridge.state.outbox import News, Packed
from bridge.uplink.orders import Ground, Orders
from tests.fleet.simulation.clockwork import Clockwork, Wire
from tests.fleet.simulation.memory import fresh, raw

#: Messages in a report: few, so that it takes several to say all.
MOST, SIZE = 7, 1 << 20
#: Seconds after which a receipt is not waited for any more.
PATIENCE = 30.0


class Crash(BaseException):
    """The power fails in the middle of an order."""


@dataclass
class Carried:
    """What was carried out: id of the order, the time here, in which life of the machine; ``cut``: and then it died."""

    order: str
    here: float
    life: int
    cut: bool = False


@dataclass
class Site:
    """One site with one school. ``ahead``: its clock, seconds. ``send`` takes a report and who gets the receipt."""

    name: str
    code: str
    clock: Clockwork
    wire: Wire
    key: bytes
    ahead: float = 0.0
    every: float = 40.0
    send: Callable[[Site, Report, Callable[[Receipt], None]], None] = lambda *_: None
    version: int = 0
    lives: list[int] = field(default_factory=list)  # of each event: the life in which it happened
    carried: list[Carried] = field(default_factory=list)
    crashing: float = 0.0

    def __post_init__(self) -> None:
        self.database = fresh(lambda: self.clock.moment(self.ahead))
        self._boot()

    # -- what happens at the school

    def happens(self) -> None:
        """An event: its message is in the outbox in the same transaction."""
        self.lives.append(self.wire.life)
        self._tell(News("stage", {"n": len(self.lives)}, self.code))

    def changes(self) -> None:
        """The state of the school is another one."""
        self.version += 1

    def _tell(self, *news: News) -> None:
        with outbox.opened(self.database) as tx:
            outbox.tell(tx, news)

    # -- reports

    def _boot(self) -> None:
        """The process begins: what it told is not known to it, and nothing is under way."""
        self.told = -1
        self.waits: object | None = None
        self.hello = True
        ground = Ground(cast("Any", _Source(self)), self.name, self.key, _allow, cast("Any", None))
        self.orders = Orders(ground, lambda: None)

    def tick(self) -> None:
        """Once in a while, for ever."""
        self.report()
        self.clock.after(self.every * self.clock.chance.uniform(0.5, 1.0), self.tick)

    def report(self) -> None:
        """Look, pack, send."""
        if self.waits is not None:
            return
        if self.told != self.version:
            self._tell(News("school", {"v": self.version}, self.code, "school"))
            self.told = self.version
        database = self.database
        packed = outbox.flying(database) if self.hello else outbox.pack(database, most=MOST, size=SIZE)
        mark = self.waits = object()
        self.clock.after(PATIENCE, lambda: self._give_up(mark))
        self.send(self, self._written(packed), lambda receipt: self._receipt(packed, receipt, mark))

    def _give_up(self, mark: object) -> None:
        if self.waits is mark:
            self.waits = None

    def _written(self, packed: Packed) -> Report:
        messages = [
            Message(seq=one.seq, at=one.at, school=one.school, kind=cast("Any", one.kind), body=dict(one.body))
            for one in packed.messages
        ]
        return Report(
            epoch=packed.epoch, last=packed.last, oldest=packed.oldest, now=self.database.clock(), messages=messages
        )  # fmt: skip

    def _receipt(self, packed: Packed, receipt: Receipt, mark: object) -> None:
        """Also one that comes too late, or again: a receipt must never do harm."""
        for signed in receipt.commands:
            self._order(lambda signed=signed: asyncio.run(self.orders.carry_out(signed)))  # type: ignore[misc]
        if receipt.verdict == "none":
            return
        verdict = Verdict(receipt.verdict)
        hub = Mark(receipt.epoch, receipt.seq)
        if outbox.conclude(self.database, packed, hub=hub, verdict=verdict, missing=receipt.missing):
            self.told = -1
        if self.waits is mark:
            self.waits, self.hello = None, False
            if outbox.waiting(self.database):
                self.clock.after(0.1, self.report)

    def _order(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Crash:
            self.restart()

    # -- what breaks

    def restart(self) -> None:
        """The process ends and begins again; what it had in memory is gone."""
        self._boot()

    def backup(self) -> bytes:
        """The state as it is now."""
        return raw(self.database).serialize()

    def put_back(self, backup: bytes) -> None:
        """The state as it was then, on a machine that starts anew."""
        raw(self.database).deserialize(backup)
        self.wire.life += 1
        self._boot()

    @property
    def waiting(self) -> int:
        """Messages that are not confirmed."""
        return outbox.waiting(self.database)


def _allow() -> Any:
    return SimpleNamespace(allow=["operate", "approve"])


class _Source:
    """As much of a ``LocalSource`` as orders need; what is asked is noted, and may be cut off after it was done."""

    def __init__(self, site: Site) -> None:
        self._site = site
        schools = SimpleNamespace(school=lambda code: object() if code == site.code else None)
        self.bridge = SimpleNamespace(database=site.database, clock=site.database.clock, settings=lambda: schools)

    async def run(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return work(*args, **named)

    async def act(self, code: str, action: Any, who: Any) -> ActionAnswer:
        site = self._site
        cut = site.clock.chance.random() < site.crashing
        site.carried.append(Carried(action.reason, site.clock.now + site.ahead, site.wire.life, cut))
        if cut:
            raise Crash
        return ActionAnswer(done=True, text="done")
