"""Tokens of the status API, and the answers that were given under them to actions.

A token is ``sb_ID_SECRET``: 256 random bits, shown once. Only the SHA-256 of the secret is kept; with 256 bits nobody
can try them out, so that a slow hash would serve an attacker alone. Tokens belong to no school: their rows stand under
the empty code, and are journaled under each school that they are good for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update

from bridge.state import hub_journal, journal
from bridge.state.cutover_tables import api_answer, api_token
from bridge.state.database import Database
from bridge.state.tables import school
from bridge.state.transaction import Transaction, writing

#: Under which code the rows stand: no school has an empty one.
NOBODY = ""
ALL = "*"
SCOPES = ("read", "operate", "approve", "names", "passwords")
#: Passwords are not set through a hub.
HUB_SCOPES = tuple(one for one in SCOPES if one != "passwords")
_SHAPE = re.compile(r"sb_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
#: A use is noted at most so often: looking must not write all the time.
_USED = timedelta(minutes=10)
#: Seconds that whoever proved a token may be trusted without looking again; to revoke one takes as long.
TRUSTED = 2.0
#: How long an answer is kept for the same request again.
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. ``schools`` empty: all of them."""

    id: str
    label: str
    scopes: frozenset[str]
    schools: frozenset[str]
    made: datetime
    expires: datetime
    revoked: datetime | None = None
    used: datetime | None = None

    def state(self, now: datetime) -> str:
        """``valid``, ``expired`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        return "valid" if now < self.expires else "expired"


def make(
    database: Database,
    *,
    label: str,
    scopes: Sequence[str],
    schools: Sequence[str],
    expires: datetime,
    actor: str,
    hub: bool = False,
) -> tuple[Token, str]:
    """Make a token; the second value is its whole text, which is known to nobody afterwards. ``hub``: of a hub."""
    name, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    with writing(database, NOBODY) as tx:
        token = Token(name, label, frozenset(scopes), frozenset(schools), tx.now, expires)
        row = {
            "id": name,
            "label": label,
            "hash": _hash(secret),
            "scopes": " ".join(sorted(token.scopes)),
            "schools": " ".join(sorted(token.schools)) or ALL,
            "made": tx.now,
            "expires": expires,
            "revoked": None,
            "used": None,
        }
        tx.put(api_token, [row])
        after = {"token": name, "scopes": sorted(token.scopes), "expires": expires.isoformat()}
        _journal(tx, token, journal.Entry("make token", actor=actor, after=after), hub=hub)
    return token, f"sb_{name}_{secret}"


def revoke(database: Database, name: str, *, actor: str, reason: str, hub: bool = False) -> Token | None:
    """End a token now; None where there is none of this id. A second time changes nothing."""
    with writing(database, NOBODY) as tx:
        found = next(iter(_rows(tx, name)), None)
        if found is None:
            return None
        token = _token(found)
        if token.revoked is None:
            mine = (api_token.c.school == NOBODY) & (api_token.c.id == name)
            tx.run(update(api_token).where(mine).values(revoked=tx.now))
            entry = journal.Entry("revoke token", actor=actor, reason=reason, before={"token": name})
            _journal(tx, token, entry, hub=hub)
            token = _token(_rows(tx, name)[0])
    return token


def listed(database: Database) -> list[Token]:
    """All tokens, the newest first, also those that are over."""
    with database.read() as connection:
        query = select(api_token).where(api_token.c.school == NOBODY).order_by(api_token.c.made.desc(), api_token.c.id)
        return [_token(row) for row in connection.execute(query)]


def found(database: Database, text: str, now: datetime) -> Token | None:
    """The valid token of this text; None for every other, however it differs. Takes as long for each of them."""
    shape = _SHAPE.fullmatch(text)
    name, secret = (shape[1], shape[2]) if shape else ("", "")
    with database.read() as connection:
        mine = (api_token.c.school == NOBODY) & (api_token.c.id == name)
        row = connection.execute(select(api_token).where(mine)).first()
    same = hmac.compare_digest(_hash(secret), row.hash if row else _hash("nobody"))
    if row is None or not same:
        return None
    token = _token(row)
    return token if token.state(now) == "valid" else None


def valid(database: Database, name: str, now: datetime) -> Token | None:
    """The token of this id, if it is good now: for who proved it before."""
    with database.read() as connection:
        mine = (api_token.c.school == NOBODY) & (api_token.c.id == name)
        row = connection.execute(select(api_token).where(mine)).first()
    token = _token(row) if row is not None else None
    return token if token is not None and token.state(now) == "valid" else None


def use(database: Database, token: Token) -> None:
    """Note that it was used, once in a while."""
    now = database.clock()
    if token.used is None or now - token.used > _USED:
        with writing(database, NOBODY, now=now) as tx:
            mine = (api_token.c.school == NOBODY) & (api_token.c.id == token.id)
            tx.run(update(api_token).where(mine).values(used=now))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _rows(tx: Transaction, name: str) -> Sequence[Row[Any]]:
    return tx.rows(select(api_token).where(api_token.c.school == NOBODY, api_token.c.id == name))


def _token(row: Row[Any]) -> Token:
    schools = frozenset() if row.schools == ALL else frozenset(row.schools.split())
    return Token(
        row.id, row.label, frozenset(row.scopes.split()), schools, row.made, row.expires, row.revoked, row.used
    )


def _journal(tx: Transaction, token: Token, entry: journal.Entry, *, hub: bool) -> None:
    """In the journal of each school that it opens: whoever looks after one school has to see who may look in.

    At a hub a token of all schools stands in the hub's own journal: thousands of rows would say the same.
    """
    if hub:
        hub_journal.note(tx.connection, tx.now, hub_journal.under(sorted(token.schools), entry))
        return
    known = [row.code for row in tx.rows(select(school.c.code).order_by(school.c.code)) if "/" not in row.code]
    for code in known:
        if not token.schools or code in token.schools:
            mine = Transaction(tx.connection, code, {}, tx.now, tx.key)
            tx.rows(select(school.c.code).where(school.c.code == code).with_for_update())
            journal.append(mine, [entry])


# --- answers to actions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked under a key and what became of it. ``status`` 0: it was begun, and nobody knows how it ended."""

    request: str
    status: int = 0
    body: str = ""


