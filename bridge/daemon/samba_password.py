"""A password that was changed at a PC, on its way to the cloud: what ``samba-tool user syncpasswords`` pipes in.

Samba calls a script for each change of an account, also where only its name or state changed, and gives the account as
it is now, with the password where it can decrypt it. It comes again until the answer begins with ``DONE-EXIT: ``.

known     whose it is, by objectGUID; a stranger's, or one without a password in it, is nothing to do
new       the key version number counts passwords: one that was dealt with is not set again. A password that was set
          in the cloud later than this one at the school stays
set       in the cloud only, after the school's side said that the account may be touched at all
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridge.core.model import Link, Side
from bridge.daemon.passwords import Account, Desk, set_password
from bridge.ports import BridgeError, ConfigurationError, NotSet
from bridge.state import passwords as books
from bridge.state.store import SchoolStore

DONE = "DONE-EXIT: "
MOST = 1 << 20
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CLEAR = "virtualcleartextutf8"


@dataclass(frozen=True, slots=True)
class Change:
    """One account as Samba tells it. ``set_at`` None: the password has to be changed at the next login."""

    guid: str
    secret: str = field(default="", repr=False)
    set_at: datetime | None = None
    version: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Dealt:
    """``done``: it need not come again. ``message`` names nobody."""

    done: bool
    message: str


def read(ldif: bytes) -> Change:
    """The one account in an LDIF (RFC 2849); ConfigurationError when it is none."""
    values = _values(ldif)
    guid = values.get("objectguid", b"").decode("ascii", "replace").lower()
    if not guid:
        raise ConfigurationError(
            "expected the LDIF of one account with objectGUID on standard input, as `samba-tool user syncpasswords` "
            "pipes it to its script; found none"
        )
    ticks = values.get("pwdlastset", b"").decode("ascii", "replace")
    return Change(
        guid=guid,
        secret=values.get(_CLEAR, b"").decode("utf-8", "replace"),
        set_at=_EPOCH + timedelta(microseconds=int(ticks) // 10) if ticks.isdigit() and int(ticks) else None,
        version=values.get("msds-keyversionnumber", b"").decode("ascii", "replace"),
        deleted=values.get("isdeleted", b"").upper() == b"TRUE",
    )


def _values(ldif: bytes) -> Mapping[str, bytes]:
    """The first value of each attribute; a line that begins with a space goes on with the one before."""
    found: dict[str, bytes] = {}
    for line in ldif.replace(b"\r\n", b"\n").replace(b"\n ", b"").split(b"\n"):
        name, colon, rest = line.partition(b":")
        if not colon or line.startswith(b"#"):
            continue
        value = rest.removeprefix(b" ")
        if rest.startswith(b":"):
            try:
                value = base64.b64decode(rest[1:].strip(), validate=True)
            except binascii.Error:
                raise ConfigurationError("the LDIF on standard input holds a value that is no base64") from None
        found.setdefault(name.decode("ascii", "replace").lower(), value)
    return found


async def take(desk: Desk, store: SchoolStore, change: Change) -> Dealt:
    """Set it in the cloud where it is new and the account is one of ours."""
    if change.deleted or not change.secret:
        return Dealt(True, "no password in it: nothing to do")
    link = _link_of(store, change.guid)
    if link is None or link.cloud.anchor is None or link.cloud.record is None:
        return Dealt(True, "no account in the cloud belongs to it: nothing to do")
    seen = books.marked(store.database, store.code, link=link.id, side=Side.SCHOOL)
    if change.version and change.version == seen:
        return Dealt(True, f"{link.id}: this password was dealt with before")
    account = Account(link.id, {Side.SCHOOL: change.guid, Side.CLOUD: link.cloud.anchor})
    try:
        await desk.sides[Side.SCHOOL].ask(change.guid)
        cloud = await desk.sides[Side.CLOUD].ask(link.cloud.anchor)
    except NotSet as error:
        return Dealt(True, f"{link.id}: left alone ({error.cause})")
    except BridgeError as error:
        return Dealt(False, f"{link.id}: {error}. It comes again")
    if change.set_at and cloud.set_at and cloud.set_at >= change.set_at:
        return Dealt(True, f"{link.id}: the cloud's password is newer and stays")
    must_change = change.set_at is None
    outcome = await set_password(desk, account, change.secret, must_change=must_change, skip=frozenset({Side.SCHOOL}))
    if outcome.ended:
        return Dealt(False, f"{link.id}: {outcome.told()}")
    books.mark(store.database, store.code, link=link.id, side=Side.SCHOOL, seen=change.version)
    return Dealt(True, f"{link.id}: {outcome.told()}")


def _link_of(store: SchoolStore, guid: str) -> Link | None:
    links = store.links(store.linked(Side.SCHOOL, [guid]).values())
    return next((one for one in links if one.kind == "user"), None)
