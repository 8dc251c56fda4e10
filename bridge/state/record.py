"""What became of operations: journal them, fold the writes into the observations, store the agreements.

1. make way for what was made anew,  2. what each write changed on its side (``_folded``),  3. the links' ends,
4. the agreements,  5. journal and tallies,  6. untouch what is done, then touch what that concerns. One transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, select

from bridge.core.model import Action, Evidence, Fields, Operation, Side, Value
from bridge.ports import Done, chunks
from bridge.state import agreed, aliases, conflicts, drift, journal, touch
from bridge.state.apply import Change, Element, write
from bridge.state.canonical import NOTHING, as_set, decode, digest, encode, keys_of, shift
from bridge.state.claims import adopted_twice, make_way
from bridge.state.draft import Known, load
from bridge.state.fate import forget, retirements, untouch
from bridge.state.guardbook import count_written, hold, use_releases
from bridge.state.pairs import set_ends
from bridge.state.tables import echo, reference
from bridge.state.transaction import BATCH, LAG, MINE, SIDE, Transaction, among

_TARGETS = select(reference.c.anchor, reference.c.target).where(
    reference.c.school == MINE,
    reference.c.side == SIDE,
    reference.c.field == bindparam("field"),
    reference.c.anchor.in_(among("anchors")),
)

_FADED = delete(echo).where(echo.c.school == MINE, echo.c.until <= bindparam("now"))
_NO_ECHO = delete(echo).where(
    echo.c.school == MINE,
    echo.c.side == SIDE,
    echo.c.anchor == bindparam("of"),
    echo.c.field == bindparam("in_field"),
    echo.c.value == bindparam("to"),
)

_GONE = {Action.DELETE: Evidence.DELETED, Action.PURGE: Evidence.PURGED}
#: After these something is there that was not: the plan knows of no place that it had, but the state may.
_BRINGS = frozenset({Action.CREATE, Action.RESTORE})


def intend(tx: Transaction, operations: Sequence[Operation], *, cycle: str) -> None:
    """One row for the whole call: what is about to be sent, in case its answer never comes."""
    if not operations:
        return
    sent: dict[str, list[str]] = {}
    for one in operations:
        sent.setdefault(f"{one.action} {one.kind} {one.side}", []).append(one.link)
    journal.append(tx, [journal.Entry(action="intend", cycle=cycle, after=sent)])


def record(tx: Transaction, done: Sequence[Done], *, cycle: str) -> None:
    """Everything of a call, or nothing."""
    writes = [one for one in done if one.written is not None and one.operation.action.writes]
    make_way(tx, writes)
    disputed = adopted_twice(tx, writes)
    hold(tx, disputed.values(), cycle=cycle)
    settled = [one for one in done if one.operation.link not in disputed]
    presence: dict[Side, set[str]] = {side: set() for side in Side}
    people: dict[Side, set[str]] = {side: set() for side in Side}
    sets: set[str] = set()
    for side in Side:
        mine = [one for one in writes if one.operation.side is side and one.operation.link not in disputed]
        for wave in _waves(mine):
            changes = _fold(tx, side, wave)
            presence[side] |= {change.anchor for change in changes if change.presence}
            people[side] |= {one.anchor for one in changes if one.presence and tx.kinds[one.kind].parent is None}
            sets |= {change.anchor for change in changes if change.flattened and side is Side.SCHOOL}
    aliases.learn(tx, settled)
    conflicts.remember(tx, settled)
    agreed.store(tx, settled)
    drift.settle(tx, settled)
    retirements(tx, settled)
    journal.append(tx, [_entry(tx, one, cycle) for one in done])
    count_written(tx, settled)
    use_releases(tx, [one.operation.link for one in settled if one.operation.action.writes])
    untouch(tx, settled)
    for side in Side:
        touch.touch_referrers(tx, side, presence[side])
        touch.touch_across(tx, side, people[side])
    touch.touch_containers(tx, Side.SCHOOL, sets)
    forget(tx, [one for one in settled if one.operation.action is Action.FORGET])


def _waves(writes: Iterable[Done]) -> Iterable[list[Done]]:
    """Cut where an object repeats, so that the second write starts from what the first one left."""
    wave: dict[str, Done] = {}
    for one in writes:
        if one.operation.link in wave:
            yield list(wave.values())
            wave = {}
        wave[one.operation.link] = one
    if wave:
        yield list(wave.values())


# --- the side's record ----------------------------------------------------------------------------------------------


def _fold(tx: Transaction, side: Side, wave: Sequence[Done]) -> list[Change]:
    """Fold writes into the observations; what was before is what a lagging replica may still say."""
    anchors = {one.operation.link: _anchor(one) for one in wave}
    known = load(tx, side, (), anchors=sorted(anchors.values()))
    ends = touch.anchors_of(tx, side, _targets(tx, wave))
    targets = {of: anchor for of, anchor in ends.items() if anchor is not None}
    parents = _parents(tx, side, wave)
    changes = [
        _folded(tx, one, known=known.get(anchors[one.operation.link]), targets=targets, parents=parents) for one in wave
    ]
    write(tx, side, changes)
    _remember(tx, side, known=known, changes=changes)
    detached = {one.operation.link: None for one in wave if one.operation.action is Action.DETACH}
    created = {of: anchors[of] for one in wave if one.operation.action is Action.CREATE for of in [one.operation.link]}
    set_ends(tx, side, {**detached, **created})
    touch.touch_loose(tx, side, (anchors[of] for of in detached))
    touch.forget_loose(tx, side, created.values())
    return changes


def _anchor(one: Done) -> str:
    assert one.written is not None  # noqa: S101
    return one.written.anchor or one.operation.anchor or ""


def _targets(tx: Transaction, wave: Sequence[Done]) -> set[str]:
    """The links that the writes' references name."""
    named: set[str] = set()
    for one in wave:
        for column in tx.kinds[one.operation.kind].references:
            if column.name in one.operation.after:
                before = as_set(one.operation.before.get(column.name))
                named |= before ^ as_set(one.operation.after[column.name])
    return named


