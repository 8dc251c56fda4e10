"""Setting passwords: what a side offers besides, where the bridge may do that there.

Nobody can read a password out of either side, so it reaches both only where it is set through the bridge. The secret
passes through; nobody keeps it, logs it or puts it into an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bridge.core.password_rules import Names, Rules
from bridge.ports.errors import Unreachable


class InDoubt(Unreachable):
    """The answer was lost: nobody knows whether the password was set. Setting the same one again does no harm."""


class NotSet(Exception):
    """This account's password was not changed, and trying the same again would not help.

    ``cause`` is a short stable code (``policy``, ``privileged``, ``outside``, ``gone``, ``synced``, ``read_only``...);
    ``str`` is for a person: it names the account by anchor and never holds the secret.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Asked:
    """What a side says of one account before its password is set. ``set_at``: when it was set last; None unknown."""

    rules: Rules
    names: Names
    set_at: datetime | None = None


class Passwords(Protocol):
    """What a connector offers where it can set passwords."""

    async def ask(self, anchor: str) -> Asked:
        """The rules that hold for this account. Raises NotSet where it may not be touched, Unreachable or Refused."""
        ...

    async def set(self, anchor: str, secret: str, *, must_change: bool) -> None:
        """Set it, once, without repeating; it holds when this returns. ``must_change``: at the next login.

        Raises NotSet; Unreachable where it was certainly not set, InDoubt where nobody knows; Refused where the bridge
        may not set any.
        """
        ...


class LogIn(Protocol):
    """What a connector offers besides where people can prove who they are: the school's directory."""

    async def log_in(self, login: str, secret: str) -> str | None:
        """The anchor of the person whose login and password these are, by a bind as that person; else None.

        Also where the password has to be changed first. None, too, for whoever the bridge may not touch. Each wrong try
        counts towards the account's lockout: whoever calls this limits the tries. Raises Unreachable or Refused.
        """
        ...
