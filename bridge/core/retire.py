"""The steps of a retirement: active -> disabled -> retired (soft-deleted) -> purged, one after the other.

| step | on | waits, after the step before was really done |
|---|---|---|
| disable | the side that is left | the tolerated period; its start is the first sight of the loss |
| delete | the side that is left | the period of a disabled account |
| purge | where the bridge soft-deleted, if that side does not purge by itself | the period of a soft-deleted account |

A hold stops the clock: while it lasts no step is done, and its time does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.kinds import Authority, Kind
from bridge.core.model import GONE, Action, Fields, Link, Operation, Side
from bridge.core.plan import role_of
from bridge.core.policy import Policy

#: Spans (from, until) in which the clock of a retirement stands still.
Spans = Iterable[tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True)
class Step:
    """What a retirement asks for now, and when to look again."""

    operations: tuple[Operation, ...]
    again: datetime | None = None


def due_at(since: datetime, gap: timedelta, stopped: Spans = ()) -> datetime:
    """When ``gap`` is over after ``since`` on a clock that stands still during ``stopped``; never inside a span.

    A step that waits for ``now`` is due where ``due_at(...) <= now`` and no span covers ``now``: see ``held_until``.
    """
    at, left = since, gap
    for start, end in sorted(stopped):
        if end <= at:
            continue
        if start > at:
            run = min(left, start - at)
            at, left = at + run, left - run
        if at < start:
            return at
        at = max(at, end)
    return at + left


def held_until(now: datetime, stopped: Spans) -> datetime | None:
    """Until when a hold covers ``now``; None when none does."""
    end: datetime | None = None
    for start, until in sorted(stopped):
        reached = end or now
        if start <= reached < until:
            end = until
    return end


def retirement(link: Link, kind: Kind, policy: Policy, now: datetime, reason: str) -> Step:
    """The next step of a retirement: turn the switch off, start the period, delete; or purge what was deleted."""
    side = Side.CLOUD if link.cloud.record is not None else Side.SCHOOL
    if link.end(side).record is None:
        return _purge(link, kind, policy, now, reason)
    return _Retiring(link, kind, policy, now, reason, side).step()


def next_step(link: Link, kind: Kind, policy: Policy, now: datetime) -> tuple[Action, datetime] | None:
    """What comes next for somebody on the way, and when at the earliest; None when nothing does."""
    gaps = dict(zip(kind.retire, policy.period(kind, role_of(link, kind)), strict=True))
    done = link.taken.step if link.taken else None
    steps = list(kind.retire)
    rest = steps[steps.index(done) + 1 :] if done in steps else steps
    if not rest:
        return None
    since = link.taken.at if link.taken else link.retired_at or now
    due = due_at(since, gaps[rest[0]], link.stopped)
    return rest[0], max(due, held_until(now, link.stopped) or due)


@dataclass(slots=True)
class _Retiring:
    """One retirement on the side that is left, worked out step by step."""

    link: Link
    kind: Kind
    policy: Policy
    now: datetime
    reason: str
    side: Side

    @property
    def _fresh(self) -> bool:
        """Whether it begins now: also of what somebody took out of the limbo by hand after it was deleted."""
        deleted = self.link.taken is not None and self.link.taken.step is Action.DELETE
        return self.link.retired_at is None or deleted

    def step(self) -> Step:
        """The operations that are due, in order, and the time of the next one."""
        operations: list[Operation] = []
        since = self.link.retired_at or self.now
        if self._fresh:
            since = self.now
        elif self.link.taken is not None:
            since = self.link.taken.at
        if Action.DISABLE in self.kind.retire:
            operations, since, waits = self._disable(since)
            if waits is not None:
                return Step(tuple(operations), waits)
        due = self._due(since, Action.DELETE)
        if self.now < due:
            if self._fresh and not any(one.action is Action.RETIRE for one in operations):
                operations.append(self._mark(disabled=any(one.action is Action.DISABLE for one in operations)))
            return Step(tuple(operations), due)
        # Where both sides decide, a record that somebody brings back after this is as good as a new one.
        both = self.policy.existence(self.kind) is Authority.BOTH
        deletion = self._operation(Action.DELETE)
        operations = [one for one in operations if one.action is not Action.RETIRE]
        purge = None
        if Action.PURGE in self.kind.retire and self.side in self.policy.purges:
            purge = due_at(self.now, self._gap(Action.PURGE), self.link.stopped)
        return Step((*operations, replace(deletion, agree=GONE if both else self._agreed(operations))), purge)

    def _disable(self, since: datetime) -> tuple[list[Operation], datetime, datetime | None]:
        """Operations, since when it is disabled, and until when it is tolerated (None: not any more)."""
        record, switch = self.link.end(self.side).record, self.kind.switch or ""
        off = record is not None and record.fields.get(switch) is False
        taken = self.link.taken
        done = not self._fresh and taken is not None and taken.step is Action.DISABLE
        if done and off:
            return [], since, None
        # Enabled again by hand: the period goes on, but a hold protects also from this.
        due = self._due(since, None if done else Action.DISABLE)
        if self.now < due:
            return ([self._mark(disabled=False)] if self._fresh else []), since, due
        if off:
            return [self._mark(disabled=True)], self.now, None
        change = replace(
            self._operation(Action.DISABLE),
            before={switch: True},
            after={switch: False},
            agree={**(self.link.agreed or {}), switch: False},
        )
        return [change], since if done else self.now, None

    def _mark(self, *, disabled: bool) -> Operation:
        """Start the period. ``disabled``: the first step is done already."""
        step = {"step": Action.DISABLE.value} if disabled else {}
        mark = self._operation(Action.RETIRE)
        agree = {**mark.agree, self.kind.switch or "": False} if disabled and mark.agree else mark.agree
        return replace(mark, after=step, agree=agree)

    def _agreed(self, before: Sequence[Operation]) -> Fields:
        return before[-1].agree if before else self.link.agreed or {}

    def _gap(self, step: Action) -> timedelta:
        return _gaps(self.link, self.kind, self.policy)[step]

    def _due(self, since: datetime, step: Action | None) -> datetime:
        due = since if step is None else due_at(since, self._gap(step), self.link.stopped)
        return max(due, held_until(self.now, self.link.stopped) or due)

    def _operation(self, action: Action) -> Operation:
        return _operation(self.link, self.kind, self.policy, action, self.side, self.reason)


def _purge(link: Link, kind: Kind, policy: Policy, now: datetime, reason: str) -> Step:
    """Delete for good what the bridge soft-deleted, a full period after that was done."""
    taken = link.taken
    if taken is None or Action.PURGE not in kind.retire:
        return Step(())
    if taken.step is not Action.DELETE:
        # It was sent, and nobody heard the answer: the period begins with this mark.
        mark = _operation(link, kind, policy, Action.RETIRE, taken.side, reason)
        again = due_at(now, _gaps(link, kind, policy)[Action.PURGE], link.stopped)
        return Step((replace(mark, after={"step": Action.DELETE.value}),), again)
    due = due_at(taken.at, _gaps(link, kind, policy)[Action.PURGE], link.stopped)
    due = max(due, held_until(now, link.stopped) or due)
    if now < due:
        return Step((), due)
    # Looked at again at once: with nothing left of it the link is forgotten.
    return Step((_operation(link, kind, policy, Action.PURGE, taken.side, reason),), now)


def _gaps(link: Link, kind: Kind, policy: Policy) -> dict[Action, timedelta]:
    return dict(zip(kind.retire, policy.period(kind, role_of(link, kind)), strict=True))


def _operation(link: Link, kind: Kind, policy: Policy, action: Action, side: Side, reason: str) -> Operation:
    end, role = link.end(side), role_of(link, kind)
    gap = _gaps(link, kind, policy).get(action)
    held = ", less the time of its holds" if link.stopped else ""
    return Operation(
        link=link.id, kind=kind.name, side=side, action=action, anchor=end.anchor, agree=link.agreed or {},
        expected=end.record.version if end.record else "", reason=reason, role=role,
        evidence=link.end(side.other).gone,
        rule="" if gap is None else f"{kind.name}.{role or '*'}: {action} after {gap.total_seconds() / 86400:g} days"
        f"{held}; stage {policy.stage}",
    )  # fmt: skip
