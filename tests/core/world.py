"""Two sides and a bridge between them, as a pure simulation: core decides, nothing else of the bridge takes part.

``World.cycle`` is what the engine does, in its simplest form: look at both sides, correlate, reconcile, carry out,
agree. It may be cut off after any operation, also between a write and its agreement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bridge.core.correlate import PLACE, Found, Match, Verdict, correlate, keys_of
from bridge.core.kinds import KINDS, Kind, Shape, Where
from bridge.core.model import Action, Endpoint, Evidence, Fields, Link, Operation, Record, Side, Taken, Value
from bridge.core.policy import Policy
from bridge.core.reconcile import Reconciled, reconcile
from bridge.core.settle import folded
from connectors.memory import MemorySide, Rejected

TERM = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)


class Crash(Exception):
    """The bridge was killed."""


@dataclass(slots=True)
class Tie:
    """A row of the simulated state: a link."""

    id: str
    kind: str
    anchors: dict[Side, str | None]
    agreed: Fields | None = None
    retired_at: datetime | None = None
    taken: Taken | None = None


@dataclass(slots=True)
class World:
    """Both sides, what was agreed, and the time."""

    policy: Policy
    school: MemorySide = field(default_factory=lambda: MemorySide("s"))
    cloud: MemorySide = field(default_factory=lambda: MemorySide("c"))
    ties: dict[str, Tie] = field(default_factory=dict)
    now: datetime = TERM
    made: int = 0
    failures: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    def side(self, side: Side) -> MemorySide:
        return self.school if side is Side.SCHOOL else self.cloud

    # --- the cycle --------------------------------------------------------------------------------------------------

    def plan(self) -> Reconciled:
        """What a cycle would do now."""
        self._pair()
        return reconcile(
            [link for link in self.links() if link.id not in self.held],
            kinds=KINDS,
            policy=self.policy,
            now=self.now,
            anchored=lambda link, side: self._lives(link, side),
        )

    def cycle(self, *, cut: int | None = None, unheard: bool = False) -> list[Operation]:
        """Plan and carry out; with ``cut`` raise Crash after so many, ``unheard`` before the last agreement."""
        operations = self.plan().operations
        failed: set[str] = set()
        for number, operation in enumerate(operations):
            if cut is not None and number >= cut:
                raise Crash
            if operation.link in failed:
                continue
            last = cut is not None and number == cut - 1
            if not self._carry_out(operation, recorded=not (last and unheard)):
                failed.add(operation.link)
        return operations

    def settle(self, *, within: int = 12) -> None:
        """Cycles until a plan is empty; AssertionError when that takes too long."""
        for _ in range(within):
            operations = self.cycle()
            if not operations:
                return
            self.now += timedelta(seconds=1)
        shown = "\n".join(f"  {one.action} {one.kind} {one.link} {one.side}: {dict(one.after)}" for one in operations)
        raise AssertionError(
            f"not quiet after {within} cycles; the last plan was\n{shown}\nfailures {self.failures[-5:]}"
        )

    # --- link space -------------------------------------------------------------------------------------------------

    def links(self) -> list[Link]:
        back = {(side, anchor): tie.id for tie in self.ties.values() for side, anchor in tie.anchors.items() if anchor}
        return [
            Link(
                tie.id,
                tie.kind,
                self._end(tie, Side.SCHOOL, back),
                self._end(tie, Side.CLOUD, back),
                tie.agreed,
                tie.retired_at,
                taken=tie.taken,
            )
            for tie in self.ties.values()
        ]

    def _end(self, tie: Tie, side: Side, back: dict[tuple[Side, str], str]) -> Endpoint:
        anchor = tie.anchors[side]
        if anchor is None:
            return Endpoint()
        record = self.side(side).record(anchor)
        if record is None:
            state = self.side(side).state(anchor)
            return Endpoint(anchor, None, Evidence(state.value) if state else Evidence.MISSING)
        return Endpoint(anchor, replace(record, fields=_linked(record, side, back)))

    def _lives(self, link: str, side: Side) -> bool:
        tie = self.ties.get(link)
        anchor = tie.anchors[side] if tie else None
        return anchor is not None and self.side(side).record(anchor) is not None

    # --- correlate --------------------------------------------------------------------------------------------------

    def _pair(self) -> None:
        self.held = set()
        for kind in sorted(KINDS.values(), key=lambda one: one.rank):
            # A folder that was just paired makes room for those in it.
            while self._pair_once(kind):
                pass

    def _pair_once(self, kind: Kind) -> bool:
        tied = {(side, anchor): tie for tie in self.ties.values() for side, anchor in tie.anchors.items() if anchor}
        for side in Side:
            for record in self.side(side).records(kind.name):
                tie = tied.get((side, record.anchor))
                if tie is not None and (tie.agreed is not None or self._lives(tie.id, side.other)):
                    continue
                verdict = self._verdict(kind, side, record, tied)
                if verdict.match is Match.LINKED:
                    self._join(kind, side, record, verdict.anchors[0], tied)
                    return True
                if tie is None:
                    self._tie(kind, {side: record.anchor, side.other: None})
                    return True
                if verdict.match is not Match.UNMATCHED:
                    self.held.add(tie.id)
        return False

    def _join(self, kind: Kind, side: Side, record: Record, anchor: str, tied: dict[tuple[Side, str], Tie]) -> None:
        tie, other = tied.get((side, record.anchor)), tied.get((side.other, anchor))
        if other is not None and other is not tie:
            other.anchors[side] = record.anchor
            if tie is not None:
                del self.ties[tie.id]
        elif tie is not None:
            tie.anchors[side.other] = anchor
        else:
            self._tie(kind, {side: record.anchor, side.other: anchor})

    def _tie(self, kind: Kind, anchors: dict[Side, str | None]) -> None:
        self.made += 1
        link = f"{kind.name[0]}{self.made:03}"
        self.ties[link] = Tie(link, kind.name, anchors)

    def _verdict(self, kind: Kind, side: Side, record: Record, tied: dict[tuple[Side, str], Tie]) -> Verdict:
        found: dict[str, list[Found]] = defaultdict(list)
        keys = self._keys(kind, side, record, tied)
        for key, value in keys.items():
            for candidate in self.side(side.other).records(kind.name):
                if self._keys(kind, side.other, candidate, tied).get(key) == value:
                    tie = tied.get((side.other, candidate.anchor))
                    found[key].append(Found(candidate.anchor, tie is not None and self._lives(tie.id, side)))
        strongest = next(iter(keys_of(kind)))
        claims = [one for one in self.side(side).records(kind.name) if one.fields.get(strongest) == keys.get(strongest)]
        if strongest in keys and len(claims) > 1:
            # Two on one side with the same key: whoever of them is right, the other must not get his account.
            return Verdict(Match.DISPUTED, strongest)
        return correlate(kind, found)

    def _keys(self, kind: Kind, side: Side, record: Record, tied: dict[tuple[Side, str], Tie]) -> dict[str, str]:
        if not kind.parent:
            return {key: folded(record.fields[key]) for key in kind.keys if record.fields.get(key)}
        parent = record.fields.get(kind.parent)
        above = tied.get((side, str(parent))) if parent else None
        if parent and above is None:
            return {}
        return {PLACE: f"{above.id if above else ''}\0{folded(record.fields.get(kind.label))}"}

    # --- execute ----------------------------------------------------------------------------------------------------

    def _carry_out(self, operation: Operation, *, recorded: bool) -> bool:
        """True when it was done; a side's refusal is remembered and spoils nothing else."""
        written = operation.anchor
        if operation.action.writes:
            try:
                operation, written = self._write(operation)
            except Rejected as refusal:
                self.failures.append(f"{operation.action} {operation.kind} {operation.link}: {refusal}")
                return False
        if not recorded:
            raise Crash
        tie = self.ties[operation.link]
        if operation.action is Action.FORGET:
            del self.ties[operation.link]
        elif operation.action is Action.DETACH:
            tie.anchors[operation.side] = None
            tie.agreed = operation.agree or None
        else:
            tie.agreed = operation.agree or None  # an empty agreement is none
            self._retired(tie, operation)
            if operation.action.writes:
                tie.anchors[operation.side] = written
        return True

    def _retired(self, tie: Tie, operation: Operation) -> None:
        steps = {Action.DISABLE, Action.DELETE, Action.PURGE}
        if operation.action is Action.RETIRE:
            tie.retired_at = tie.retired_at or self.now
            step = Action(str(operation.after.get("step") or Action.RETIRE))
            tie.taken = Taken(step, self.now, operation.side)
        elif operation.action in steps and len(KINDS[operation.kind].retire) > 1:
            tie.taken = Taken(operation.action, self.now, operation.side)
        elif operation.action not in steps:
            tie.retired_at, tie.taken = None, None

    def _write(self, operation: Operation) -> tuple[Operation, str]:
        kind, side = KINDS[operation.kind], self.side(operation.side)
        values, operation = self._anchored(operation, kind)
        if operation.action is Action.CREATE:
            key = operation.agree.get(kind.keys[0]) if kind.keys else None
            there = side.named(kind.name, kind.keys[0], key) if key else None
            if there is not None:
                side.change(there, values)
                return operation, there
            return operation, side.create(kind.name, values)
        anchor = operation.anchor or ""
        if operation.action is Action.RESTORE:
            side.restore(anchor, values)
        elif operation.action is Action.DELETE:
            side.delete(anchor)
        elif values:
            side.change(anchor, values)
        return operation, anchor

    def _anchored(self, operation: Operation, kind: Kind) -> tuple[dict[str, Value], Operation]:
        values, agree = dict(operation.after), dict(operation.agree)
        record = self.side(operation.side).record(operation.anchor or "")
        for column in kind.references:
            if column.name not in values:
                continue
            value = values[column.name]
            if column.shape is Shape.REF:
                if value and not self._lives(str(value), operation.side):
                    raise Rejected("invalid", f"the parent {value} is not there")
                values[column.name] = self.ties[str(value)].anchors[operation.side] if value else None
                continue
            wanted, before = _set(value), _set(operation.before.get(column.name))
            missing = frozenset(link for link in wanted - before if not self._lives(link, operation.side))
            agree[column.name] = _set(agree.get(column.name)) - missing
            add = {self.ties[link].anchors[operation.side] for link in wanted - before - missing}
            drop = {self.ties[link].anchors[operation.side] for link in before - wanted if link in self.ties}
            now = _set(record.fields.get(column.name)) if record else frozenset()
            values[column.name] = frozenset(one for one in (now | add) - drop if one)
        return values, replace(operation, agree=agree)

    # --- what is there ----------------------------------------------------------------------------------------------

    def tree(self, side: Side) -> dict[str, Value]:
        """Path -> content (None for a folder)."""
        store = self.side(side)

        def path(record: Record) -> str:
            parent = record.fields.get("parent")
            above = store.record(str(parent)) if parent else None
            return (path(above) if above else "") + "/" + str(record.fields["name"])

        return {
            path(record): record.fields.get("content") for kind in ("folder", "file") for record in store.records(kind)
        }

    def contents(self, side: Side) -> set[Value]:
        """All contents of files on a side."""
        return {record.fields["content"] for record in self.side(side).records("file") if "content" in record.fields}

    def people(self, side: Side) -> dict[str, Fields]:
        """Source anchor -> compared fields, references as source anchors."""
        store = self.side(side)
        return {
            str(record.fields.get("source_anchor")): {
                column.name: _named(store, record.fields.get(column.name))
                for column in KINDS[kind].compared
                if column.where is Where.BOTH
            }
            for kind in ("user", "group")
            for record in store.records(kind)
        }


def _named(side: MemorySide, value: Value) -> Value:
    if not isinstance(value, frozenset):
        return value
    names = set()
    for one in value:
        record = side.record(one)
        names.add(str(record.fields.get("source_anchor")) if record else one)
    return frozenset(names)


def _linked(record: Record, side: Side, back: dict[tuple[Side, str], str]) -> dict[str, Value]:
    fields = dict(record.fields)
    for column in KINDS[record.kind].references:
        value = fields.get(column.name)
        if isinstance(value, frozenset):
            fields[column.name] = frozenset(back[side, one] for one in value if (side, one) in back)
        elif isinstance(value, str):
            fields[column.name] = back.get((side, value))
    return fields


def _set(value: Value) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


def fresh(contents: Iterable[Value], round_: int) -> set[Value]:
    """Contents that people wrote in a round."""
    return {one for one in contents if getattr(one, "algorithm", "") == f"round{round_}"}
