"""The journal: append-only, every row chained to the one before by SHA-256.

The head of the chain stands in the school's row, so that rows cut off the end are noticed; a ``Checkpoint`` kept
outside (printed, mailed, in another machine's log) also proves a chain that was forged as a whole. No secret is ever
in a row: the kind table has no field for one.

What may be about a person (``PERSONAL``) is in the chain by its digest only, made with a salt of the row's own. Erasing
puts something harmless in its place and throws the salt away: the digest stays, says nothing any more, and the chain
holds. Which rows were erased stands in an ``erase`` row further on; a row that is erased without one was forged.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from bridge.state.canonical import dump
from bridge.state.tables import journal, school
from bridge.state.transaction import MINE, Transaction

_PAGE = 2000
#: Columns that may be about a person, and can be erased without breaking the chain.
PERSONAL = ("actor", "anchor", "reason", "before", "after", "outcome")
#: The action of the row that says which rows were erased.
ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: who did what to which object, why, with what result. ``before`` and ``after`` are what differs."""

    action: str
    actor: str = "bridge"
    cycle: str = ""
    side: str = ""
    kind: str = ""
    link: str = ""
    anchor: str = ""
    reason: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An entry as it stands in the journal."""

    seq: int
    at: datetime
    entry: Entry
    hash: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a school's chain: keep it where whoever can write the database can't."""

    school: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.school}:{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The head that was written down as ``str`` writes it; ValueError. A root's name may have colons in it."""
        school, number, head = text.rsplit(":", 2)
        if not school or not number.isdecimal() or len(head) != 64:
            raise ValueError(text)
        return cls(school, int(number), head)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the journal is whole: ``seq`` is the first row that isn't, ``message`` what is wrong with it."""

    ok: bool
    rows: int
    seq: int | None = None
    message: str = ""


_HEAD = select(school.c.journal_seq, school.c.journal_hash).where(school.c.code == MINE)
_MOVE = update(school).where(school.c.code == MINE).values(journal_seq=bindparam("seq"), journal_hash=bindparam("last"))


def append(tx: Transaction, entries: Iterable[Entry]) -> int:
    """Append entries and move the head; returns the head's number."""
    head = tx.rows(_HEAD)[0]
    seq, last = head.journal_seq, head.journal_hash
    rows: list[dict[str, Any]] = []
    for entry in entries:
        seq += 1
        row = _row(seq, tx.now, entry)
        salt = secrets.token_hex(16)
        digest = _digest(salt, row)
        last = _chained(tx.school, last, row, digest)
        rows.append({**row, "salt": salt, "digest": digest, "hash": last})
    if rows:
        tx.add(journal, rows)
        tx.run(_MOVE, seq=seq, last=last)
    return int(seq)


def _row(seq: int, at: datetime, entry: Entry) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": at,
        "actor": entry.actor,
        "cycle": entry.cycle,
        "side": str(entry.side),
        "kind": entry.kind,
        "action": str(entry.action),
        "link": entry.link,
        "anchor": entry.anchor,
        "reason": entry.reason,
        "before": dump(dict(entry.before)),
        "after": dump(dict(entry.after)),
        "outcome": entry.outcome,
    }


def _digest(salt: str, row: Mapping[str, Any]) -> str:
    content = dump({name: row[name] for name in PERSONAL})
    return hashlib.sha256(f"{salt}\n{content}".encode()).hexdigest()


def _chained(code: str, last: str, row: Mapping[str, Any], digest: str) -> str:
    at: datetime = row["at"]
    plain = {name: value for name, value in row.items() if name not in PERSONAL}
    times = {"at": at.astimezone(UTC).isoformat(timespec="microseconds")}
    content = dump({**plain, **times, "school": code, "personal": digest})
    return hashlib.sha256(f"{last}\n{content}".encode()).hexdigest()


def _stream(connection: Connection, code: str, *, after: int = 0, link: str | None = None) -> Iterator[dict[str, Any]]:
    while True:
        mine = and_(journal.c.school == code, journal.c.seq > after)
        query = select(journal).where(mine if link is None else and_(mine, journal.c.link == link))
        rows = connection.execute(query.order_by(journal.c.seq).limit(_PAGE)).mappings().all()
        for row in rows:
            yield {name: value for name, value in row.items() if name != "school"}
        if len(rows) < _PAGE:
            return
        after = rows[-1]["seq"]


