"""The sentence of the design as code: observe, pair, judge, execute.

The plan is counted in full before its first operation is carried out; it is never held in memory as a whole: reconcile
is pure, so the second pass simply derives it again, batch by batch, from what the batches before it have left. What
can't have changed since it was counted is kept as it was (``kept``). A rehearsal keeps all of it: nothing changes
between its passes, and its report holds every operation anyway.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime

from bridge.core.guard import Guard
from bridge.core.model import Action, Hold, Operation, Side
from bridge.engine.bridged import Bridged, Report, held_trouble
from bridge.engine.derive import derive
from bridge.engine.execute import Turn, execute, named
from bridge.engine.kept import Batch, Kept
from bridge.engine.load import Planned, amount_of, total
from bridge.engine.observe import observe
from bridge.engine.pair import pair
from bridge.engine.purges import able, purged_by_bridge
from bridge.engine.resolve import carry_out_decisions
from bridge.ports import BridgeError, Fenced, Unreachable, never

#: Links reconciled at a time.
BATCH = 500

#: A plan that is overtaken by news is carried out for so many seconds, and so many times as long as it took to make.
LEAST, TIMES = 60.0, 10


async def cycle(
    bridged: Bridged, *, sides: Iterable[Side] = tuple(Side), rehearse: bool = False, most: int | None = None
) -> Report:
    """Run one cycle, reading ``sides``; the report says what was done, ``report.error`` why it ended early.

    Errors of a side end the cycle and are reported, not raised: nothing is concluded from what was not read. Raises
    Fenced only, where another process looks after the school by now.
    With ``rehearse`` nothing is carried out: every operation and hold is kept in the report instead, and a stage that
    writes nothing is judged as if it did, because that is what one wants to see. With ``most`` only so many of them are
    kept, and the others counted: a share may have millions.
    """
    if rehearse and not bridged.policy.writable:
        bridged.policy = replace(bridged.policy, writable=frozenset(Side))
    bridged.policy = replace(bridged.policy, purges=purged_by_bridge(bridged.connectors))
    report = Report(cycle=bridged.new_id(), school=bridged.code, started=bridged.clock())
    begun = bridged.monotonic()
    if not bridged.observed:
        return report
    try:
        for side in sides:
            await observe(bridged, side, report)
        await pair(bridged, report)
        with Kept(whole=rehearse and most is None) as kept:
            guard = await judge(bridged, report, keep=kept)
            if kept.whole:
                await _carry_out(bridged, guard, report, batches=_given_back(kept), rehearse=True)
                report.operations = _once(report.operations)
            elif rehearse:
                batches = _batches(bridged, guard.released, first=kept)
                await _carry_out(bridged, guard, report, batches=batches, rehearse=True, most=most)
            else:
                await _carry_all_out(bridged, guard, report, first=kept, over=_overtaken(bridged, begun))
                await carry_out_decisions(bridged, report)
                bridged.load.end()
    except Fenced:
        raise  # not this process's any more: nothing of it is to be reported or repeated here
    except BridgeError as error:
        report.error = str(error)
        report.retry_after = error.retry_after if isinstance(error, Unreachable) else None
    report.seconds = bridged.monotonic() - begun
    return report


def _overtaken(bridged: Bridged, begun: float) -> Callable[[], bool]:
    """Whether to begin anew: something happened meanwhile, and enough was done for the pains of making this plan.

    The first mirror of a home takes hours, and a file that is saved meanwhile is not in its plan.
    """
    made = bridged.monotonic()
    until = made + max(LEAST, TIMES * (made - begun))
    return lambda: bridged.monotonic() >= until and bridged.news()


async def judge(bridged: Bridged, report: Report, *, keep: Kept) -> Guard:
    """Count the whole plan of this cycle; the guard that comes back knows what is too much.

    ``keep`` is offered the plan, from the first batch on.
    """
    store, now = bridged.store, bridged.clock()
    guard = Guard(
        school=bridged.code,
        policy=bridged.policy,
        kinds=bridged.kinds,
        population={},
        earlier=await bridged.remember(store.tallies, now - bridged.policy.window),
        released=await bridged.remember(store.released),
        empty=await bridged.remember(store.empty),
    )
    near: set[str] = set()
    planned = Planned(guard, bridged.load.begun)
    async for links, reconciled in _batches(bridged, guard.released):
        keep.offer(links, reconciled, bridged.kinds)
        allowed = [one for one in reconciled.operations if _capable(bridged, one) is None]
        planned.count(allowed, mine=frozenset(link.id for link in links))
        # A folder that is kept for what lives in it comes with every batch that lives in it: it counts once.
        allowed = [one for one in allowed if one.link not in near]
        near |= {one.link for one in allowed} - {link.id for link in links}
        guard.count(allowed)
        report.planned.update(f"{one.kind}:{one.action}" for one in allowed if one.action.writes)
    if guard.crowded():
        # It is counted anew each time: a change of ten among a million must not pay for that.
        guard.population = await bridged.remember(store.population)
    bridged.load.plan(planned)
    return guard


async def _given_back(kept: Kept) -> AsyncIterator[Batch]:
    """The kept batches, each let go of before the next one."""
    while kept:
        yield kept.next()


def _once(operations: list[Operation]) -> list[Operation]:
    """A folder comes with every batch that lives in it, and dies in its own if nobody lives there: it is kept once."""
    builds = {one.link for one in operations if one.action in {Action.CREATE, Action.UPDATE, Action.RESTORE}}
    planned = {(one.link, one.side, one.action, tuple(sorted(one.after))): one for one in operations}
    return [one for one in planned.values() if one.action is not Action.DELETE or one.link not in builds]


async def _batches(bridged: Bridged, released: frozenset[str], *, first: Kept | None = None) -> AsyncIterator[Batch]:
    """Derive the plan batch by batch; links of tree kinds come with their neighbourhood.

    ``first`` is what was derived already, for who carries it out: a batch may touch links of the next ones.
    """
    after: tuple[int, str] | None = None
    now = bridged.clock()
    while True:
        if first:
            links, reconciled = first.next()
        elif links := list(await bridged.remember(bridged.store.due, now, after, BATCH)):
            reconciled = await derive(bridged, links, now=now, released=released)
        else:
            return
        after = (bridged.kinds[links[-1].kind].rank, links[-1].id)
        yield links, reconciled
        if first is None and len(links) < BATCH:
            return
        await bridged.give_way()


def _capable(bridged: Bridged, operation: Operation) -> Hold | None:
    """A side that can't be written this way (yet) holds the operation."""
    if not operation.action.writes:
        return None
    if able(bridged.connectors[operation.side], operation):
        return None
    text = f"{bridged.code}: the {operation.side} can't {operation.action} {operation.kind} records through this bridge"
    return Hold(operation, "capability", text)