def _parents(tx: Transaction, side: Side, wave: Sequence[Done]) -> dict[str, str]:
    """Anchor -> the stored parent's, of tree records that these writes leave where they are, or bring back."""
    staying: dict[str, list[str]] = {}
    for one in wave:
        parent = tx.kinds[one.operation.kind].parent
        if parent is not None and (parent not in one.operation.after or one.operation.action in _BRINGS):
            staying.setdefault(parent, []).append(_anchor(one))
    found: dict[str, str] = {}
    for field, anchors in staying.items():
        for batch in chunks(sorted(anchors), BATCH):
            found.update({row[0]: row[1] for row in tx.rows(_TARGETS, of_side=side, field=field, anchors=batch)})
    return found


def _folded(
    tx: Transaction, one: Done, *, known: Known | None, targets: Mapping[str, str], parents: Mapping[str, str]
) -> Change:
    operation, written = one.operation, one.written
    assert written is not None  # noqa: S101
    kind = tx.kinds[operation.kind]
    after = {name: value for name, value in operation.after.items() if name not in written.refused}
    if operation.action is Action.DISABLE and kind.switch is not None:
        after.setdefault(kind.switch, False)
    names = {column.name for column in kind.references}
    strange = {column.name for column in kind.fields if column.where.value == operation.side.other.value}
    old = decode(known.fields) if known is not None else {}
    plain: dict[str, Value] = {**old, **{name: value for name, value in after.items() if name not in names | strange}}
    added, removed = _moves(one, names & set(after), targets)
    parent, stored = {target for name, target in added if name == kind.parent}, parents.get(_anchor(one))
    if kind.parent in after and stored is not None:
        # What is deleted keeps its place in the state: the plan, in which it was not there, knows nothing of it.
        if parent == {stored}:
            added.discard((kind.parent, stored))
        else:
            removed.add((kind.parent, stored))
        stored = None
    gone = _GONE.get(operation.action)
    before = known.gone if known is not None else Evidence.MISSING
    return Change(
        anchor=_anchor(one),
        kind=operation.kind,
        version=written.version,
        fields=encode(plain),
        refs=shift(known.refs if known is not None else NOTHING, added=added, removed=removed),
        role=str(plain.get(kind.role) or "") if kind.role else "",
        gone=gone,
        written_until=tx.now + LAG,
        # What was not believed of another field or element is still to be looked at: this write says nothing of it.
        doubt_until=known.doubt_until if known is not None and gone is None else None,
        changed_at=known.changed_at if known is not None else None,
        added=frozenset(added),
        removed=frozenset(removed),
        # Who stays has the place below the stored parent.
        keys=keys_of(kind, plain, parent=min(parent, default=stored)),
        old_keys=keys_of(kind, old) if kind.parent is None else {},
        presence=before != gone or operation.action is Action.DETACH,
        flattened=any(column.flatten and column.name in after for column in kind.references),
        ours=True,
    )


