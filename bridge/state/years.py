"""The part of the store that the school year needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.core.freeze import Phase
from bridge.core.model import Fields
from bridge.core.year import Year
from bridge.ports.years import OpenYear, Settlement
from bridge.state import roster, year, year_seen, year_undo
from bridge.state.part import Part


class Years(Part):
    """Mixed into the store of a school, which gives the transactions."""

    def year_phase(self) -> Phase:
        """Where the school year stands."""
        with self._read() as tx:
            return year.phase(tx)

    def year(self) -> OpenYear | None:
        """The year that is open or applied, with what the school was like before."""
        with self._read() as tx:
            return year.current(tx)

    def year_now(self) -> Year:
        """The school's side as a year; ids of groups are their anchors."""
        with self._read() as tx:
            return year_seen.now(tx)

    def year_agreed(self) -> Year:
        """What both sides last agreed on as a year; ids of groups are their links."""
        with self._read() as tx:
            return year_seen.agreed(tx)

    def year_people(self) -> tuple[Mapping[str, tuple[str, Fields]], frozenset[str]]:
        """Source anchor -> (anchor, fields) of people at the school who are there; every login that was ever seen."""
        with self._read() as tx:
            return year_seen.people(tx)

    def year_logins(self) -> Mapping[str, str]:
        """Name -> login of the school's groups that are there."""
        with self._read() as tx:
            return year_seen.logins(tx)

    def year_archived(self) -> Sequence[tuple[str, str, str]]:
        """Archived groups that are still there: (anchor in the cloud, name that was agreed, name that it shows)."""
        with self._read() as tx:
            return year.archived(tx)

    def elsewhere(self) -> Mapping[str, tuple[str, ...]]:
        """Source anchor -> other schools of the same state where somebody is, too."""
        with self._read() as tx:
            return year_seen.elsewhere(tx)

    def open_year(self, id: str, *, actor: str, reason: str) -> None:  # noqa: A002
        """Remember who is in which class and freeze; ConfigurationError when a year is open already."""
        with self._write() as tx:
            year.open_(tx, id, actor=actor, reason=reason)

    def apply_year(self, id: str, settlement: Settlement, *, actor: str, reason: str) -> None:  # noqa: A002
        """Settle which class is which, as one operation; ConfigurationError when something stands against it."""
        with self._write() as tx:
            year.apply(tx, id, settlement, actor=actor, reason=reason)

    def undo_year(self, *, actor: str, reason: str) -> str:
        """Take back what apply did, all or nothing; returns its id. ConfigurationError says what is in the way."""
        with self._write() as tx:
            return year_undo.undo(tx, actor=actor, reason=reason)

    def close_year(self, *, actor: str, reason: str) -> None:
        """Nothing is frozen any more, and nothing can be undone."""
        with self._write() as tx:
            if not roster.close(tx, actor=actor, reason=reason) or year.row(tx) is not None:
                year.close(tx, actor=actor, reason=reason)
