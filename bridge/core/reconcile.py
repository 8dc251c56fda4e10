"""Observed at the school, observed in the cloud, last agreed: from these three a plan, and nothing else.

1. fate    the seven rows decide whether a link lives, retires, waits or is forgotten
2. merge   a living link gets its wanted fields under authority
3. settle  the tree as a whole is made sound
4. plan    the difference to what is there becomes operations, put in an order in which they can be carried out
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from bridge.core.fate import Fate, Verdict, fate
from bridge.core.kinds import Kind
from bridge.core.merge import merge, named_as_agreed
from bridge.core.model import GONE, Action, Conflict, Drift, Hold, Link, Operation, Side, Value
from bridge.core.order import ordered
from bridge.core.plan import Anchored, possible, role_of, writes_for
from bridge.core.policy import Policy
from bridge.core.retire import retirement
from bridge.core.settle import Desired, folded, free_name, places, settle


@dataclass(slots=True)
class Reconciled:
    """The outcome for a set of links: ``quiet`` need nothing, ``again`` says when to look at one without a change.

    ``alone``: no link but these had a say in it, other than as a folder above.
    """

    operations: list[Operation] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)
    again: dict[str, datetime] = field(default_factory=dict)
    alone: bool = True


def reconcile(
    links: Iterable[Link],
    *,
    kinds: Mapping[str, Kind],
    policy: Policy,
    now: datetime,
    anchored: Anchored,
    only: frozenset[str] | None = None,
    released: frozenset[str] = frozenset(),
) -> Reconciled:
    """Reconcile links; those not in ``only`` are context (the neighbourhood in a tree) and get no operation.

    Context that ``settle`` had to change (a kept folder) gets its operations all the same. A person has ``released``
    links: what vanished from them without evidence is made again.
    """
    outcome = Reconciled()
    desired: dict[str, Desired] = {}
    fates: dict[str, Fate] = {}
    before_settling: dict[str, Desired] = {}
    for link in links:
        kind = kinds[link.kind]
        decided = fates[link.id] = fate(link, kind, policy, released=link.id in released)
        before_settling[link.id] = desired[link.id] = _desired(link, kind, policy, decided, anchored)
    settled = settle(desired)
    operations: list[Operation] = []
    for link_id, one in settled.items():
        unchanged = one is before_settling[link_id]
        if only is not None and link_id not in only and unchanged:
            continue
        if one.keep_both:
            outcome.conflicts += one.conflicts
            operations.append(_detach(one, settled, now.astimezone(policy.zone)))
            continue
        operations += _operations(one, fates[link_id], unchanged, policy, now, anchored, outcome)
    wanted = possible(operations, {link_id: one.link.agreed for link_id, one in settled.items()})
    outcome.quiet += sorted({one.link for one in operations} - {one.link for one in wanted})
    outcome.operations = ordered(wanted, settled, kinds)
    return outcome


def _desired(link: Link, kind: Kind, policy: Policy, decided: Fate, anchored: Anchored) -> Desired:
    if decided.verdict is not Verdict.LIVE:
        return Desired(link, kind, exists=False, reason=decided.reason)
    if link.school.record is not None and link.cloud.record is not None:
        merged = merge(link, kind, policy, anchored)
        return Desired(
            link,
            kind,
            exists=True,
            wanted=merged.wanted,
            agree=merged.agree,
            reason=decided.row.value,
            conflicts=merged.conflicts,
            keep_both=merged.keep_both,
            drifts=merged.drifts,
        )
    record = link.school.record or link.cloud.record
    fields = named_as_agreed(link, kind, record.fields) if record else {}
    values = {column.name: fields.get(column.name) for column in kind.compared}
    if kind.keys and link.school.record is None and not values.get(kind.keys[0]):
        # Whoever was made in the cloud is known at the school by the id that he has there: it never changes either.
        values[kind.keys[0]] = link.cloud.anchor
    reason = decided.reason or decided.row.value
    return Desired(link, kind, True, {Side.SCHOOL: values, Side.CLOUD: values}, values, reason)


def _operations(
    one: Desired, decided: Fate, unchanged: bool, policy: Policy, now: datetime, anchored: Anchored, outcome: Reconciled
) -> list[Operation]:
    link, kind = one.link, one.kind
    outcome.conflicts += one.conflicts
    outcome.drifts += one.drifts
    if one.exists:
        operations = writes_for(one, policy, anchored)
        if not operations:
            outcome.quiet.append(link.id)
        return operations
    if decided.verdict is Verdict.RETIRE:
        step = retirement(link, kind, policy, now, decided.reason)
        if step.again is not None:
            outcome.again[link.id] = step.again
        elif not step.operations:
            outcome.quiet.append(link.id)
        return list(step.operations)
    role = role_of(link, kind)
    if decided.verdict is Verdict.FORGET:
        return [Operation(link.id, kind.name, Side.SCHOOL, Action.FORGET, reason=decided.reason, role=role)]
    if decided.verdict is Verdict.AGREE_GONE:
        return [Operation(link.id, kind.name, Side.SCHOOL, Action.AGREE, agree=GONE, reason=decided.reason, role=role)]
    if decided.verdict is Verdict.HOLD:
        side = Side.CLOUD if link.cloud.record is None else Side.SCHOOL
        wanted = Operation(link.id, kind.name, side, Action.CREATE, reason=decided.row.value, role=role)
        outcome.holds.append(Hold(wanted, decided.rule, decided.reason))
        return []
    outcome.quiet.append(link.id)
    return []


def _detach(one: Desired, tree: Mapping[str, Desired], now: datetime) -> Operation:
    """Both versions are kept: the losing side's record gets a name of its own and becomes an object of its own."""
    side = one.keep_both or Side.CLOUD
    end, stays = one.link.end(side), one.link.end(side.other).record
    label = one.kind.label
    name = str(end.record.fields.get(label) if end.record else "")
    # After a crash between the renaming and its agreement the name says that it was done already.
    original = PurePosixPath(str(stays.fields.get(label) if stays else ""))
    # Folded: what was made on both sides need not be spelt alike.
    done = name != str(original) and folded(name).startswith(folded(f"{original.stem} (conflict {side.value} "))
    after = {} if done else {label: _conflict_name(one, name, tree, side, now)}
    return Operation(
        link=one.link.id,
        kind=one.kind.name,
        side=side,
        action=Action.DETACH,
        anchor=end.anchor,
        before={label: name} if after else {},
        after=after,
        agree=one.link.agreed or {},
        expected=end.record.version if end.record else "",
        reason="changed on both sides: both are kept",
    )


def _conflict_name(one: Desired, name: str, tree: Mapping[str, Desired], side: Side, now: datetime) -> str:
    path = PurePosixPath(name)
    losing = f"{path.stem} (conflict {side.value} {now:%Y-%m-%d %H-%M}){path.suffix}"
    taken: set[tuple[Value, str]] = {(None, name) for other in tree.values() for _, _, name in places(other)}
    return free_name(losing, None, taken) if (None, folded(losing)) in taken else losing
