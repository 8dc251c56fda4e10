"""The part of the store that carrying out a roster needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bridge.core.guard import Cell
from bridge.core.year_steps import Step
from bridge.ports.years import RosterApply
from bridge.state import roster
from bridge.state.part import Part


class Rosters(Part):
    """Mixed into the store of a school, which gives the transactions."""

    def brought(self) -> frozenset[str]:
        """Source anchors of everybody whom a roster ever brought."""
        with self._read() as tx:
            return roster.brought(tx)

    def roster(self) -> RosterApply | None:
        """The last roster that was carried out at the school, with its steps."""
        with self._read() as tx:
            return roster.current(tx)

    def roster_ends(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Source anchor of a person -> link, anchor of a group at the school -> link."""
        with self._read() as tx:
            return roster.ends(tx)

    def begin_roster(
        self,
        id: str,  # noqa: A002
        steps: Sequence[Step],
        *,
        told: Iterable[str],
        approved: Mapping[Cell, int],
        actor: str,
        reason: str,
    ) -> None:
        """Remember what is about to be written at the school, and whom the roster brought (``told``)."""
        with self._write() as tx:
            roster.begin(tx, id, steps, told=told, approved=approved, actor=actor, reason=reason)

    def remember_roster(self, told: Iterable[str]) -> None:
        """Remember whom a roster brought that has nothing to be written."""
        with self._write() as tx:
            roster.remember(tx, told, tx.now)

    def adopt_roster(self) -> None:
        """What was made before a crash and was seen since goes on under the link that it has."""
        with self._write() as tx:
            roster.adopted(tx)

    def end_roster(self, phase: str, *, failed: int, actor: str, reason: str) -> None:
        """Note how far it came, and let what was changed pass the guard in the cloud once."""
        with self._write() as tx:
            roster.end(tx, phase, failed=failed, actor=actor, reason=reason)