def _moves(one: Done, names: Iterable[str], targets: Mapping[str, str]) -> tuple[set[Element], set[Element]]:
    """References that the write added and removed, as anchors, less what the side did not take."""
    operation, written = one.operation, one.written
    assert written is not None  # noqa: S101
    added: set[Element] = set()
    removed: set[Element] = set()
    for name in names:
        before, after = as_set(operation.before.get(name)), as_set(operation.after[name])
        left_out = written.unknown.get(name, frozenset()) | agreed.refused_elements(written, name)
        come = {targets[target] for target in after - before if target in targets and target not in left_out}
        go = {targets[target] for target in before - after if target in targets and target not in left_out}
        added |= {(name, anchor) for anchor in come - left_out}
        removed |= {(name, anchor) for anchor in go - left_out}
    return added, removed


def _remember(tx: Transaction, side: Side, *, known: Mapping[str, Known], changes: Sequence[Change]) -> None:
    """The states before the writes and the removed elements: what a replica that lags would show."""
    until = tx.now + LAG
    tx.run(_FADED, now=tx.now)
    rows: list[dict[str, Any]] = []
    for change in changes:
        before = known.get(change.anchor)
        if before is not None and _state(before) != _state(change):
            rows.append({"side": side, "anchor": change.anchor, "field": "", "value": _state(before), "until": until})
        for name, target in change.removed:
            rows.append({"side": side, "anchor": change.anchor, "field": name, "value": target, "until": until})
    tx.put(echo, rows)
    # What we write now is no echo of an earlier write any more: elements put back, a state returned to.
    tx.each(
        _NO_ECHO,
        (
            {"of_side": side, "of": change.anchor, "in_field": name, "to": value}
            for change in changes
            if (before := known.get(change.anchor)) is not None
            for name, value in before.echoes & {*change.added, ("", _state(change))}
        ),
    )


def _state(one: Known | Change) -> str:
    return digest(kind=one.kind, fields=one.fields, refs=one.refs, gone=one.gone)


# --- the journal ----------------------------------------------------------------------------------------------------


def _entry(tx: Transaction, one: Done, cycle: str) -> journal.Entry:
    operation, written = one.operation, one.written
    before, after = difference(operation.before, operation.after)
    outcome = "agreed" if written is None else "adopted" if written.adopted else "written"
    return journal.Entry(
        action=operation.action,
        cycle=cycle,
        side=operation.side,
        kind=operation.kind,
        link=operation.link,
        anchor=written.anchor if written is not None else operation.anchor or "",
        reason=operation.reason,
        before=before,
        after={
            **after,
            **_receipt(operation),
            **({"refused": dict(written.refused)} if written is not None and written.refused else {}),
        },
        outcome=f"{outcome}: {one.note}" if one.note else outcome,
    )


def _receipt(operation: Operation) -> dict[str, Any]:
    """Of a step of a retirement: the period that was over, and whose it was."""
    return {"rule": operation.rule, "role": operation.role} if operation.rule else {}


def difference(before: Fields, after: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, sets by their elements: a member more in a group of 5,000 is one element in the journal."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if isinstance(was, frozenset) or isinstance(now, frozenset):
            was, now = as_set(was), as_set(now)
            old[name], new[name] = sorted(was - now), sorted(now - was)
        else:
            old[name], new[name] = _shown(was), _shown(now)
    return old, new


def _shown(value: Value) -> Any:
    return value if value is None or isinstance(value, str | int | bool) else str(value)