async def _carry_all_out(
    bridged: Bridged, guard: Guard, report: Report, *, first: Kept, over: Callable[[], bool]
) -> None:
    """Pass by pass, while what one has done makes room for what waited in it: the parent made, the folder emptied.

    What is left when it is ``over`` is planned anew by the next cycle, which is due at once.
    """
    done = -1
    while done < (done := report.executed.total() + report.noted.total()):
        report.waiting.clear()
        batches = _batches(bridged, guard.released, first=first)
        await _carry_out(bridged, guard, report, batches=batches, rehearse=False, over=over, kept=first)
        if over():
            report.again = bridged.clock()
            return
        if not report.waiting:
            return
        bridged.load.next_pass()
    report.held.update(report.waiting.values())


async def _carry_out(
    bridged: Bridged,
    guard: Guard,
    report: Report,
    *,
    batches: AsyncIterator[Batch],
    rehearse: bool,
    most: int | None = None,
    over: Callable[[], bool] = never,
    kept: Kept | None = None,
) -> None:
    async for links, reconciled in batches:
        holds = [_addressed(bridged, hold) for hold in reconciled.holds]
        allowed: list[Operation] = []
        for operation in reconciled.operations:
            hold = _capable(bridged, operation) or guard.judge(operation)
            if hold is None:
                allowed.append(operation)
            else:
                holds.append(hold)
        held = {hold.operation.link for hold in holds}
        # A link of which one step is held waits as a whole: its steps belong together.
        allowed = [operation for operation in allowed if operation.link not in held]
        report.conflicts += reconciled.conflicts
        await _hold(bridged, holds, report)
        if rehearse:
            if most is not None:
                mine = frozenset(link.id for link in links)
                report.rehearsed.count(allowed, holds, mine=mine, kinds=bridged.kinds)
            room = None if most is None else max(0, most - len(report.operations))
            report.operations += await named(bridged, allowed[:room])
            report.holds += holds[: None if most is None else max(0, most - len(report.holds))]
            continue
        waves = {one.link: until for one in allowed if (until := _wave_ends(bridged, one)) is not None}
        report.again = min(filter(None, (report.again, *waves.values())), default=None)
        allowed = [operation for operation in allowed if operation.link not in waves]
        later = {link: when for link, when in reconciled.again.items() if link not in held} | waves
        going = {operation.link for operation in allowed}
        if drifts := [one for one in reconciled.drifts if one.held or one.link in going]:
            # Before it is put right: what somebody typed must not be lost with a crash.
            await bridged.remember(bridged.store.drifted, drifts, now=bridged.clock())
        turn = Turn(bridged, report, later, {link.id: link.attempts for link in links}, over=over)
        bridged.load.batch(total(amount_of(one, bridged.kinds) for one in allowed))
        await execute(turn, allowed)
        if kept is not None and not turn.as_planned:
            kept.drop()
        busy = held | {operation.link for operation in allowed}
        if quiet := [one for one in reconciled.quiet if one not in busy]:
            await bridged.remember(bridged.store.quiet, quiet)
        if postponed := {one: at for one, at in later.items() if one not in busy}:
            await bridged.remember(bridged.store.postpone, postponed)
        if over():
            return


def _addressed(bridged: Bridged, hold: Hold) -> Hold:
    """A hold of the core says why and what to do; a person also needs to know where."""
    return replace(hold, message=f"{bridged.code}: {hold.operation.kind} {hold.operation.link}: {hold.message}.")


def _wave_ends(bridged: Bridged, operation: Operation) -> datetime | None:
    """Until when a removal waits, because more may vanish; None when it need not wait."""
    last = bridged.vanished.get(operation.side.other)
    if operation.evidence is None or last is None:
        return None
    until = last + bridged.policy.pause
    return until if bridged.clock() < until else None


async def _hold(bridged: Bridged, holds: list[Hold], report: Report) -> None:
    if not holds:
        return
    now = bridged.clock()
    # A person may have released a link since the guard was asked: holding it again would outlive the release.
    released = await bridged.remember(bridged.store.released)
    holds = [hold for hold in holds if hold.operation.link not in released or not hold.rule.startswith("guard:")]
    await bridged.remember(bridged.store.trouble, [held_trouble(hold, now) for hold in holds])
    for hold in holds:
        report.held[f"{hold.operation.kind}:{hold.rule}"] += 1
    report.messages += sorted({hold.message for hold in holds})
