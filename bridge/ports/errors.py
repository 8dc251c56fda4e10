"""Errors that a person may see. Their class says what the caller does next."""

from __future__ import annotations


class BridgeError(Exception):
    """Base of all errors a person may see: ``str(error)`` says what was expected, what was found, what to do next."""


class ConfigurationError(BridgeError):
    """The configuration can't work as it stands (plain LDAP, unknown OU ...). A person has to change it."""


class Unreachable(BridgeError):
    """The side does not answer or is overloaded. Try the whole cycle again later, with back-off."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the side asked us to wait, or None."""


class Waiting(Unreachable):
    """There is nothing here yet, and nothing is wrong: a home whose owner never logged in. Look again at times."""


class Spent(Unreachable):
    """What this side lets us ask for (an hour, a day, until its Retry-After) is used up, and the wait would be long.

    Nothing is wrong and nothing was sent: give the slot back, work on what needs this side less, come again after
    ``retry_after`` seconds, which is never None here. ``str`` is the reason for a person and names no school and no
    file, such as "the file budget of 960,000 units a day is used up"; ``status`` says it as "waits: <reason> (until
    hh:mm)". Short waits (a minute's window) are slept through by the connector and never raised.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, retry_after=retry_after)


class Fenced(Unreachable):
    """This process does not look after the school any more: send nothing, record nothing, stand by.

    Nothing is wrong: another daemon has the lease, or this one was stopped for longer than its own lasts.
    """


class Refused(BridgeError):
    """The side answers but does not let us in: credentials, rights, certificate. A person has to act."""


class TokenLost(BridgeError):
    """The side no longer knows the token: observe again with ``token=None``."""


class ContentChanged(BridgeError):
    """A file is not any more what was planned with: drop what was written of it, the next observation tells."""


class Busy(BridgeError):
    """A file is being written or open in a program: nothing is wrong, try again later."""
