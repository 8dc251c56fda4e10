"""Who asks: a token, or what a proxy tells of somebody whom it logged in. And the keys of actions that were asked.

token   looked up at each action; whoever only looks is trusted for two seconds, and `token revoke` waits for these
proxy   believed only with its secret; a group's rights come out of the configuration
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy.exc import SQLAlchemyError

from bridge.api.models import Scope
from bridge.api.source import Who
from bridge.settings.api import Api, GroupRight
from bridge.state import tokens
from bridge.state.database import Database
from bridge.state.grants import Grant
from bridge.state.tokens import TRUSTED, Answer, Token

Right = tuple[frozenset[Scope], frozenset[str] | None]
#: What is granted to a token (its id) at a moment: at a hub, for a time.
Granted = Callable[[Database, str, datetime], Sequence[Grant]]

#: In which the proxy proves itself.
PROOF = "X-Schoolbridge-Proxy"
_LABEL = 64
#: Tokens remembered as proved.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks; ``id`` tells one from another in limits and logs."""

    id: str
    who: Who
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A token that is good now. ``id`` names it without giving it away."""

    id: str
    who: Who
    expires: datetime


class Keyring:
    """All tokens of a bridge. ``secret``: the proxy's, where there is one. What is not awaited runs in a thread."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        api: Api | None = None,
        secret: bytes = b"",
        run: Callable[..., Awaitable[Any]] = asyncio.to_thread,
        granted: Granted | None = None,
    ) -> None:
        self._database, self._clock, self._api, self._secret = database, clock, api or Api(), secret
        self._run, self._granted = run, granted
        self._proved: OrderedDict[bytes, tuple[Visitor, float]] = OrderedDict()

    def trusted(self, text: str) -> tuple[Visitor | None, bool]:
        """Whose token this is, if that was proved a moment ago, and whether to look again soon; never blocks."""
        visitor, until = self._proved.get(_mark(text), (None, 0.0))
        left = until - time.monotonic()
        if visitor is None or visitor.token is None or left <= 0 or self._clock() >= visitor.token.expires:
            return None, False
        return visitor, left < TRUSTED / 2

    def find(self, text: str) -> Visitor | None:
        """Whose token this is; None for all that is no valid token."""
        begun = time.monotonic()  # trust counts from before the look: who revokes waits for it from after the commit
        token = tokens.found(self._database, text, self._clock())
        if token is None:
            self._proved.pop(_mark(text), None)
            return None
        with suppress(SQLAlchemyError):  # a full disk keeps nobody from looking what is wrong
            tokens.use(self._database, token)
        visitor = Visitor(token.id, self._who(token), token)
        self._proved[_mark(text)] = visitor, begun + TRUSTED
        while len(self._proved) > _MOST:
            self._proved.popitem(last=False)
        return visitor

    async def prove(self, secret: str) -> Held | None:
        """Whose token this is, for who logs in with it."""
        found = await self._run(self.find, secret)
        return Held(found.id, found.who, found.token.expires) if found and found.token else None

    async def still(self, token: str) -> Held | None:
        """The token of this id as it is now; None where it is over."""
        return await self._run(self._still, token)  # type: ignore[no-any-return]

    def _still(self, token: str) -> Held | None:
        found = tokens.valid(self._database, token, self._clock())
        return Held(found.id, self._who(found), found.expires) if found else None

    def _who(self, token: Token) -> Who:
        """What the token may, and what was granted to it for a time."""
        mine = Who(token.label, _scopes(token.scopes), token.schools or None)
        given = self._granted(self._database, token.id, self._clock()) if self._granted else ()
        if not given:
            return mine
        rights = [(mine.scopes, mine.schools), *((_scopes(one.scopes), frozenset({one.school})) for one in given)]
        return with_rights(token.label, rights)

    def proxied(self, headers: Mapping[str, str]) -> Visitor | None:
        """Whom the proxy logged in; None where no proxy is configured, or it does not prove itself."""
        rules = self._api.proxied
        if rules is None or not self._secret:
            return None
        if not hmac.compare_digest(headers.get(PROOF, "").encode("utf-8", "surrogateescape"), self._secret):
            return None
        user = headers.get(rules.user_header, "").strip()
        label = "".join(letter for letter in user if letter.isprintable())[:_LABEL]
        groups = {one.strip() for one in headers.get(rules.groups_header, "").split(",")}
        return _grouped(label, [right for name, right in rules.groups.items() if name in groups]) if label else None

    def begin(self, code: str, visitor: Visitor, *, key: str, request: str) -> Answer | None:
        """Take a key before an action; what stands there already."""
        return tokens.begin(self._database, code, token=visitor.id, key=key, request=request)

    def end(self, code: str, visitor: Visitor, *, key: str, answer: Answer) -> None:
        """Keep what became of it."""
        tokens.end(self._database, code, token=visitor.id, key=key, answer=answer)

    def forget(self, code: str, visitor: Visitor, *, key: str) -> None:
        """Give the key back."""
        tokens.forget(self._database, code, token=visitor.id, key=key)


def _mark(text: str) -> bytes:
    """What a token is remembered by: nothing in memory that somebody could use."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _scopes(names: Iterable[str]) -> frozenset[Scope]:
    return frozenset(cast("Scope", one) for one in names)


def with_rights(label: str, rights: Sequence[Right]) -> Who:
    """Somebody whose scopes are not all good for the same schools."""
    scopes = frozenset(scope for some, _ in rights for scope in some)
    everywhere = any(schools is None for _, schools in rights)
    schools = None if everywhere else frozenset(code for _, some in rights for code in some or ())
    return Who(label, scopes, schools, tuple(rights))


def _grouped(label: str, given: list[GroupRight]) -> Visitor:
    """Each group's scopes are good for that group's schools only."""
    rights = [(frozenset(one.scopes), frozenset(one.schools) or None) for one in given]
    return Visitor(f"proxy:{label}", with_rights(f"proxy:{label}", rights))
