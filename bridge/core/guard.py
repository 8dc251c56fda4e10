"""Refuse what is too much, with numbers in the message; hold only the suspicious part.

Operations are counted per side, kind, role and tally, together with what was done in the policy's window and what is
held already, so that a wave that comes in drops is still a wave. Above the threshold the whole cell is held; all other
cells go on. Links that a person released by name pass and are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.core.freeze import frozen
from bridge.core.kinds import Kind, Shape
from bridge.core.model import Action, Evidence, Hold, Operation, Side
from bridge.core.policy import Policy, Tally
from bridge.core.recovery import kept

#: (side, kind, role, tally)
Cell = tuple[str, str, str, str]

_BY_ACTION: Mapping[Action, Tally] = {
    Action.CREATE: Tally.CREATE,
    Action.UPDATE: Tally.UPDATE,
    Action.DISABLE: Tally.DISABLE,
    Action.DELETE: Tally.DELETE,
    Action.PURGE: Tally.DELETE,
    Action.RETIRE: Tally.DELETE,
    Action.RESTORE: Tally.RESTORE,
    Action.DETACH: Tally.RENAME,
}


def tally_of(operation: Operation, kind: Kind) -> Mapping[str, int]:
    """What an operation counts for: tally -> number of objects. Agreements count for nothing."""
    main = _BY_ACTION.get(operation.action)
    if main is None or (operation.action is Action.RETIRE and Action.DISABLE in kind.retire):
        # Where a retirement begins with disabling, that step is counted; its mark in the state counts for nothing.
        return {}
    counted = {main.value: 1}
    if operation.action is not Action.UPDATE:
        return counted
    if kind.switch and operation.before.get(kind.switch) is True and operation.after.get(kind.switch) is False:
        counted = {Tally.DISABLE.value: 1}
    if any(kind.field(name).rename for name in operation.after):
        counted[Tally.RENAME.value] = 1
    removed = sum(
        len(_elements(operation.before.get(column.name)) - _elements(operation.after.get(column.name)))
        for column in kind.shaped(Shape.REFS)
        if column.name in operation.after
    )
    if removed:
        counted[Tally.MEMBER_REMOVAL.value] = removed
    return counted


def _elements(value: object) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


def cells_of(operation: Operation, kind: Kind) -> Mapping[Cell, int]:
    """The guard's cells that an operation counts in."""
    return {
        (operation.side.value, operation.kind, operation.role, tally): number
        for tally, number in tally_of(operation, kind).items()
    }


@dataclass(frozen=True, slots=True)
class Excess:
    """A cell that is over its threshold."""

    cell: Cell
    wanted: int
    earlier: int
    limit: int
    population: int

    @property
    def rule(self) -> str:
        """Short and stable; begins with ``guard:``."""
        return f"guard:{self.cell[3]}"

    def message(self, school: str) -> str:
        """What a person reads."""
        side, kind, role, tally = self.cell
        whom = f"{kind} records" + (f" of role {role}" if role else "")
        before = f" ({self.earlier} more were done or held recently)" if self.earlier else ""
        return (
            f"{school}: {self.wanted} × {tally.replace('_', ' ')} of {whom} wanted in the {side}{before}, "
            f"{self.limit} allowed for a population of {self.population}. Nothing of this was done. If it is right, "
            f"release it: schoolbridge release {school} --all {kind}:{tally} --reason '...'; "
            f"if not, repair the other side."
        )


@dataclass(slots=True)
class Guard:
    """Counts one plan, then lets through or holds each of its operations.

    ``earlier`` are numbers done in the window or held now, ``population`` the linked records per (side, kind, role).
    ``empty`` are sides of which nothing at all is left of what was known: no removal is planned from there.
    """

    school: str
    policy: Policy
    kinds: Mapping[str, Kind]
    population: Mapping[tuple[str, str, str], int]
    earlier: Mapping[Cell, int]
    released: frozenset[str] = frozenset()
    empty: frozenset[Side] = frozenset()
    _wanted: Counter[Cell] | None = None
    _excess: dict[Cell, Excess] | None = None

    def count(self, operations: Iterable[Operation]) -> None:
        """Add operations to the count; all of a plan must be counted before the first is judged."""
        if self._wanted is None:
            self._wanted = Counter()
        for operation in operations:
            if operation.link not in self.released:
                self._wanted.update(cells_of(operation, self.kinds[operation.kind]))

    def crowded(self) -> bool:
        """Whether anything counted is more than passes whatever the population: only then it has to be known."""
        for (side, kind, role, tally), wanted in (self._wanted or Counter()).items():
            threshold = self.policy.threshold(Side(side), kind, role, Tally(tally))
            number = wanted + self.earlier.get((side, kind, role, tally), 0)
            if threshold.limit(0) is not None and number > (threshold.count or 0):
                return True
        return False

    def excesses(self) -> Mapping[Cell, Excess]:
        """The cells that are over their threshold."""
        if self._excess is None:
            self._excess = {}
            for cell, wanted in (self._wanted or Counter()).items():
                side, kind, role, tally = cell
                population = self._population(side, kind, role, tally)
                limit = self.policy.threshold(Side(side), kind, role, Tally(tally)).limit(population)
                earlier = self.earlier.get(cell, 0)
                if limit is not None and wanted + earlier > limit:
                    self._excess[cell] = Excess(cell, wanted, earlier, limit, population)
        return self._excess

    def _population(self, side: str, kind: str, role: str, tally: str) -> int:
        return self.population.get((side, kind, role), 0)

    def judge(self, operation: Operation) -> Hold | None:
        """None when the operation may be carried out, else why not."""
        if operation.side not in self.policy.writable and operation.action not in {Action.AGREE, Action.FORGET}:
            return Hold(
                operation, "stage", f"{self.school}: stage {self.policy.stage} writes nothing to the {operation.side}"
            )
        if operation.link in self.released:
            return None
        if (waits := frozen(operation, self.policy.year, school=self.school)) is not None:
            return waits
        cells = cells_of(operation, self.kinds[operation.kind])
        if (
            waits := kept(operation, {tally for *_, tally in cells}, self.policy.recovery, school=self.school)
        ) is not None:
            return waits
        # The last file of a home may go like any other: a root proves what it is, and the thresholds count besides.
        proven = bool(self.kinds[operation.kind].parent) and operation.evidence in {Evidence.DELETED, Evidence.PURGED}
        if operation.action.removes and operation.side.other in self.empty and not proven:
            return Hold(operation, "guard:empty", self._emptied(operation.side.other))
        if operation.action.removes and operation.evidence is Evidence.MISSING:
            return Hold(operation, "guard:missing", self._missing(operation))
        for cell in cells:
            excess = self.excesses().get(cell)
            if excess is not None:
                return Hold(operation, excess.rule, excess.message(self.school))
        return None

    def _emptied(self, side: Side) -> str:
        return (
            f"{self.school}: the {side} shows none of the records it had before. No removal follows from that. "
            f"Check that it is the right server and that the bridge may read it."
        )

    def _missing(self, operation: Operation) -> str:
        return (
            f"{self.school}: {operation.kind} {operation.link} is not in the complete listing of the "
            f"{operation.side.other}, but no deletion record says that it was deleted. Expected: a deletion record. "
            f"Kept as it is. If it is really gone: schoolbridge release {self.school} {operation.link} --reason '...'."
        )
