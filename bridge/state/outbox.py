"""What a site has to tell its hub, kept until the hub confirms it.

tell      a state takes the place of the one of its slot that was not sent yet; an event is added
pack      what is in flight, or else the oldest of what was never sent: these get their numbers now, and keep them
conclude  what the hub confirmed goes; where the hub knows more than this state, a new epoch begins (``core.fleet``)

A state is given a number only when it leaves: while the hub is away one batch is in flight, and all that changes
behind it stays one row a slot. Events are all kept, up to ``MOST_EVENTS``; then the oldest go, and a notice in their
place says how many. Whoever writes here holds the row of ``uplink`` under the empty code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from bridge.core.fleet import Mark, Verdict, answered
from bridge.fleet.messages import BODY
from bridge.state.database import Database
from bridge.state.fleet_tables import outbox, uplink
from bridge.state.tokens import NOBODY
from bridge.state.transaction import BATCH, Transaction

#: Events that wait at most: those of some years, as schools are.
MOST_EVENTS = 50_000
#: How many are dropped at once, so that it is not done again for each event that follows.
_DROPPED_AT_ONCE = 500
_DROPPED = "dropped"
#: The slot of a notice in the place of a message that the hub does not take (``aside``).
ASIDE = "aside"
#: Bytes of a message beside its body.
_ENVELOPE = 300


class TooLarge(ValueError):
    """A message's body is larger than the hub takes; ``str`` says which and how large. It was not kept."""


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell. ``slot`` empty: an event. ``once``: not where one of this slot is waiting or in flight."""

    kind: str
    body: Mapping[str, Any]
    school: str = ""
    slot: str = ""
    at: datetime | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A message with its number."""

    seq: int
    school: str
    kind: str
    at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes into a report; see ``bridge.core.fleet.Told``."""

    epoch: int
    last: int
    oldest: int
    messages: Sequence[Sent]


@contextmanager
def opened(database: Database) -> Iterator[Transaction]:
    """A transaction that may write the outbox, alone; after it nothing may wait for a school's row."""
    with database.write() as connection:
        tx = Transaction(connection, NOBODY, {}, database.clock(), database.key)
        alone(tx)
        yield tx


def alone(tx: Transaction) -> Mark:
    """Hold the outbox within a transaction; the epoch and the number given out last. The first epoch is 1."""
    row = {"school": NOBODY, "epoch": 1, "last": 0, "missing": 0, "told": ""}
    tx.run(tx.insert(uplink).on_conflict_do_nothing(), [row])
    found = tx.rows(select(uplink.c.epoch, uplink.c.last).where(uplink.c.school == NOBODY).with_for_update())[0]
    return Mark(found.epoch, found.last)


def tell(tx: Transaction, news: Sequence[News]) -> None:
    """Keep what is to be told, within a transaction that holds the outbox. Raises TooLarge."""
    if not news:
        return
    highest = tx.connection.scalar(select(func.max(outbox.c.place))) or 0
    added: list[dict[str, Any]] = []
    for one in news:
        body = written(one.body)
        if len(body) > BODY:
            raise TooLarge(f"{one.school or 'site'}: {one.kind} of {len(body) >> 10} KiB; {BODY >> 10} are taken")
        row = {"seq": 0, "school": one.school, "kind": one.kind, "slot": one.slot, "at": one.at or tx.now, "body": body}
        if one.slot and _stands(tx, one, row):
            continue
        highest += 1
        added.append({"place": highest, **row})
    tx.run(outbox.insert(), added)
    if any(not one.slot for one in news):
        _trim(tx, highest)


def written(body: Mapping[str, Any]) -> str:
    """A body as it is kept and measured: ASCII, so that letters are bytes."""
    return json.dumps(body, separators=(",", ":"))


def _stands(tx: Transaction, one: News, row: Mapping[str, Any]) -> bool:
    """Whether a row of that slot was put in its place, or makes it needless."""
    mine = (outbox.c.school == one.school) & (outbox.c.slot == one.slot)
    if one.once:
        return bool(tx.rows(select(outbox.c.place).where(mine).limit(1)))
    return tx.connection.execute(update(outbox).where(mine, outbox.c.seq == 0).values(row)).rowcount > 0


def _trim(tx: Transaction, highest: int) -> None:
    """Drop the oldest events that were never sent, where there are too many, and say how many."""
    lowest = tx.connection.scalar(select(func.min(outbox.c.place))) or 0
    events = (outbox.c.seq == 0) & (outbox.c.slot == "")
    if highest - lowest < MOST_EVENTS:
        return
    count = tx.connection.scalar(select(func.count()).where(events)) or 0
    if count <= MOST_EVENTS:
        return
    order = select(outbox.c.place).where(events).order_by(outbox.c.place)
    gone = [row.place for row in tx.rows(order.limit(count - MOST_EVENTS + _DROPPED_AT_ONCE))]
    for start in range(0, len(gone), BATCH):
        tx.run(delete(outbox).where(outbox.c.place.in_(gone[start : start + BATCH])))
    known = tx.rows(select(outbox).where(outbox.c.slot == _DROPPED, outbox.c.seq == 0))
    number = len(gone) + (json.loads(known[0].body)[_DROPPED] if known else 0)
    text = f"{number} events are lost: the hub was away for so long that more than {MOST_EVENTS} waited"
    body = json.dumps({"severity": "warning", "text": text, "over": False, _DROPPED: number})
    if known:
        tx.run(update(outbox).where(outbox.c.place == known[0].place).values(body=body, at=tx.now))
    else:
        row = {"seq": 0, "school": "", "kind": "notice", "slot": _DROPPED, "at": tx.now, "body": body}
        tx.run(outbox.insert(), [{"place": gone[0], **row}])


