"""The counting behind ``year_groups``: how many pupils each class of last year shares with each class of now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bridge.core.year import CLASS, Group, GroupChange, Year, pupils

#: A part of a class that makes a class of its own is at least this share of it: else they are repeaters.
PART = 4
#: Fewer of a class than that may be its repeaters alone, where most of it left.
THIRD = 3


@dataclass(slots=True)
class Board:
    """The counting, and who is decided already."""

    old: dict[str, Group]
    new: dict[str, Group]
    members: dict[str, frozenset[str]]
    overlap: Counter[tuple[str, str]] = field(default_factory=Counter)
    stayed: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)
    kept: dict[str, str] = field(default_factory=dict)
    changes: list[GroupChange] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)

    def size(self, id: str) -> int:  # noqa: A002
        return len(self.members[id])

    def same_anchor(self, before: str, after: str) -> bool:
        return self.old[before].anchor != "" and self.old[before].anchor == self.new[after].anchor

    def strong(self, before: str, after: str) -> bool:
        both = self.overlap[before, after]
        fits = both > 0 and 2 * both >= self.stayed[before] and 2 * both >= self.size(after)
        most = 2 * both > self.stayed[before] and THIRD * both > self.size(before)
        return fits and (most or self.whole(before, after))

    def weak(self, before: str, after: str) -> bool:
        both = self.overlap[before, after]
        return both >= 2 and 2 * both >= self.stayed[before] and 2 * both >= self.came[after]

    def near(self, before: str, after: str) -> bool:
        both = self.overlap[before, after]
        return both >= 2 and 2 * both >= self.stayed[before] and 5 * both >= 2 * self.size(after)

    def whole(self, before: str, after: str) -> bool:
        """Whether half of all the old class is there: of a few who are left, repeaters alone may be the most."""
        return 2 * self.overlap[before, after] >= self.size(before)

    def doubtful(self, before: str, after: str) -> bool:
        return self.strong(before, after) or self.weak(before, after) or self.near(before, after)

    def mostly(self, before: str) -> list[str]:
        """The classes of now where at least half of the old one is."""
        return sorted(a for a in self.new if (o := self.overlap[before, a]) and 2 * o >= self.stayed[before])


def counted(last: Year, now: Year) -> Board:
    old = {f"before {one.id}": one for one in last.of_role(CLASS)}
    new = {f"after {one.id}": one for one in now.of_role(CLASS)}
    members = {key: pupils(one.members, last, now) for key, one in {**old, **new}.items()}
    board = Board(old, new, members)
    where: dict[str, list[str]] = {}
    for after in new:
        for key in members[after]:
            where.setdefault(key, []).append(after)
    for before in old:
        for key in members[before]:
            board.stayed[before] += key in where
            for after in where.get(key, ()):
                board.overlap[before, after] += 1
    known = frozenset[str]().union(*(members[one] for one in old))
    for after in new:
        board.came[after] = len(members[after] & known)
    return board
