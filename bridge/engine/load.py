"""How much of a plan sends files: counted whole before its first operation, settled operation by operation.

ahead   counted, its batch has not come yet
open    in the batch under way
waits   for the next pass: its parent is not there yet
later   for the next cycle: a large file that made room for others
sent    written, since the bridge began

What is held or failed is in none of them: it shows elsewhere, and is counted anew when its time has come. What a batch
did not settle is forgotten with it, and what a pass did not meet with the pass, so that no mistake outlives a cycle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bridge.core.guard import Cell, Guard, cells_of
from bridge.core.kinds import Kind
from bridge.core.model import Digest, Operation, Side
from bridge.core.urgency import bytes_of
from bridge.ports import Source


@dataclass(frozen=True, slots=True)
class Amount:
    """Files, and their bytes by direction: ``up`` to the cloud, ``down`` to the school. ``files`` may be a part."""

    files: float = 0
    up: int = 0
    down: int = 0

    @property
    def bytes(self) -> int:
        """In both directions."""
        return self.up + self.down

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.files + other.files, self.up + other.up, self.down + other.down)

    def less(self, other: Amount) -> Amount:
        """What is left without ``other``; never below nothing."""
        return Amount(max(0, self.files - other.files), max(0, self.up - other.up), max(0, self.down - other.down))


NOTHING = Amount()


def amount_of(operation: Operation, kinds: Mapping[str, Kind]) -> Amount:
    """What an operation sends: one file, or nothing."""
    size = bytes_of(operation, kinds[operation.kind])
    if size is None:
        return NOTHING
    return Amount(1, size, 0) if operation.side is Side.CLOUD else Amount(1, 0, size)


def total(amounts: Iterable[Amount]) -> Amount:
    """All of them together."""
    files, up, down = 0.0, 0, 0
    for one in amounts:
        files, up, down = files + one.files, up + one.up, down + one.down
    return Amount(files, up, down)


@dataclass(slots=True)
class Planned:
    """The count of a whole plan, by cells of the guard: which of them are too much shows at its end only.

    ``begun`` are links of files of which a part was sent; ``again`` those of them that the plan still sends.
    """

    guard: Guard
    begun: Mapping[str, Amount]
    again: dict[str, Amount] = field(default_factory=dict)
    _cells: dict[frozenset[Cell], Amount] = field(default_factory=dict)

    def count(self, operations: Iterable[Operation], *, mine: frozenset[str]) -> None:
        """Take in a batch; what only happens to be near, and is not ``mine``, comes with its own batch."""
        guard = self.guard
        for one in operations:
            amount = amount_of(one, guard.kinds) if one.link in mine else NOTHING
            if not amount.files or one.side not in guard.policy.writable:
                continue
            cells = frozenset(() if one.link in guard.released else cells_of(one, guard.kinds[one.kind]))
            self._cells[cells] = self._cells.get(cells, NOTHING) + amount
            if (part := self.begun.get(one.link)) is not None:
                self.again[one.link] = Amount(0, min(part.up, amount.up), min(part.down, amount.down))

    def allowed(self) -> Amount:
        """What the guard will let through, once it knows the whole plan."""
        over = self.guard.excesses().keys()
        return total(amount for cells, amount in self._cells.items() if over.isdisjoint(cells))


@dataclass(slots=True)
class Load:
    """Of one root, for as long as the bridge runs; anybody may look at it in the middle of a cycle.

    ``known``: a plan was counted since the bridge began. ``since``: what was sent when last nothing was left.
    ``begun``: link -> bytes of its file that were read to be sent. ``moved``: all work done, with parts of files.
    """

    known: bool = False
    ahead: Amount = NOTHING
    open: Amount = NOTHING
    waits: Amount = NOTHING
    later: Amount = NOTHING
    sent: Amount = NOTHING
    since: Amount = NOTHING
    moved: Amount = NOTHING
    begun: dict[str, Amount] = field(default_factory=dict)

    @property
    def parts(self) -> Amount:
        """Bytes that were sent of files that are under way."""
        return total(self.begun.values())

    @property
    def left(self) -> Amount:
        """What is still to be sent."""
        return total((self.ahead, self.open, self.waits, self.later)).less(self.parts)

    # -- a cycle

    def plan(self, planned: Planned) -> None:
        """A new cycle counted everything anew."""
        self.known = True
        self.ahead, self.open, self.waits, self.later = planned.allowed(), NOTHING, NOTHING, NOTHING
        self.begun = dict(planned.again)

    def next_pass(self) -> None:
        """What waited comes again, and what was put off is looked at again; everything else was met."""
        self.ahead, self.open, self.waits, self.later = self.waits + self.later, NOTHING, NOTHING, NOTHING

    def batch(self, amount: Amount) -> None:
        """So much of the plan comes now; what the batch before did not settle belonged to what failed."""
        self.ahead, self.open = self.ahead.less(amount), amount

    def end(self) -> None:
        """The cycle went through."""
        self.ahead, self.open, self.waits = NOTHING, NOTHING, NOTHING
        if not self.later.files:
            self.begun, self.since = {}, self.sent

    # -- an operation of the batch

    def wait(self, amount: Amount) -> None:
        """It comes again in the next pass."""
        self.open, self.waits = self.open.less(amount), self.waits + amount

    def put_off(self, amount: Amount) -> None:
        """It goes on in the next cycle."""
        self.open, self.later = self.open.less(amount), self.later + amount

    def drop(self, link: str, amount: Amount) -> None:
        """It failed."""
        self.open = self.open.less(amount)
        self.begun.pop(link, None)

    def write(self, link: str, amount: Amount) -> None:
        """It is done."""
        part = self.begun.pop(link, NOTHING)
        self.open, self.sent = self.open.less(amount), self.sent + amount
        if amount.files:
            self.moved += Amount(1 - _part(part, amount))

    def read(self, link: str, offset: int, amount: Amount) -> None:
        """The bytes of a file were read up to here; again, where an upload is taken up, counts once."""
        part, whole = self.begun.get(link, NOTHING), amount.bytes
        offset = min(offset, whole)
        if offset <= part.bytes:
            return
        now = Amount(0, offset, 0) if amount.up else Amount(0, 0, offset)
        self.moved += Amount(_part(now, amount) - _part(part, amount), now.up - part.up, now.down - part.down)
        self.begun[link] = now


def _part(part: Amount, whole: Amount) -> float:
    return part.bytes / whole.bytes if whole.bytes else 0.0


class Metered:
    """A source that tells how far it was read."""

    def __init__(self, source: Source, told: Callable[[int], None]) -> None:
        self._source, self._told = source, told

    @property
    def size(self) -> int:
        return self._source.size

    @property
    def digest(self) -> Digest | None:
        return self._source.digest

    async def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """See ``bridge.ports.Source``."""
        async for chunk in self._source.chunks(start):
            start += len(chunk)
            self._told(start)
            yield chunk


def metered(source: Source | None, operation: Operation, *, load: Load, kinds: Mapping[str, Kind]) -> Source | None:
    """The bytes of an operation, their reading counted."""
    if source is None:
        return None
    amount = amount_of(operation, kinds)
    return Metered(source, lambda offset: load.read(operation.link, offset, amount))
