"""The door through which a root comes into being, or comes to its place: a home directory with its rights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """Whose a folder is to be, as the school's directory calls them; empty what the directory does not tell."""

    login: str
    sid: str = ""


class Foundation(Protocol):
    """What a connector of the school's files offers besides, for a root at whose place there is nothing.

    ``Any`` stands for the connector's own options, at another place.
    """

    async def make(self, owner: Account, *, beside: Sequence[Any] = ()) -> None:
        """Make the root and what is missing above it. It is there with all of its rights, or it is not there at all.

        The owner may do everything in it; besides come those to whom the folder above hands rights down, but nobody
        for being somebody at all (Everyone, Domain Users). A folder that is there already is left as it is.
        Raises Waiting where it can't be made yet (the account is not known there, or a folder lies at one of the places
        ``beside``), Refused where a right is missing, Unreachable.
        """
        ...

    async def move(self, old: Any, identity: str) -> None:
        """Move the folder that lies where the options ``old`` lead to the root's place, by one rename.

        Nothing happens unless it has this identity (``Connector.identify``) and nothing is at the place. What is
        missing above the place is made. Raises Waiting where nothing was moved, Refused, Unreachable.
        """
        ...
