"""How a root comes into being, whatever the storage is: the port in front of two blocking functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.ports import Account
from connectors.tree.rules import OURS
from connectors.tree.turns import Turns

#: A folder on its way bears such a name until it has its rights; nobody but us makes one.
_UNDER_WAY = OURS + "home-"


@dataclass(frozen=True, slots=True)
class TreeFoundation:
    """See ``bridge.ports.Foundation``."""

    turns: Turns
    made: Callable[[Account, Sequence[Any]], None]
    moved: Callable[[Any, str], None]

    async def make(self, owner: Account, *, beside: Sequence[Any] = ()) -> None:
        await self.turns.take(lambda: self.made(owner, beside))

    async def move(self, old: Any, identity: str) -> None:
        await self.turns.take(lambda: self.moved(old, identity))


def under_way(name: str) -> str:
    """The name of a folder before it gets its own; the same each time, so that what a crash left is found again."""
    return _UNDER_WAY + hashlib.sha256(name.encode()).hexdigest()[:16]