def verify(connection: Connection, code: str, *, against: Checkpoint | None = None) -> Verdict:
    """Walk the whole chain; the first row that was changed, dropped or inserted ends it."""
    head = connection.execute(select(school.c.journal_seq, school.c.journal_hash).where(school.c.code == code)).one()
    seq, last = 0, ""
    erased: set[int] = set()
    said: set[int] = set()
    for row in _stream(connection, code):
        stored, salt, digest = row.pop("hash"), row.pop("salt"), row.pop("digest")
        if row["seq"] != seq + 1:
            return Verdict(False, seq, seq + 1, f"row {seq + 1} is missing: row {row['seq']} follows row {seq}")
        seq += 1
        try:
            genuine = not salt or digest == _digest(salt, row)
            expected = _chained(code, last, row, digest) if genuine else ""
        except (TypeError, ValueError, AttributeError):
            expected = ""
        if stored != expected:
            found = f"row {seq} was changed, or put in its place: its hash does not follow from row {seq - 1}"
            return Verdict(False, seq - 1, seq, found)
        last = stored
        if not salt:
            erased.add(seq)
        elif row["action"] == ERASE:
            said.update(json.loads(row["after"]).get("rows", ()))
        if against is not None and against.seq == seq and against.hash != last:
            return Verdict(False, seq, seq, f"row {seq} is not the one of the checkpoint: the chain was written anew")
    if against is not None and against.seq > seq:
        return Verdict(False, seq, seq + 1, f"row {seq + 1} is missing: the checkpoint knows {against.seq} rows")
    if seq < head.journal_seq:
        return Verdict(False, seq, seq + 1, f"row {seq + 1} is missing: {head.journal_seq} rows were written")
    if seq > head.journal_seq or last != head.journal_hash:
        return Verdict(False, seq, head.journal_seq + 1, f"row {head.journal_seq + 1} was inserted at the end")
    if erased - said:
        first = min(erased - said)
        return Verdict(False, seq, first, f"row {first} was emptied, but no erasure was noted for it")
    return Verdict(True, seq)


def erase(tx: Transaction, rows: Mapping[int, Mapping[str, str]]) -> None:
    """Put other values into the PERSONAL columns of rows (by number) and forget their salts; to be noted by ERASE."""
    mine = and_(journal.c.school == tx.school, journal.c.seq == bindparam("of"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in PERSONAL}
    statement = update(journal).where(mine).values({**values, "salt": ""})
    tx.run(statement, ({"of": seq, **{f"new_{name}": new[name] for name in PERSONAL}} for seq, new in rows.items()))


def checkpoint(connection: Connection, code: str) -> Checkpoint:
    """The head as it is now."""
    head = connection.execute(select(school.c.journal_seq, school.c.journal_hash).where(school.c.code == code)).one()
    return Checkpoint(code, head.journal_seq, head.journal_hash)


def read(
    connection: Connection, code: str, *, after: int = 0, link: str | None = None, limit: int | None = None
) -> Iterator[Written]:
    """Entries from row ``after`` on, oldest first; without ``after`` and with a ``limit`` the newest ones."""
    if limit is not None and after == 0:
        mine = journal.c.school == code
        newest = select(journal.c.seq).where(mine if link is None else and_(mine, journal.c.link == link))
        first = connection.execute(newest.order_by(journal.c.seq.desc()).limit(limit)).scalars().all()
        after = first[-1] - 1 if first else 0
    for number, row in enumerate(_stream(connection, code, after=after, link=link)):
        if limit is not None and number >= limit:
            return
        texts = {name: row[name] for name in Entry.__slots__ if name not in {"before", "after"}}
        entry = Entry(**texts, before=json.loads(row["before"]), after=json.loads(row["after"]))
        yield Written(row["seq"], row["at"], entry, row["hash"])


def redacted(one: Written) -> Written:
    """The same without values: which fields differed, not from what to what. The hash stays that of the full row."""
    entry = one.entry
    hidden = Entry(
        action=entry.action,
        actor=entry.actor,
        cycle=entry.cycle,
        side=entry.side,
        kind=entry.kind,
        link=entry.link,
        anchor=entry.anchor,
        reason="",
        before=dict.fromkeys(entry.before, "…"),
        after=dict.fromkeys(entry.after, "…"),
        outcome=entry.outcome,
    )
    return Written(one.seq, one.at, hidden, one.hash)
