"""The part of the store that only trees and files need: ``bridge.ports.Trees``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bridge.core.model import Side
from bridge.ports import KeptBoth, Meaning
from bridge.state import aliases, conflicts, places
from bridge.state.part import Part


class Trees(Part):
    """Mixed into the store of a school, which gives the transactions."""

    def rivals(self, at: Iterable[tuple[str, str]]) -> frozenset[str]:
        with self._read() as tx:
            return places.rivals(tx, at)

    def occupied(self, ids: Iterable[str], side: Side) -> frozenset[str]:
        with self._read() as tx:
            return places.occupied(tx, ids, side)

    def originals(self, ids: Iterable[str], side: Side) -> Mapping[str, tuple[str, str]]:
        with self._read() as tx:
            return places.originals(tx, ids, side)

    def mean(self, side: Side, meanings: Sequence[Meaning]) -> None:
        with self._write() as tx:
            aliases.mean(tx, side, meanings)

    def conflicts(self, *, resolved: bool = False) -> Sequence[KeptBoth]:
        with self._read() as tx:
            return conflicts.listed(tx, resolved=resolved)

    def decide(self, id: str, how: str, *, actor: str, reason: str) -> None:  # noqa: A002
        with self._write() as tx:
            conflicts.decide(tx, id, how=how, actor=actor, reason=reason)

    def resolve(self, id: str) -> None:  # noqa: A002
        with self._write() as tx:
            conflicts.resolve(tx, id)
