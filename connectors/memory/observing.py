"""A memory side as pages: full listings and deltas, with what goes wrong on the way."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable

from bridge.ports import Observation, Page, Removal, TokenLost, chunks
from connectors.memory.faults import Faults
from connectors.memory.options import Options
from connectors.memory.side import MemorySide, State

Sight = Observation | Removal


async def listing(side: MemorySide, options: Options, faults: Faults) -> AsyncIterator[Page]:
    """Everything that is there. The side lives on between two pages, as a real one does."""
    # The token of the start: what changes meanwhile comes again, which is right; that of the end would miss some.
    start = token_of(side, side.number)
    shown = {State.ALIVE, State.OUTSIDE} | ({State.DELETED} if options.lists_deleted else set())
    anchors = [one.anchor for one in side.entries.values() if one.kind in options.kinds and one.state in shown]
    if faults.shuffle:
        faults.shuffle.shuffle(anchors)
    whole = not faults.strikes("incomplete")
    for some in chunks(_repeated(anchors if whole else anchors[::2], faults), options.page_size):
        yield _page(map(side.sight, some), listing=True)
        await asyncio.sleep(0)
    # What was left out is in no delta: the next observation has to list again.
    yield Page(token=start if whole else None, listing=True, complete=whole)


async def delta(side: MemorySide, token: str, options: Options, faults: Faults) -> AsyncIterator[Page]:
    """What changed since a token, oldest change first; raises TokenLost when the side does not know it."""
    since = position(side, token)
    end = token_of(side, side.number)
    rows = [row for row in _changes(side, since, options, faults.replay) if row[1].kind in options.kinds]
    if faults.shuffle:
        rows = _shuffled(rows, faults)
    for some in chunks(_repeated(rows, faults), options.page_size):
        # A mixed order can't be resumed from: what is older than the last of this page may be still to come.
        resume = None if faults.shuffle else token_of(side, some[-1][0])
        yield _page((sight for _, sight in some), token=resume)
        await asyncio.sleep(0)
    yield Page(token=end)


def token_of(side: MemorySide, number: int) -> str:
    """The token of somebody who has read up to the change ``number``."""
    return f"{side.epoch}.{number}"


def position(side: MemorySide, token: str) -> int:
    """Up to which change the holder of a token has read; raises TokenLost."""
    epoch, _, number = token.partition(".")
    if epoch != str(side.epoch) or not number.isdecimal() or int(number) > side.number:
        raise TokenLost(f"{side.name}: the token {token} is not known any more; list everything again")
    return int(number)


def _changes(side: MemorySide, since: int, options: Options, replay: int) -> list[tuple[int, Sight]]:
    numbers = [change.number for change in side.log]
    rows = side.log[bisect_right(numbers, since - replay) :]
    if options.differences:
        return [(change.number, change.difference) for change in rows]
    # Older changes come again as they were then; what is new comes as it is now.
    again: list[tuple[int, Sight]] = [(change.number, change.whole) for change in rows if change.number <= since]
    latest = sorted({change.anchor: change.number for change in rows if change.number > since}.items(), key=_by_number)
    return again + [(number, side.sight(anchor)) for anchor, number in latest]


def _by_number(row: tuple[str, int]) -> int:
    return row[1]


def _shuffled(rows: list[tuple[int, Sight]], faults: Faults) -> list[tuple[int, Sight]]:
    """Mix objects; the changes of each stay in order, because the last one counts."""
    queues: dict[str, list[tuple[int, Sight]]] = {}
    for row in rows:
        queues.setdefault(row[1].anchor, []).append(row)
    order = [row[1].anchor for row in rows]
    if faults.shuffle:
        faults.shuffle.shuffle(order)
    return [queues[anchor].pop(0) for anchor in order]


def _repeated(rows: Iterable[object], faults: Faults) -> Iterable[object]:
    for row in rows:
        yield row
        if faults.duplicate:
            yield row


def _page(sights: Iterable[Sight], *, token: str | None = None, listing: bool = False) -> Page:
    seen = list(sights)
    # The last one counts also where an object is both changed and removed on one page.
    last = {sight.anchor: sight for sight in seen}
    return Page(
        observations=tuple(
            one for one in seen if isinstance(one, Observation) and isinstance(last[one.anchor], Observation)
        ),
        removals=tuple(one for one in last.values() if isinstance(one, Removal)),
        token=token,
        listing=listing,
    )
