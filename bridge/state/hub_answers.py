"""Answers of sites to commands: each closes the command that it is about, and is journaled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from bridge.fleet.messages import Message
from bridge.fleet.orders import journaled
from bridge.state.fleet_tables import hub_command
from bridge.state.hub_journal import HUB
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_STATES = ("done", "refused", "expired")
#: Characters of an answer that are kept: that to a check of a configuration holds a diff.
_LONGEST = 400_000


@dataclass(frozen=True, slots=True)
class Answered:
    """What a site says became of a command."""

    command: str
    site: str
    state: str
    text: str
    at: datetime


def answer_of(site: str, message: Message) -> Answered | None:
    """The answer in a message; None where the body is none."""
    command, state, text = (message.body.get(name) for name in ("command", "state", "text"))
    if not isinstance(command, str) or not _ID.fullmatch(command) or state not in _STATES:
        return None
    said = (
        "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
        if isinstance(text, str)
        else ""
    )
    return Answered(command, site, str(state), said[:_LONGEST], message.at)


def close(tx: Transaction, answers: Sequence[Answered]) -> dict[str, list[Entry]]:
    """Close commands; by school, what is to be journaled. Only the site that was asked may answer, and only once.

    What was withdrawn or expired here meanwhile may have been done there before: what the site says is what counts.
    """
    if not answers:
        return {}
    ids = sorted({one.command for one in answers})
    query = select(hub_command).where(hub_command.c.id.in_(ids)).order_by(hub_command.c.id).with_for_update()
    open_ = {row.id: row for row in tx.rows(query) if row.state not in ("done", "refused")}
    entries: dict[str, list[Entry]] = {}
    rows: list[dict[str, Any]] = []
    for one in answers:
        row = open_.get(one.command)
        if row is None or row.site != one.site:
            continue
        del open_[one.command]
        rows.append({"of": one.command, "state": one.state, "answer": one.text, "answered": tx.now})
        entries.setdefault(row.school or HUB, []).append(
            Entry(
                "answer",
                actor=f"site:{one.site}",
                kind="command",
                anchor=row.id,
                reason=journaled(one.text),
                before={"state": row.state},
                after={"command": row.id, "state": one.state},
                outcome=one.state,
            )
        )
    statement = update(hub_command).where(hub_command.c.id == bindparam("of"))
    names = ("state", "answer", "answered")
    tx.run(statement.values({name: bindparam(name) for name in names}), rows)
    return entries
