"""The door to the cloud's own source of authority: which objects another synchronisation masters there, and the switch.

Only what somebody else's synchronisation (Microsoft Entra Connect) made has such a flag; what the bridge made has none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mastered:
    """A person or group that the school's directory masters in the cloud. ``sid``: its identifier at the school."""

    anchor: str
    kind: str
    sid: str = ""


class CloudAuthority(Protocol):
    """What a connector offers besides where the cloud keeps a source of authority of its own."""

    async def mastered(self) -> Sequence[Mastered]:
        """Everybody of the whole tenant who is mastered on premises now; few requests where there are none.

        Raises Unreachable or Refused.
        """
        ...

    async def members(self, groups: Sequence[Mastered]) -> Mapping[str, frozenset[str]]:
        """Group's anchor -> the anchors of its direct members now; a group that is not there any more is left out.

        An observation tells nothing of these groups: they are not the bridge's. Raises Unreachable or Refused.
        """
        ...

    async def lacking(self, kinds: Collection[str]) -> Mapping[str, str]:
        """Kind -> the permission to grant, for kinds that the bridge may not switch. Raises Unreachable or Refused."""
        ...

    async def switch(self, wanted: Sequence[Mastered], *, cloud: bool) -> Mapping[str, str]:
        """Give these to the cloud, or with False back to the school; anchor -> why it was not done, for a person.

        May be repeated. Whoever is not there any more counts as done. Raises Unreachable where nobody knows of some of
        them; Refused.
        """
        ...
