"""One person's password over the API, by the function behind the command: it comes in, or goes out once, and stays
nowhere.

No key makes the request one that can be repeated: an answer that is kept would keep the password, and so would a hash
of what was asked. A given password may be sent again as it is; a made one that never arrived is made anew.
The work is done in a thread with a loop of its own: two sides that are slow hold up nobody else.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from typing import cast

from aiohttp import web

from bridge.api import values
from bridge.api.asked import Password, PasswordAnswer
from bridge.api.keyring import Visitor
from bridge.api.limits import Buckets
from bridge.api.problems import Refused
from bridge.api.source import Denied, Source, Unknown
from bridge.api.survey import Bridge
from bridge.core.model import Link, Side
from bridge.daemon.password_desk import desk_at, writable
from bridge.daemon.password_people import account_of
from bridge.daemon.passwords import Outcome, set_password
from bridge.ports import BridgeError
from bridge.settings import School
from bridge.state.store import SchoolStore

#: Passwords that one token may set in a minute; ten of them at once.
PER_MINUTE = 20
#: So many are set at the same time at all schools of a daemon; the others are asked to come again.
_AT_ONCE = 2
_FREE = threading.BoundedSemaphore(_AT_ONCE)
_LOGINS = ((Side.SCHOOL, "login"), (Side.CLOUD, "upn"))


class Setting:
    """Answers the requests of one application."""

    def __init__(self, source: Source, clock: Callable[[], float]) -> None:
        self._source, self._buckets = source, Buckets(clock)

    async def answer(self, request: web.Request, visitor: Visitor) -> web.Response:
        """Set one; the answer is for the one who asks, and for no store on the way."""
        values.query(request, ())
        for name in ("Idempotency-Key", "If-Match"):
            if name in request.headers:
                raise Refused(400, f"{name}: not taken here, because nothing of a password is kept; send it without")
        if wait := self._buckets.wait(visitor.id, PER_MINUTE):
            raise Refused(429, "too many passwords of this token", headers={"Retry-After": str(math.ceil(wait))})
        asked, _ = await values.body(request, Password)
        found = await self._source.set_password(request.match_info["code"], cast("Password", asked), visitor.who)
        body = found.model_dump_json().encode()
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def set_one(bridge: Bridge, school: School, store: SchoolStore, asked: Password, actor: str) -> PasswordAnswer:
    """Set it on both sides. Raises Unknown; Denied where nothing was changed anywhere. Blocks: in a thread."""
    given = asked.password.get_secret_value() if asked.password is not None else None
    if given is not None and given in asked.reason:
        raise Denied(f"{school.code}: the reason goes into the journal, and holds the password; nothing was changed")
    link = _person(store, asked.person)
    if link is None:
        raise Unknown(f"{school.code}: nobody has this login or link; a part of it is not enough")
    if not _FREE.acquire(blocking=False):
        text = f"{_AT_ONCE} passwords are being set just now; nothing was changed. Try again"
        raise Refused(429, text, headers={"Retry-After": "2"})
    try:
        outcome = asyncio.run(_set(bridge, school, store, link, asked, given, actor))
    except BridgeError as error:
        raise Denied(str(error)) from None
    finally:
        _FREE.release()
    if not outcome.secret:  # it holds nowhere
        raise Denied(f"{school.code}: {link.id}: {outcome.told()}")
    sides = {side.value: holds.value for side, holds in outcome.sides.items()}
    told = {"done": outcome.ok, "text": outcome.told(), "link": link.id, "sides": sides, "differs": outcome.differs}
    return PasswordAnswer.model_validate({**told, "password": outcome.secret if given is None else ""})


async def _set(
    bridge: Bridge, school: School, store: SchoolStore, link: Link, asked: Password, secret: str | None, actor: str
) -> Outcome:
    account = account_of(link, writable(school, store))
    desk = desk_at(
        bridge.settings(), bridge.catalog, school, store, frozenset(account.anchors), actor=actor, reason=asked.reason
    )
    async with desk as opened:
        return await set_password(opened, account, secret, must_change=asked.must_change)


def _person(store: SchoolStore, name: str) -> Link | None:
    """The one person with this link or this login in full; whoever is gone from both sides is nobody."""
    wanted = name.casefold()
    found = [one for one in store.links([name]) if one.kind == "user"]
    if not found:
        some = {one.link for one in store.find(name, limit=500) if one.link and one.kind == "user"}
        found = [one for one in store.links(some) if wanted in _logins(one)]
    alive = [one for one in found if one.school.record is not None or one.cloud.record is not None]
    return alive[0] if len(alive) == 1 else None


def _logins(link: Link) -> set[str]:
    records = [(link.end(side).record, field) for side, field in _LOGINS]
    return {str(record.fields.get(field) or "").casefold() for record, field in records if record} - {""}
