"""The door by which people are kept from changing a root for a while, the bridge itself not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: The file that tells people at the school where their files are now. No connector ever mirrors it.
NOTICE = "UMGEZOGEN - MOVED.txt"


@dataclass(frozen=True, slots=True)
class Mode:
    """The permissions of one object: ``was`` before, ``now`` as the bridge set them."""

    handle: str
    was: int
    now: int


class KeptModes(Protocol):
    """Where the permissions of a root's objects are remembered while it is frozen. Blocking; any thread."""

    def any(self) -> bool:
        """Whether something of the root is remembered."""
        ...

    def remember(self, modes: Sequence[Mode]) -> None:
        """On the disk when it returns: only then may they be changed. The newest of a handle counts."""
        ...

    def recall(self, handles: Iterable[str]) -> Mapping[str, Mode]:
        """What is remembered of these."""
        ...

    def forget(self, handles: Iterable[str] | None = None) -> None:
        """They are as they were; None: all of the root."""
        ...


@dataclass(frozen=True, slots=True)
class Frozen:
    """What came of it: objects looked at, changed, and (by kind of trouble) those that could not be."""

    seen: int
    changed: int
    troubles: Mapping[str, int]


class Freezing(Protocol):
    """What a connector of the school's files offers besides. Every method may be repeated, also after a crash in it."""

    async def freeze(self) -> Frozen:
        """Take from everybody but the bridge the right to change anything in the root.

        What is open for writing already stays so until it is closed. Raises Refused, Unreachable, Waiting.
        """
        ...

    async def thaw(self) -> Frozen:
        """Give it back to exactly those who had it. Whatever somebody else changed meanwhile stays as it is."""
        ...

    async def post(self, text: str) -> None:
        """Put ``NOTICE`` with this text into the root, in place of an older one."""
        ...

    async def unpost(self) -> None:
        """Take it away again."""
        ...
