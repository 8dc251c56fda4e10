"""Who is logged in: kept on this side, in memory. The cookie is a random key, of which only the digest is kept.

Who may only read stays as long as the token does: a screen on a wall has no hands. Whoever may act or see names is
logged out after half an hour without a click, and after a working day in any case. Whom a proxy logged in has a session
as long as the proxy says so.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bridge.api.keyring import Held, Visitor

IDLE, DAY = timedelta(minutes=30), timedelta(hours=10)
_MOST = 500  # sessions
_AGAIN = timedelta(seconds=10)
#: How the ids of those begin whom a proxy logged in.
PROXIED = "proxy:"


class Tokens(Protocol):
    """What knows the tokens of the status API."""

    async def prove(self, secret: str) -> Held | None:
        """Whose token this is; None where it is wrong, expired or revoked."""

    async def still(self, token: str) -> Held | None:
        """The same token as it is now; None where it is over."""

    def proxied(self, headers: Mapping[str, str]) -> Visitor | None:
        """Whom a proxy logged in; None where there is none, or it does not prove itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is told once, on the next page. ``detail`` is in the words of the bridge, in English."""

    good: bool
    text: str
    detail: str = ""


@dataclass(slots=True)
class Session:
    """One browser of one person. ``token`` has to come back with everything that is posted."""

    held: Held
    began: datetime
    touched: datetime
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    said: list[Said] = field(default_factory=list)
    asked: dict[tuple[tuple[str, str], ...], datetime] = field(default_factory=dict)

    @property
    def proxied(self) -> bool:
        """Whether a proxy logged this person in: the way out is there, too."""
        return self.held.id.startswith(PROXIED)

    @property
    def acting(self) -> bool:
        """Whether more than reading is allowed."""
        return bool(self.held.who.scopes - {"read"})

    def over(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        late = self.acting and (now - self.touched > IDLE or now - self.began > DAY)
        return late or now >= self.held.expires

    def twice(self, form: dict[str, str], now: datetime) -> bool:
        """Whether the very same was asked seconds ago: a double click does nothing the second time."""
        self.asked = {key: at for key, at in self.asked.items() if now - at < _AGAIN}
        key = tuple(sorted(form.items()))
        known = key in self.asked
        self.asked.setdefault(key, now)
        return known

    def forget(self, form: dict[str, str]) -> None:
        """It came to nothing: asking again is no double click."""
        self.asked.pop(tuple(sorted(form.items())), None)


class Sessions:
    """All of them. ``clock`` tells the time with its zone."""

    def __init__(self, tokens: Tokens, clock: Callable[[], datetime]) -> None:
        self.tokens, self.clock = tokens, clock
        self._all: dict[str, Session] = {}

    async def begin(self, secret: str) -> tuple[str, Session] | None:
        """The cookie and the session of whoever has this token; None where it is not good."""
        held = await self.tokens.prove(secret)
        if held is None or "read" not in held.who.scopes:
            return None
        now = self.clock()
        self._sweep(now)
        cookie = secrets.token_urlsafe(32)
        session = Session(held, now, now)
        self._all[_digest(cookie)] = session
        return cookie, session

    async def find(self, cookie: str, *, touch: bool) -> Session | None:
        """The session of a cookie, with what its token allows now. ``touch``: a person did something."""
        session = self._all.get(_digest(cookie)) if cookie else None
        if session is None:
            return None
        now = self.clock()
        held = None if session.over(now) else await self.tokens.still(session.held.id)
        if held is None or "read" not in held.who.scopes:
            self.end(cookie)
            return None
        session.held = held
        if touch:
            session.touched = now
        return session

    def told(self, headers: Mapping[str, str]) -> Session | None:
        """The session of whom the proxy logged in: it says so with each request, and what that person may."""
        visitor = self.tokens.proxied(headers)
        if visitor is None or "read" not in visitor.who.scopes:
            return None
        now = self.clock()
        held = Held(visitor.id, visitor.who, now + DAY)
        session = self._all.get(visitor.id)
        if session is None:
            self._sweep(now)
            session = self._all[visitor.id] = Session(held, now, now)
        session.held, session.began, session.touched = held, now, now
        return session

    def end(self, cookie: str) -> None:
        """Log out."""
        self._all.pop(_digest(cookie), None)

    def _sweep(self, now: datetime) -> None:
        for key in [key for key, one in self._all.items() if one.over(now)]:
            del self._all[key]
        while len(self._all) >= _MOST:
            self._all.pop(min(self._all, key=lambda key: self._all[key].touched))


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()