def begin(database: Database, code: str, *, token: str, key: str, request: str) -> Answer | None:
    """Take a key for a request, before it is carried out; what stands there already, where it was taken before."""
    with writing(database, code) as tx:
        tx.run(delete(api_answer).where(api_answer.c.school == code, api_answer.c.at < tx.now - KEPT))
        mine = (api_answer.c.school == code) & (api_answer.c.token == token) & (api_answer.c.key == key)
        rows = tx.rows(select(api_answer).where(mine))
        if rows:
            return Answer(rows[0].request, rows[0].status, rows[0].body)
        row = {"token": token, "key": key, "request": request, "status": 0, "body": "", "at": tx.now}
        tx.put(api_answer, [row])
    return None


def end(
    database: Database, code: str, *, token: str, key: str, answer: Answer, entry: journal.Entry | None = None
) -> None:
    """Keep the answer for the same request again. ``entry`` is journaled with it, if the school has a journal."""
    with writing(database, code) as tx:
        mine = (api_answer.c.school == code) & (api_answer.c.token == token) & (api_answer.c.key == key)
        tx.run(update(api_answer).where(mine).values(status=answer.status, body=answer.body))
        if entry is not None and tx.rows(select(school.c.code).where(school.c.code == code)):
            journal.append(tx, [entry])


def forget(database: Database, code: str, *, token: str, key: str) -> None:
    """Give the key back: it is known that nothing was done."""
    with writing(database, code) as tx:
        mine = (api_answer.c.school == code) & (api_answer.c.token == token) & (api_answer.c.key == key)
        tx.run(delete(api_answer).where(mine))
