"""The rows of waves: as they were begun, what was attested before, and the orders that they ask.

All of a step is one transaction that has the waves for itself: what was told is read, and what is decided, asked and
journaled is written together. So a crash leaves the step undone, and a second process sees what the first one did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, select

from bridge.core.wave_run import Ask, Part, Wave, Wish, begins_with, order_id
from bridge.fleet.messages import Order
from bridge.fleet.orders import LONGEST, sign
from bridge.hub.known import read_time
from bridge.state import hub_journal
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_command, hub_need, hub_wave
from bridge.state.hub_journal import HUB
from bridge.state.hub_orders import Command
from bridge.state.tables import school
from bridge.state.transaction import BATCH, Transaction

#: An order is given up so long after it was asked, at the latest.
_GOOD = LONGEST - timedelta(hours=1)
#: So long a school may take to learn that it is to begin at once.
_AT_ONCE = timedelta(minutes=30)
_SCOPES = {Wish.FREEZE: ("operate", "approve"), Wish.SCHEDULE: ("operate",), Wish.UNSCHEDULE: ("operate",)}


@dataclass(frozen=True, slots=True)
class Began:
    """A wave as its row says: by whom, why, and when its first school is to begin (None: at once).

    ``changed``: since when it is in its state.
    """

    wave: Wave
    actor: str
    reason: str
    starts: datetime | None
    changed: datetime


@contextmanager
def alone(database: Database) -> Iterator[Transaction]:
    """A transaction that nobody else who changes waves is in; SQLite lets only one write anyway."""
    with database.write() as connection:
        hub_journal.alone(connection, hub_journal.WAVES)
        yield Transaction(connection, HUB, {}, database.clock(), database.key)


def begun(connection: Connection, name: str) -> Began | None:
    """A wave that was begun."""
    row = connection.execute(select(hub_wave).where(hub_wave.c.name == name)).first()
    return _began(row) if row is not None else None


def all_begun(connection: Connection) -> dict[str, Began]:
    """All waves that were begun, by name."""
    return {row.name: _began(row) for row in connection.execute(select(hub_wave))}


def running(connection: Connection) -> list[str]:
    """Names of those that run."""
    return list(connection.scalars(select(hub_wave.c.name).where(hub_wave.c.state == "running").order_by("name")))


def _began(row: Row[Any]) -> Began:
    said = json.loads(row.schools)
    parts = tuple(_part(one) for one in said["parts"])
    wave = Wave(row.name, row.begun, parts, stop_after=said["stop_after"], state=row.state, why=row.why)
    return Began(wave, row.actor, row.reason, row.starts, row.changed)


def _part(one: Mapping[str, Any]) -> Part:
    return Part(
        one["code"],
        at=read_time(one["at"]),
        attempt=one["attempt"],
        asked=read_time(one["asked"]),
        before=frozenset(one["before"]),
        kept=one["kept"],
    )


def keep(tx: Transaction, one: Began) -> None:
    """Write a wave, in place of what is there under its name."""
    wave = one.wave
    parts = [
        {
            "code": part.code,
            "at": part.at.isoformat() if part.at else None,
            "attempt": part.attempt,
            "asked": part.asked.isoformat() if part.asked else None,
            "before": sorted(part.before),
            "kept": part.kept,
        }
        for part in wave.parts
    ]
    row = {
        "name": wave.name,
        "state": wave.state,
        "begun": wave.begun,
        "starts": one.starts,
        "actor": one.actor,
        "reason": one.reason,
        "why": wave.why,
        "changed": one.changed,
        "schools": json.dumps({"stop_after": wave.stop_after, "parts": parts}),
    }
    changes = {name: value for name, value in row.items() if name != "name"}
    tx.run(tx.insert(hub_wave).values(row).on_conflict_do_update(index_elements=["name"], set_=changes))


def answers(connection: Connection, wave: Wave) -> dict[str, tuple[str, str]]:
    """School -> (state, answer) of the order by which it was asked to begin in this attempt."""
    ids = {order_id(wave, part, begins_with(part)): part.code for part in wave.parts}
    found: dict[str, tuple[str, str]] = {}
    names = sorted(ids)
    for start in range(0, len(names), BATCH):
        query = select(hub_command.c.id, hub_command.c.state, hub_command.c.answer)
        for row in connection.execute(query.where(hub_command.c.id.in_(names[start : start + BATCH]))):
            found[ids[row.id]] = (row.state, _text(row.answer))
    return found


def unsent(connection: Connection, commands: Sequence[str]) -> set[str]:
    """Those of some orders that no site ever got, whatever became of them."""
    mine = hub_command.c.id.in_(commands) & hub_command.c.sent.is_(None)
    mine &= hub_command.c.state.not_in(("done", "refused"))
    return set(connection.scalars(select(hub_command.c.id).where(mine)))


def _text(answer: str) -> str:
    """What the site said, out of the body of its answer."""
    try:
        said = json.loads(answer)
    except ValueError:
        return answer
    return str(said.get("text", "")) if isinstance(said, Mapping) else answer


def hold(tx: Transaction, commands: Sequence[str], codes: Sequence[str]) -> None:
    """Lock what a step will write in the order in which everybody does: commands, then the schools of journals."""
    mine = select(hub_command.c.id).where(hub_command.c.id.in_(sorted(commands)))
    tx.rows(mine.order_by(hub_command.c.id).with_for_update())
    tx.run(tx.insert(school).on_conflict_do_nothing(), ({"code": code} for code in codes))
    tx.rows(select(school.c.code).where(school.c.code.in_(codes)).order_by(school.c.code).with_for_update())


def order(tx: Transaction, key: Ed25519PrivateKey, one: Began, what: Ask, *, site: str) -> Command:
    """The order for a site, signed; kept by ``hub_orders.put`` in the transaction that decided it."""
    ends = tx.now + (_AT_ONCE if what.wish is Wish.FREEZE else _GOOD)
    if what.at is not None:
        ends = min(ends, what.at)
    reason = f"wave {one.wave.name}: {one.reason}"[:500]
    action = {"action": what.wish.value, "reason": reason, **({"at": what.at.isoformat()} if what.at else {})}
    made = Order.model_validate(
        {
            "id": what.id, "site": site, "school": what.code, "actor": one.actor.removeprefix("api:")[:100],
            "scopes": _SCOPES[what.wish], "issued": tx.now, "expires": ends, "action": action,
        }
    )  # fmt: skip
    return Command(
        id=what.id, site=site, school=what.code, action=json.dumps(action, sort_keys=True),
        order=sign(made, key).model_dump_json(), actor=one.actor, reason=reason, wave=one.wave.name, asked=tx.now,
        expires=ends,
    )  # fmt: skip


def attested(connection: Connection) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(wave, need) -> who said that it is so, why and when."""
    return {
        (row.wave, row.need): {"actor": row.actor, "reason": row.reason, "at": row.at}
        for row in connection.execute(select(hub_need))
    }


def attest(tx: Transaction, wave: str, need: str, *, actor: str, reason: str) -> None:
    """Remember that somebody said it."""
    row = {"actor": actor, "reason": reason, "at": tx.now}
    statement = tx.insert(hub_need).values(wave=wave, need=need, **row)
    tx.run(statement.on_conflict_do_update(index_elements=["wave", "need"], set_=row))


def unattest(tx: Transaction, wave: str, need: str) -> bool:
    """Forget it; whether somebody had said it."""
    mine = (hub_need.c.wave == wave) & (hub_need.c.need == need)
    return tx.connection.execute(delete(hub_need).where(mine)).rowcount > 0
