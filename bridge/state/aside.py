"""What a hub does not take makes room in the outbox, under its number, for a message that says so."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, select, update

from bridge.state.database import Database
from bridge.state.fleet_tables import outbox
from bridge.state.outbox import ASIDE, Packed, alone, opened, written
from bridge.state.tokens import NOBODY

#: What is left of an answer whose text is not taken.
BARE = "the hub could not take the text of this answer; it stands in the school's journal"


def set_aside(database: Database, report: Packed, seq: int, why: str) -> bool:
    """Put another message in the place of one of a report; False where it was one of these already.

    Of an answer the bare outcome is left, so that the hub hears of it; of all else a notice that says which message it
    was and why.
    """
    with opened(database) as tx:
        rows = tx.rows(select(outbox).where(outbox.c.seq == seq)) if alone(tx).epoch == report.epoch else []
        if not rows or rows[0].slot == ASIDE:
            return False
        values = _bare(rows[0]) or _notice(rows[0], report, why)
        tx.run(update(outbox).where(outbox.c.place == rows[0].place).values(values))
    return True


def _bare(row: Row[Any]) -> dict[str, str]:
    body = json.loads(row.body)
    if row.kind != "answer" or body.get("text") == BARE:
        return {}
    return {"school": NOBODY, "body": written({**body, "text": BARE})}


def _notice(row: Row[Any], report: Packed, why: str) -> dict[str, str]:
    text = f"a message ({row.kind} of {row.school or 'this site'}) was set aside, the hub does not take it: {why}"
    body = {"severity": "warning", "text": text, "over": False, "key": f"{ASIDE}-{report.epoch}-{row.seq}"}
    return {"school": NOBODY, "kind": "notice", "slot": ASIDE, "body": written(body)}
