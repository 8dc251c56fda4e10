"""What was derived to be counted, kept to be carried out as it was: nobody derives a plan twice that stays the same.

The first batch always: nothing happens before it. Of those behind it only whole batches of new files that nobody else
has a say in, one after the other from the first on, and only as long as everything went as planned: then deriving them
again would give the same. All of this process together keep so many: a plan may be of millions, and roots are many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from bridge.core.kinds import Kind
from bridge.core.model import Action, Link
from bridge.core.reconcile import Reconciled

#: Links and what was derived for them.
Batch = tuple[list[Link], Reconciled]
#: Batches kept by one plan, and by all plans of the process, each beside its first. One takes less than 1 MB.
MOST, MOST_OF_ALL = 20, 60


@dataclass(slots=True)
class Room:
    """Where batches are kept, for all cycles of the process: they run on one event loop."""

    most: int = MOST_OF_ALL
    taken: int = 0


ROOM = Room()


@dataclass(slots=True)
class Kept:
    """The plan of one cycle as far as it is kept; ``with`` gives its room back. ``whole``: all of it, for a report."""

    whole: bool = False
    room: Room = field(default_factory=lambda: ROOM)
    _batches: deque[Batch] = field(default_factory=deque)
    _taken: int = 0
    _over: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def __bool__(self) -> bool:
        return bool(self._batches)

    def offer(self, links: list[Link], reconciled: Reconciled, kinds: Mapping[str, Kind]) -> None:
        """The next batch of the plan, kept if all before it were and it may be."""
        if self.whole:
            self._batches.append(([], reconciled))  # a report needs no link; their records would be most of the memory
        elif not self._batches and not self._over:
            self._batches.append((links, reconciled))
            self._over = not _for_themselves(links, reconciled)  # what it writes elsewhere is of a batch to come
        elif not self._over:
            room = len(self._batches) <= MOST and self.room.taken < self.room.most
            self._over = not (room and _new_files(links, reconciled, kinds))
            if not self._over:
                self._batches.append((links, reconciled))
                self._count()

    def next(self) -> Batch:
        """The first of them; it is not kept any more."""
        batch = self._batches.popleft()
        self._count()
        return batch

    def drop(self) -> None:
        """Something went another way than planned, or the cycle is over."""
        self._batches.clear()
        self._count()

    def _count(self) -> None:
        taken = 0 if self.whole else max(0, len(self._batches) - 1)
        self.room.taken += taken - self._taken
        self._taken = taken


def _for_themselves(links: list[Link], reconciled: Reconciled) -> bool:
    return reconciled.alone and {one.link for one in reconciled.operations} <= {link.id for link in links}


def _new_files(links: list[Link], reconciled: Reconciled, kinds: Mapping[str, Kind]) -> bool:
    made = {one.link for one in reconciled.operations if one.action is Action.CREATE and kinds[one.kind].content}
    return (
        _for_themselves(links, reconciled)
        and not (reconciled.holds or reconciled.conflicts or reconciled.drifts or reconciled.again)
        and len(made) == len(reconciled.operations) == len(links)
    )
