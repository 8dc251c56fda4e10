"""What another configuration would come to, by the state alone: nothing is asked of either side, nothing is written.

copy     the school's people and groups into memory, all of them touched, what was held judged anew
derive   the plan with the new rules, batch by batch, twice as a cycle does; it is counted, never kept
guard    what of it would be too much
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

from bridge.core.guard import Guard
from bridge.core.model import Action, Side
from bridge.core.reconcile import Reconciled
from bridge.daemon import wiring
from bridge.daemon.roots import roots_of
from bridge.engine.bridged import Bridged
from bridge.engine.cycle import BATCH
from bridge.engine.derive import derive
from bridge.fleet.configure import DIFF, Count, Foreseen, Roots
from bridge.settings import School, Settings, in_force
from bridge.state.database import Database
from bridge.state.store import SchoolStore
from bridge.state.touch import touch_everything
from bridge.state.transaction import writing


def lines(before: str, after: str, *, name: str) -> str:
    """A unified diff, cut where it is long."""
    drawn = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (in force)", f"{name} (new)", lineterm=""
    )
    text = "\n".join(drawn)
    return text if len(text) <= DIFF else f"{text[:DIFF]}\n… cut here; the whole file is long"


def effective(one: School | None) -> str:
    """What holds for a school as text to compare, secrets masked."""
    if one is None:
        return ""
    return json.dumps(in_force.effective(one), indent=1, sort_keys=True, ensure_ascii=False, default=str)


async def foreseen(settings: Settings, database: Database, old: School | None, new: School | None) -> Foreseen:
    """The plan for ``new`` in place of ``old``; ``settings`` are those with ``new``. No names are in it."""
    if new is None:
        return Foreseen(roots=_roots(database, old, None), attributes=_attributes(old, None))
    with wiring.scratch_store(settings, new) as store:
        with writing(store.database, new.code, store.kinds) as tx:
            touch_everything(tx)
        bridged = wiring.offline(new, store)
        writes = bool(bridged.policy.writable)
        if not writes:  # as a rehearsal does: what one wants to see is what would happen
            bridged.policy = replace(bridged.policy, writable=frozenset(Side))
        operations, too_much = await _judged(bridged, store)
    return Foreseen(
        stage=bridged.policy.stage.value,
        writes=writes,
        operations=operations,
        too_much=too_much,
        roots=_roots(database, old, new),
        sides=_sides(old, new),
        attributes=_attributes(old, new),
    )


async def _judged(bridged: Bridged, store: SchoolStore) -> tuple[tuple[Count, ...], tuple[str, ...]]:
    """The plan by side, kind, action and what would hold it; and what the guard would say of it."""
    now = bridged.clock()
    guard = Guard(
        school=bridged.code, policy=bridged.policy, kinds=bridged.kinds, population=store.population(),
        earlier=store.tallies(now - bridged.policy.window), released=store.released(), empty=store.empty(),
    )  # fmt: skip
    async for found in _batches(bridged, store, guard.released):
        guard.count(found.operations)
    counted: Counter[tuple[Side, str, Action, str]] = Counter()
    async for found in _batches(bridged, store, guard.released):  # as in a cycle: all of it is counted before
        counted.update((one.operation.side, one.operation.kind, one.operation.action, one.rule) for one in found.holds)
        for one in found.operations:
            if one.action.writes:
                hold = guard.judge(one)
                counted[one.side, one.kind, one.action, hold.rule if hold else ""] += 1
    rows = tuple(
        Count(side=side.value, kind=kind, action=action.value, count=number, rule=rule)
        for (side, kind, action, rule), number in sorted(counted.items())
    )
    return rows, tuple(sorted(one.message(bridged.code) for one in guard.excesses().values()))


async def _batches(bridged: Bridged, store: SchoolStore, released: frozenset[str]) -> AsyncIterator[Reconciled]:
    now, after = bridged.clock(), None
    while links := list(store.due(now, after, BATCH)):
        after = (bridged.kinds[links[-1].kind].rank, links[-1].id)
        yield await derive(bridged, links, now=now, released=released)


def _sides(old: School | None, new: School) -> tuple[str, ...]:
    return tuple(side.value for side in Side if old is None or old.sides[side] != new.sides[side])


def _attributes(old: School | None, new: School | None) -> tuple[str, ...]:
    before, after = (_names(one) for one in (old, new))
    return (*(f"+{name}" for name in sorted(after - before)), *(f"-{name}" for name in sorted(before - after)))


def _names(one: School | None) -> set[str]:
    return set() if one is None else {f"{kind}.{name}" for kind, named in one.attributes.items() for name in named}


def _roots(database: Database, old: School | None, new: School | None) -> tuple[Roots, ...]:
    before, after = (roots_of(one, database).roots if one else {} for one in (old, new))
    begin = Counter(root.share for code, root in after.items() if code not in before)
    end = Counter(root.share for code, root in before.items() if code not in after)
    change = Counter(root.share for code, root in after.items() if code in before and before[code].sides != root.sides)
    return tuple(
        Roots(share=name, begin=begin[name], end=end[name], change=change[name])
        for name in sorted({*begin, *end, *change})
    )
