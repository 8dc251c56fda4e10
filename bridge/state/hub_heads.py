"""Heads of the schools' journals as sites told them: a journal that was written anew, or cut, is noticed at the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, tuple_

from bridge.fleet.messages import Message
from bridge.state.fleet_tables import hub_head, hub_school
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

if TYPE_CHECKING:
    from bridge.state.hub_inbox import Posted

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a school's journal, and by which message it was told."""

    school: str
    seq: int
    hash: str
    site: str
    at: datetime
    received: datetime
    place: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """What is kept where a head does not fit to what was told before: an event, and a row of the hub's journal."""

    event: dict[str, Any]
    entry: Entry


def head_of(posted: Posted, message: Message) -> Head | None:
    """The head in a message; None where the body is none of a head, or nothing was written yet."""
    seq, value = message.body.get("seq"), message.body.get("hash")
    if not isinstance(seq, int) or not 0 < seq < 1 << 31 or not isinstance(value, str) or not _HASH.fullmatch(value):
        return None
    if not message.school:
        return None
    place = posted.report.epoch, message.seq
    return Head(message.school, seq, value, posted.site, message.at, posted.received, place)


def compared(tx: Transaction, heads: Sequence[Head]) -> dict[str, list[Change]]:
    """Keep heads; by school, those that contradict what was told before: fewer rows, or another hash of a row."""
    if not heads:
        return {}
    wanted = sorted({(one.school, one.seq) for one in heads})
    same = tuple_(hub_head.c.school, hub_head.c.seq).in_(wanted)
    known = {(row.school, row.seq): row.hash for row in tx.rows(select(hub_head).where(same))}
    last = _last(tx, {one.school for one in heads})
    found: dict[str, list[Change]] = {}
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for one in heads:
        before = known.get((one.school, one.seq), one.hash)
        if before != one.hash or one.seq < last.get(one.school, 0):
            found.setdefault(one.school, []).append(_change(one, before, last.get(one.school, 0)))
        known[one.school, one.seq] = one.hash
        last[one.school] = one.seq
        rows[one.school, one.seq] = {
            "school": one.school, "seq": one.seq, "hash": one.hash, "received": one.received
        }  # fmt: skip
    statement = tx.insert(hub_head)
    # The newer one counts from now on, so that the same is not told twice; the older stands in the event.
    newer = {"hash": statement.excluded.hash}
    tx.run(statement.on_conflict_do_update(index_elements=["school", "seq"], set_=newer), rows.values())
    return found


def _last(tx: Transaction, codes: set[str]) -> dict[str, int]:
    mine = (hub_school.c.slot == "head") & hub_school.c.school.in_(sorted(codes))
    rows = tx.rows(select(hub_school.c.school, hub_school.c.body).where(mine))
    told = {row.school: json.loads(row.body).get("seq") for row in rows}
    return {code: seq for code, seq in told.items() if isinstance(seq, int)}


def _change(one: Head, before: str, last: int) -> Change:
    """As an event of kind ``head``: states leave no row there, so that its number is free."""
    text = (
        f"row {one.seq} of the journal is another one than was told before"
        if before != one.hash
        else f"the journal ends at row {one.seq}, {last} were told before"
    )
    body = {
        "severity": "red", "text": f"{text}: it was written anew, cut, or put back from a backup", "seq": one.seq,
        "hash": one.hash, "before": before if before != one.hash else "", "last": last,
    }  # fmt: skip
    event = {
        "site": one.site, "epoch": one.place[0], "seq": one.place[1], "school": one.school, "kind": "head",
        "at": one.at, "received": one.received, "body": json.dumps(body),
    }  # fmt: skip
    entry = Entry(
        "journal changed at the site", actor=f"site:{one.site}", anchor=one.site, reason=text,
        before={"seq": last, "hash": body["before"]}, after={"seq": one.seq, "hash": one.hash},
    )  # fmt: skip
    return Change(event, entry)
