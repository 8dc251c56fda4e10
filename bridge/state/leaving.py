"""Who is on the way out, and who is held on it: what the store tells and notes of leavers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_, select

from bridge.state import holds
from bridge.state.part import Part
from bridge.state.tables import hold, link, trouble

_REMOVALS = ("disable", "retire", "delete", "purge")


class Leaving(Part):
    """The part of the store that speaks of leavers."""

    def leaving(self) -> Sequence[str]:
        """Links of people and groups that are being retired, whose removal is held, or on whom a hold stands."""
        with self._read() as tx:
            kinds = [kind.name for kind in tx.kinds.values() if kind.role]
            mine = (link.c.school == tx.school) & link.c.kind.in_(kinds)
            begun = select(link.c.id).where(mine, or_(link.c.retired_at.is_not(None), link.c.step.is_not(None)))
            wanted = (trouble.c.school == tx.school) & trouble.c.kind.in_(kinds) & trouble.c.action.in_(_REMOVALS)
            stopped = (hold.c.school == tx.school) & hold.c.lifted.is_(None) & (hold.c.until > tx.now)
            queries = (begun, select(trouble.c.link).where(wanted), select(hold.c.link).where(stopped))
            return sorted({row[0] for query in queries for row in tx.rows(query)})

    def person_holds(self, links: Iterable[str]) -> Mapping[str, Sequence[holds.Hold]]:
        """Link -> its holds, also those that are over, the oldest first."""
        with self._read() as tx:
            return holds.of(tx, links)

    def standing_holds(self) -> Sequence[holds.Hold]:
        """All holds that stand now, by link."""
        with self._read() as tx:
            stopped = (hold.c.school == tx.school) & hold.c.lifted.is_(None) & (hold.c.until > tx.now)
            found = holds.of(tx, [row.link for row in tx.rows(select(hold.c.link).where(stopped))])
            return [one for several in found.values() for one in several if one.lasts(tx.now)]

    def hold_person(self, of: str, *, until: datetime, reason: str, note: str, actor: str) -> None:
        """Stop the clock of a link's retirement until then; a hold that stands already is replaced. Journaled."""
        with self._write() as tx:
            holds.place(tx, of, until=until, reason=reason, note=note, actor=actor)

    def lift_hold(self, of: str, *, actor: str, note: str) -> int:
        """Let the clock run again; returns how many holds stood. Journaled."""
        with self._write() as tx:
            return holds.lift(tx, of, actor=actor, note=note)
