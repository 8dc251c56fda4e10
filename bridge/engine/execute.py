"""Carry out what the guard let through, chunk by chunk, and record each new agreement with the version it got.

1. name     a creation gets names that nobody ever had, remembered before anything is sent
2. resolve  links become the anchors of the side that is written; what has no anchor there yet is left for later
3. intend   the journal says what is about to be sent
4. apply    the connector writes; every outcome is recorded as it comes

A crash between any two lines leaves a smaller plan: what was written and not recorded is seen by the next observation,
and a creation is found again by its anchor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.core.model import Action, Digest, Operation, Side, Value
from bridge.core.urgency import bytes_of
from bridge.engine.addressed import Anchors, as_write, less_refused, referred, resolved
from bridge.engine.bridged import Bridged, Report
from bridge.engine.contents import DEFERRED, UNFINISHED, large, sent, sources
from bridge.engine.failing import backoff, failed, for_good, refused
from bridge.engine.load import amount_of, metered
from bridge.engine.lots import Lots
from bridge.engine.neighbourhood import not_empty
from bridge.engine.purges import carried_out
from bridge.ports import Done, Failed, Outcome, Trouble, Write, never

#: Outcomes that are recorded together; a crash repeats at most so many writes, all of which are idempotent.
COMMIT = 20
#: The same for files: what is there already is looked at, nothing of it is sent again. Remembering some costs nearly as
#: much as remembering many, and ``Lots`` never waits for long.
COMMIT_FILES = 500
#: Bytes of files that are carried out at a time at most, large ones apart: on a slow line what is new has its turn.
BYTES = 64 * 1024 * 1024
#: Operations that are carried out at a time at most while somebody waits for his turn.
FEW = 40
#: The cause of a failure after which the link gets another name.
NAME_TAKEN = "name_taken"


@dataclass(frozen=True, slots=True)
class Turn:
    """What the steps of one execution share. ``again``: when to look at a link next; ``attempts``: failures so far.

    ``versions`` are those that this turn's own writes gave: what a link's next step has to expect.
    ``left`` are operations still to come per link: until the last of them the link stays due. ``stopped`` are links of
    which a step was not done as planned: their later steps would agree on what is not there.
    """

    bridged: Bridged
    report: Report
    again: Mapping[str, datetime]
    attempts: Mapping[str, int]
    versions: dict[tuple[str, Side], str] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    stopped: set[str] = field(default_factory=set)
    #: Links that were written in another way than planned.
    strange: set[str] = field(default_factory=set)
    #: Whether the rest of the plan is left for the next cycle.
    over: Callable[[], bool] = never
    #: Link -> the digest that was planned with, and that of the bytes that were sent.
    bytes: dict[str, tuple[Value, Digest]] = field(default_factory=dict)

    @property
    def as_planned(self) -> bool:
        """Whether all that was done so far is what the plan said."""
        return not (self.stopped or self.strange)


async def execute(turn: Turn, operations: Sequence[Operation]) -> None:
    """Carry out a plan in its order. Raises Unreachable or Refused after recording what was done until then."""
    done_so_far = 0
    turn.left.update(one.link for one in operations)
    for chunk in _chunked(operations, turn.bridged):
        going = [one for one in chunk if one.link not in turn.stopped and not _waits(turn, one)]
        if going and going[0].action.writes:
            await _write(turn, going)
        elif going:
            await _note(turn, going)
        done_so_far += len(chunk)
        turn.bridged.progress("execute", done_so_far, len(operations))
        if turn.over():
            return
        await turn.bridged.give_way()


def _waits(turn: Turn, operation: Operation) -> bool:
    """A large file waits for the next cycle once another one made room for those who wait for the end of this one."""
    if turn.report.again is None or not large(operation, turn.bridged.kinds[operation.kind]):
        return False
    if not turn.report.held[f"{operation.kind}:{UNFINISHED}"]:
        return False
    turn.stopped.add(operation.link)
    turn.bridged.load.put_off(amount_of(operation, turn.bridged.kinds))
    return True


def _chunked(operations: Sequence[Operation], bridged: Bridged) -> Iterator[list[Operation]]:
    """Cut a plan where one operation needs an earlier one: same link, or a reference made in the same chunk."""
    chunk: list[Operation] = []
    links: set[str] = set()
    sent = 0
    for operation in operations:
        key = (operation.side, operation.kind, operation.action.writes)
        first = chunk and (chunk[0].side, chunk[0].kind, chunk[0].action.writes)
        most = bridged.connectors[operation.side].capabilities.chunk
        full = len(chunk) >= (min(most, FEW) if bridged.awaited() else most) or sent >= BYTES
        if chunk and (key != first or full or operation.link in links or operation.requires & links):
            yield chunk
            chunk, links, sent = [], set(), 0
        kind = bridged.kinds[operation.kind]
        sent += 0 if large(operation, kind) else bytes_of(operation, kind) or 0
        chunk.append(operation)
        links.add(operation.link)
    if chunk:
        yield chunk


async def _note(turn: Turn, chunk: Sequence[Operation]) -> None:
    bridged = turn.bridged
    turn.left.subtract(one.link for one in chunk)
    done = [Done(one, one.agree, again=turn.again.get(one.link)) for one in chunk]
    await bridged.remember(bridged.store.record, done, cycle=turn.report.cycle, now=bridged.clock())
    turn.report.noted.update(f"{one.kind}:{one.action}" for one in chunk)


async def _write(turn: Turn, chunk: Sequence[Operation]) -> None:
    bridged, report = turn.bridged, turn.report
    side = chunk[0].side
    prepared = await named(bridged, chunk)
    anchors = await bridged.remember(bridged.store.anchors, referred(bridged, prepared))
    bytes_ = await sources(bridged, side, prepared)
    in_use = await not_empty(bridged, side, prepared)
    ready: dict[str, Operation] = {}
    writes: list[Write] = []
    for operation in prepared:
        addressed = resolved(bridged, operation, anchors)
        if addressed is None or operation.link in in_use:
            why = "waits for its parent" if addressed is None else "waits until it is empty"
            report.waiting[operation.link] = f"{operation.kind}:{why}"
            turn.stopped.add(operation.link)
            bridged.load.wait(amount_of(operation, bridged.kinds))
            continue
        if (operation.link, side) in turn.versions:
            addressed = replace(addressed, expected=turn.versions[operation.link, side])
        ready[operation.link] = addressed
        content = metered(bytes_.get(operation.link), operation, load=bridged.load, kinds=bridged.kinds)
        writes.append(as_write(bridged, addressed, anchors, content=content))
    if not writes:
        return
    await bridged.remember(bridged.store.intend, list(ready.values()), cycle=report.cycle, now=bridged.clock())
    size = COMMIT if bridged.kinds[chunk[0].kind].content is None else COMMIT_FILES
    async with Lots[Outcome](lambda settled: _record(turn, ready, settled, anchors), size=size) as lots:
        async for outcome in carried_out(bridged.connectors[side], writes):
            await lots.add(outcome)


async def named(bridged: Bridged, operations: Sequence[Operation]) -> list[Operation]:
    """Turn the bases of assigned columns into reserved names."""
    wanted: dict[tuple[str, str], list[tuple[str, Sequence[str]]]] = {}
    for one in operations:
        kind = bridged.kinds[one.kind]
        if one.action is not Action.CREATE:
            continue
        for column in (one_ for one_ in kind.fields if one_.assigned_from and one_.where.value == one.side.value):
            base = str(one.after.get(column.name) or "")
            anchor = str(one.after.get(kind.keys[0]) or one.link)
            space, candidates = bridged.naming(kind.name, column.name, base, anchor)
            wanted.setdefault((column.name, space), []).append((one.link, candidates))
    given: dict[str, dict[str, Value]] = {}
    for (name, space), links in wanted.items():
        for link, reserved in (await bridged.remember(bridged.store.reserve, space, links)).items():
            given.setdefault(link, {})[name] = reserved
    return [replace(one, after={**one.after, **given[one.link]}) if one.link in given else one for one in operations]


async def _record(turn: Turn, ready: Mapping[str, Operation], outcomes: Sequence[Outcome], anchors: Anchors) -> None:
    bridged, report, now = turn.bridged, turn.report, turn.bridged.clock()
    done: list[Done] = []
    troubles: list[Trouble] = []
    for outcome in outcomes:
        operation = ready[outcome.id]
        amount = amount_of(operation, bridged.kinds)
        if isinstance(outcome, Failed):
            turn.stopped.add(operation.link)
            if await for_good(bridged, report, operation, outcome):
                bridged.load.wait(amount)
                continue
            if outcome.cause == UNFINISHED:
                bridged.load.put_off(amount)
            else:
                bridged.load.drop(operation.link, amount)
            troubles.append(failed(operation, outcome, attempts=turn.attempts.get(operation.link, 0), now=now))
            counted = report.held if outcome.cause in DEFERRED else report.failed
            counted[f"{operation.kind}:{outcome.cause}"] += 1
            report.again = now if outcome.cause == UNFINISHED else report.again
            report.messages.append(outcome.message)
            if outcome.cause == NAME_TAKEN:
                await bridged.remember(bridged.store.spoil, operation.link)
            continue
        settled = sent(less_refused(operation, outcome, anchors), outcome, bridged.kinds[operation.kind], turn.bytes)
        retry = now + backoff(1, transient=True) if outcome.unknown else None
        if outcome.refused:
            troubles.append(refused(operation, outcome, attempts=turn.attempts.get(operation.link, 0), now=now))
        bridged.load.write(operation.link, amount)
        if outcome.adopted or outcome.refused:
            turn.strange.add(operation.link)
        turn.left[operation.link] -= 1
        turn.versions[operation.link, operation.side] = outcome.version
        if retry is not None:
            turn.stopped.add(operation.link)
        # Another step follows, or the record that was cut loose needs a partner: a crash must not forget the link.
        unfinished = turn.left[operation.link] > 0 or operation.action is Action.DETACH
        later = retry or (now if unfinished else turn.again.get(operation.link))
        note = "; ".join([*(["adopted"] if outcome.adopted else []), *outcome.refused.values()])
        done.append(Done(settled, settled.agree, outcome, again=later, note=note))
        report.executed[f"{operation.kind}:{operation.action}"] += 1
        report.messages += outcome.refused.values()
        report.failed.update(f"{operation.kind}:refused:{name}" for name in outcome.refused)
    await bridged.remember(bridged.store.record, done, cycle=report.cycle, now=now)
    if troubles:
        await bridged.remember(bridged.store.trouble, troubles)
