"""What a school's stage allows, as a value. The engine receives a policy and never asks which stage it is.

The table of stages is in ``cutover.py``; a school's YAML adds thresholds and periods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from enum import StrEnum

from bridge.core.cutover import STAGES, Power, Stage
from bridge.core.freeze import Phase
from bridge.core.kinds import Authority, Field, Kind
from bridge.core.model import Side
from bridge.core.recovery import Recovery


class Tally(StrEnum):
    """What the guard counts."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    DELETE = "delete"
    RESTORE = "restore"
    RENAME = "rename"
    MEMBER_REMOVAL = "member_removal"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Up to ``count`` objects pass whatever the share; beyond that, up to ``percent`` of the population pass.

    None means no limit of that sort: ``Threshold(10, None)`` lets ten pass, ``Threshold(None, None)`` everything.
    """

    count: int | None = None
    percent: float | None = None

    def limit(self, population: int) -> int | None:
        """The largest number that passes for a population, None for any number."""
        share = None if self.percent is None else int(population * self.percent / 100)
        known = [bound for bound in (self.count, share) if bound is not None]
        return max(known) if known else None


UNLIMITED = Threshold()

#: Thresholds where the YAML says nothing. Creations and plain updates are unbounded: they destroy nothing.
DEFAULT_THRESHOLDS: Mapping[Tally, Threshold] = {
    Tally.CREATE: UNLIMITED,
    Tally.UPDATE: UNLIMITED,
    Tally.RESTORE: Threshold(20, 5),
    Tally.RENAME: Threshold(20, 10),
    Tally.DISABLE: Threshold(10, 5),
    Tally.DELETE: Threshold(10, 5),
    Tally.MEMBER_REMOVAL: Threshold(150),
}

#: The same for files and folders, per root: people delete and rename dozens of them on purpose, and whatever goes can
#: be brought back from a trash. What empties a home of more than that, or renames all of it, is held.
TREE_THRESHOLDS: Mapping[Tally, Threshold] = {
    Tally.DELETE: Threshold(50, 25),
    Tally.RENAME: Threshold(200, 25),
    Tally.RESTORE: Threshold(200, 25),
}
#: People and groups that come into being at the school: a rule that claims too much must not fill a directory.
SCHOOL_THRESHOLDS: Mapping[Tally, Threshold] = {Tally.CREATE: Threshold(50, 25)}
_TREES = frozenset({"folder", "file"})

#: How long each step of ``Kind.retire`` waits after the one before it was really done, the first after the start.
DEFAULT_PERIODS: Mapping[str, tuple[timedelta, ...]] = {
    "user": (timedelta(0), timedelta(days=30), timedelta(days=30)),
    "group": (timedelta(days=30), timedelta(days=30)),
    "folder": (timedelta(0),),
    "file": (timedelta(0),),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything reconcile and guard need to know of a school's will.

    ``writable``: sides that may be written. ``authority``: whose value counts for people's fields in this stage.
    ``owners``: exceptions by (kind, field), the field ``*`` meaning existence. ``thresholds`` and ``periods`` are
    looked up by (side, kind, role, tally) and (kind, role), ``*`` standing for any side, kind or role.
    ``holding`` are (kind, field) of which a change on the side that does not own it waits for a person instead of being
    put right, the field ``*`` standing for all.
    ``window`` is how far back the guard counts what was done already. ``pause`` is how long nothing more may vanish
    from a side before what vanished there is retired on the other: a wave is seen as a whole before it is judged.
    ``zone`` is where the school's clocks hang: times that people read in names of files are told in it.
    ``purges`` are sides that keep what was soft-deleted until the bridge purges it; others do that by themselves.
    ``year`` is where the school year stands: while it is open nothing is retired.
    ``recovery`` is how far the school is after its state was put back from a backup: nothing is removed meanwhile.
    """

    stage: Stage
    writable: frozenset[Side]
    authority: Authority
    owners: Mapping[tuple[str, str], Authority] = field(default_factory=dict)
    thresholds: Mapping[tuple[str, str, str, Tally], Threshold] = field(default_factory=dict)
    periods: Mapping[tuple[str, str], tuple[timedelta, ...]] = field(default_factory=dict)
    holding: frozenset[tuple[str, str]] = frozenset()
    window: timedelta = timedelta(hours=24)
    pause: timedelta = timedelta(0)
    zone: tzinfo = UTC
    purges: frozenset[Side] = frozenset()
    year: Phase = Phase.CLOSED
    recovery: Recovery = Recovery.OVER

    def owner(self, kind: Kind, column: Field) -> Authority:
        """Whose value of a field counts: the YAML's exception, else the kind's, turned round once cut over."""
        exception = self.owners.get((kind.name, column.name))
        return exception or self._turned(column.authority)

    def holds_drift(self, kind: Kind, column: Field) -> bool:
        """Whether a change of a field on the side that does not own it waits for a person."""
        return bool(self.holding & {(kind.name, column.name), (kind.name, "*")})

    def existence(self, kind: Kind) -> Authority:
        """Which side decides that a record of this kind exists."""
        return self.owners.get((kind.name, "*")) or self._turned(kind.existence)

    def _turned(self, authority: Authority) -> Authority:
        return self.authority if authority is Authority.SCHOOL else authority

    def may_remove(self, side: Side) -> bool:
        """Whether what a person decided may be removed from a side."""
        return side in self.writable and self.recovery is Recovery.OVER

    def threshold(self, side: Side, kind: str, role: str, tally: Tally) -> Threshold:
        """The threshold that fits best: the most specific entry wins, then the default."""
        for key in (
            (side.value, kind, role, tally),
            ("*", kind, role, tally),
            (side.value, kind, "*", tally),
            ("*", kind, "*", tally),
            ("*", "*", "*", tally),
        ):
            found = self.thresholds.get(key)
            if found is not None:
                return found
        if kind in _TREES and tally in TREE_THRESHOLDS:
            return TREE_THRESHOLDS[tally]
        if kind not in _TREES and side is Side.SCHOOL and tally in SCHOOL_THRESHOLDS:
            return SCHOOL_THRESHOLDS[tally]
        return DEFAULT_THRESHOLDS[tally]

    def period(self, kind: Kind, role: str) -> tuple[timedelta, ...]:
        """How long each step of a retirement waits after the one before; as many as ``kind.retire`` has steps."""
        return self.periods.get((kind.name, role)) or self.periods.get((kind.name, "*")) or DEFAULT_PERIODS[kind.name]


def policy_for(
    stage: Stage,
    *,
    owners: Mapping[tuple[str, str], Authority] | None = None,
    thresholds: Mapping[tuple[str, str, str, Tally], Threshold] | None = None,
    periods: Mapping[tuple[str, str], tuple[timedelta, ...]] | None = None,
) -> Policy:
    """The policy of a school in ``stage`` with what its YAML adds."""
    row = STAGES[stage]
    writable = {
        Power.NOBODY: frozenset[Side](),
        Power.BOTH: frozenset(Side),
        Power.CLOUD: frozenset({Side.CLOUD}),
    }[row.power]
    return Policy(
        stage=stage,
        writable=writable,
        authority=row.authority,
        owners=dict(owners or {}),
        thresholds=dict(thresholds or {}),
        periods=dict(periods or {}),
    )
