"""Rights at the root of a share: what the school grants, and the door through which the cloud is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.access import Role, Standing
from bridge.core.unsaid import Unsaid


@dataclass(frozen=True, slots=True)
class Rights:
    """What the root grants: trustee (a SID such as ``S-1-5-21-…``, or the name of an account or group) -> role.

    ``unsaid``: what no role can express, at the root and in the folders below it that were looked at.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    unsaid: tuple[Unsaid, ...] = ()


class RightsTold(Protocol):
    """What a connector of the school's files offers besides."""

    async def rights(self) -> Rights:
        """The rights of the root and what can't be expressed below it. Raises Unreachable or Refused."""
        ...


class Sharing(Protocol):
    """What a connector of the cloud's files offers besides, all of it at the mirrored root."""

    async def standing(self) -> Sequence[Standing]:
        """Every permission that was given to a person or group, the owner's and those of links left out.

        Raises Unreachable or Refused, here as below.
        """
        ...

    async def give(self, principal: str, role: Role) -> Standing:
        """Grant a role to a person or group (its id in the cloud), without a mail; again changes nothing."""
        ...

    async def change(self, id: str, role: Role) -> None:  # noqa: A002
        """Another role for a permission; nothing when it is not there any more."""
        ...

    async def take_back(self, id: str) -> None:  # noqa: A002
        """Remove a permission; nothing when it is not there any more."""
        ...
