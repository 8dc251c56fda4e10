"""A school as the engine sees it, and what a cycle reports."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from bridge.core.kinds import Kind
from bridge.core.model import Conflict, Hold, Operation, Side
from bridge.core.policy import Policy
from bridge.engine.load import Load
from bridge.engine.rehearsed import Rehearsed
from bridge.ports import Connector, Store, Trouble, never

#: (kind, assigned field, base, school record's anchor) -> (name space, candidate names in order)
Naming = Callable[[str, str, str, str], tuple[str, Sequence[str]]]
#: (phase, done, total or None)
Progress = Callable[[str, int, int | None], None]

P = ParamSpec("P")
T = TypeVar("T")


def silent(phase: str, done: int, total: int | None) -> None:
    """The progress callback of somebody who doesn't watch."""


async def nobody_waits() -> None:
    """There is nobody to give way to."""


@dataclass(slots=True)
class Bridged:
    """One school with its two connectors, its memory and its policy. ``observed`` False: the stage reads nothing."""

    code: str
    name: str
    store: Store
    connectors: Mapping[Side, Connector]
    kinds: Mapping[str, Kind]
    policy: Policy
    naming: Naming
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    observed: bool = True
    progress: Progress = silent
    #: How many files and bytes the plan sends, and how many were sent; somebody may keep it over many connections.
    load: Load = field(default_factory=Load)
    #: Whether somebody waits for the end of this cycle: a long transfer then pauses where it can go on.
    awaited: Callable[[], bool] = never
    #: Whether something happened here since this cycle began, so that it had better end and look again.
    news: Callable[[], bool] = never
    #: Called where all that was done is recorded: whoever has been at work for long lets others have their turn.
    give_way: Callable[[], Awaitable[None]] = nobody_waits
    #: Seconds of any beginning, for how long a cycle took.
    monotonic: Callable[[], float] = time.monotonic
    identified: set[Side] = field(default_factory=set)
    #: When a side last told of something that is gone; in memory only, because a restart sees what is due as a whole.
    vanished: dict[Side, datetime] = field(default_factory=dict)

    async def remember(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the synchronous store off the event loop, so that other schools go on."""
        return await asyncio.to_thread(method, *args, **kwargs)


@dataclass(slots=True)
class Report:
    """What one cycle saw and did; all numbers are objects, not requests. ``noted`` wrote to the state only.

    ``again`` is when something that waits for the end of a wave is due. ``warned``: side -> its warnings, of sides that
    were read to their end. ``waiting``: links of which a write needs another one first (a folder that is not there
    yet, or not empty yet), with the reason. ``retry_after``: seconds that a side asked to be left alone.
    """

    cycle: str
    school: str
    started: datetime
    observed: dict[str, int] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    planned: Counter[str] = field(default_factory=Counter)
    executed: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    conflicts: list[Conflict] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    warned: dict[str, list[str]] = field(default_factory=dict)
    rehearsed: Rehearsed = field(default_factory=Rehearsed)
    operations: list[Operation] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    error: str = ""
    retry_after: float | None = None
    again: datetime | None = None
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything was written or wanted to be."""
        return bool(self.executed or self.held or self.failed)

    def counts(self) -> dict[str, Any]:
        """The report without names, for the cycle's bookkeeping row and the status."""
        return {
            "observed": dict(self.observed),
            "listed": sorted(self.listed),
            "planned": dict(self.planned),
            "executed": dict(self.executed),
            "noted": dict(self.noted),
            "held": dict(self.held),
            "failed": dict(self.failed),
            "conflicts": len(self.conflicts),
            "warnings": len(self.warnings),
            "seconds": round(self.seconds, 3),
        }


def held_trouble(hold: Hold, now: datetime) -> Trouble:
    """How the state remembers a held operation."""
    operation = hold.operation
    return Trouble(
        link=operation.link,
        kind=operation.kind,
        side=operation.side,
        action=operation.action,
        role=operation.role,
        rule=hold.rule,
        message=hold.message,
        since=now,
    )
