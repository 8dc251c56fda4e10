"""The part of the store that is about drift: see ``bridge.state.drift``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import Choice, Drift, Side
from bridge.state import drift
from bridge.state.trees import Trees


class Drifting(Trees):
    """Mixed into the store of a school."""

    def drifted(self, drifts: Sequence[Drift], *, now: datetime) -> None:
        with self._write(now) as tx:
            drift.note(tx, drifts)

    def drifts(self) -> Sequence[drift.Drifted]:
        """Values that were changed on the side that does not own them, the newest first."""
        with self._read() as tx:
            return drift.drifts(tx)

    def choose(self, link: str, field: str, side: Side, choice: Choice, *, actor: str, reason: str) -> None:
        """Decide about one of them; the next cycle carries it out. KeyError where there is none."""
        with self._write() as tx:
            drift.choose(tx, link, field, side, choice, actor=actor, reason=reason)