def flying(database: Database) -> Packed:
    """What was packed and is not confirmed, also if that is nothing. The first report of a process has to be this one.

    For new numbers would hide from the hub, and from this state, that the state was put back: a hub that applied 103
    messages of a state which remembers 100 would take the next three for repetitions.
    """
    with database.read() as connection:
        tx = Transaction(connection, NOBODY, {}, database.clock(), database.key)
        return _packed(_mark(tx), _flying(tx))


def pack(database: Database, *, most: int, size: int) -> Packed:
    """The next report: at most ``most`` messages of ``size`` bytes in all, always one if there is one.

    What was packed before and is not confirmed comes again, and nothing else until it is.
    """
    with database.read() as connection:
        tx = Transaction(connection, NOBODY, {}, database.clock(), database.key)
        mark, waits = _mark(tx), tx.rows(select(outbox.c.place).where(outbox.c.seq == 0).limit(1))
        these = _flying(tx)
    if these or not waits:
        return _packed(mark, these)
    with opened(database) as tx:
        mark = alone(tx)
        if not (these := _flying(tx)):
            mark = _number(tx, mark, most, size)
            these = _flying(tx)
    return _packed(mark, these)


def _mark(tx: Transaction) -> Mark:
    found = tx.rows(select(uplink.c.epoch, uplink.c.last).where(uplink.c.school == NOBODY))
    return Mark(found[0].epoch, found[0].last) if found else Mark(1, 0)


def _flying(tx: Transaction) -> list[Sent]:
    rows = tx.rows(select(outbox).where(outbox.c.seq > 0).order_by(outbox.c.seq))
    return [Sent(row.seq, row.school, row.kind, row.at, json.loads(row.body)) for row in rows]


def _packed(mark: Mark, these: Sequence[Sent]) -> Packed:
    return Packed(mark.epoch, mark.seq, these[0].seq if these else mark.seq + 1, these)


def _number(tx: Transaction, mark: Mark, most: int, size: int) -> Mark:
    rows = tx.rows(select(outbox.c.place, outbox.c.body).order_by(outbox.c.place).limit(most))
    last, left = mark.seq, size
    for row in rows:
        left -= len(row.body) + _ENVELOPE
        if left < 0 and last > mark.seq:
            break
        last += 1
        tx.run(update(outbox).where(outbox.c.place == row.place).values(seq=last))
    tx.run(update(uplink).where(uplink.c.school == NOBODY).values(last=last))
    return Mark(mark.epoch, last)


def conclude(database: Database, report: Packed, *, hub: Mark, verdict: Verdict, missing: int = 0) -> bool:
    """What the receipt for a report means; whether all states are to be told anew.

    So it is where this state is behind the hub and a new epoch begins, and where messages that the hub never got
    (``missing``, all in all) are others than it said before. A receipt that counts no more (see ``counts``) changes
    nothing.
    """
    with opened(database) as tx:
        site = alone(tx)
        if not counts(site, report, verdict):
            return False
        fresh, upto = answered(site, hub, verdict)
        if fresh.epoch == site.epoch:
            tx.run(delete(outbox).where(outbox.c.seq > 0, outbox.c.seq <= upto))
            mine = (uplink.c.school == NOBODY) & (uplink.c.missing != missing)
            return tx.connection.execute(update(uplink).where(mine).values(missing=missing)).rowcount > 0
        _anew(tx)
        tx.run(update(uplink).where(uplink.c.school == NOBODY).values(epoch=fresh.epoch, last=0, missing=missing))
        return True


def counts(site: Mark, report: Packed, verdict: Verdict) -> bool:
    """Whether a receipt still means something: not that of an older epoch.

    Nor "behind" for a report that more numbers were given out since: it was late, and the hub had heard more by then.
    """
    late = verdict is Verdict.BEHIND and report.last < site.seq
    return report.epoch == site.epoch and not late


def behind(database: Database, report: Packed, verdict: Verdict) -> bool:
    """Whether the hub knows more than this state: it was put back from a backup. Changes nothing."""
    with database.read() as connection:
        tx = Transaction(connection, NOBODY, {}, database.clock(), database.key)
        return verdict is Verdict.BEHIND and counts(_mark(tx), report, verdict)


def _anew(tx: Transaction) -> None:
    """Nothing was sent in the new epoch: of several states of a slot only the newest stays."""
    tx.run(update(outbox).values(seq=0))
    states = (outbox.c.slot != "") & outbox.c.slot.not_in((_DROPPED, ASIDE))
    newest = select(func.max(outbox.c.place)).where(states).group_by(outbox.c.school, outbox.c.slot)
    tx.run(delete(outbox).where(states, outbox.c.place.not_in(newest)))


def waiting(database: Database) -> int:
    """How many messages the hub has not confirmed."""
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(outbox)) or 0


# -- what events were told up to


def told(connection: Connection) -> dict[str, dict[str, Any]]:
    """School's code (empty: the whole site) -> what was remembered of it."""
    rows = connection.execute(select(uplink.c.school, uplink.c.told))
    return {row.school: json.loads(row.told) for row in rows if row.told}


def remember(tx: Transaction, code: str, what: Mapping[str, Any]) -> None:
    """Remember it, in the transaction of the events that it is about, which holds the outbox."""
    text = json.dumps(what, ensure_ascii=False, sort_keys=True)
    if code == NOBODY:
        tx.run(update(uplink).where(uplink.c.school == NOBODY).values(told=text))
        return
    row = {"school": code, "epoch": 0, "last": 0, "missing": 0, "told": text}
    statement = tx.insert(uplink)
    changed = statement.on_conflict_do_update(index_elements=["school"], set_={"told": text})
    tx.run(changed, [row])
