"""What sites are asked: commands, which wait until they are answered or expire, and questions, which are sent once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, or_, select, update

from bridge.fleet.messages import Signed
from bridge.state.database import Database
from bridge.state.fleet_tables import hub_command, hub_question
from bridge.state.hub_journal import HUB, note
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

#: After so long without an answer a command is sent again; the site carries each out once.
AGAIN = timedelta(seconds=30)
#: Orders in one receipt, and bytes of them all: one that a site can't read would keep the others from it for ever.
MOST, BYTES = 50, 4 << 20
OPEN = ("waiting", "sent")
#: Characters of a value in a journaled action.
_BRIEF = 200


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was asked. ``order``: as the site gets it, signed."""

    id: str
    site: str
    school: str
    action: str
    order: str
    actor: str
    reason: str
    wave: str
    asked: datetime
    expires: datetime
    state: str = "waiting"
    sent: datetime | None = None
    answered: datetime | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Orders:
    """What one site is to get now."""

    commands: list[Signed] = field(default_factory=list)
    questions: list[Signed] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Letters of them all."""
        return sum(len(one.text) + len(one.value) for one in (*self.commands, *self.questions))

    def __bool__(self) -> bool:
        return bool(self.commands or self.questions)


def ask(database: Database, command: Command) -> tuple[Command, bool]:
    """Keep a command and journal that it was asked; the same id again: what stands there, and False."""
    with database.write() as connection:
        found, new = put(connection, [command])[0]
        return found, new


def put(connection: Connection, commands: Sequence[Command]) -> list[tuple[Command, bool]]:
    """The same for several, within a transaction."""
    found: list[tuple[Command, bool]] = []
    entries: dict[str, list[Entry]] = {}
    for command in commands:
        known = _row(connection, command.id)
        if known is None and _new(connection, command):
            found.append((command, True))
            entry = Entry(
                "ask", actor=command.actor, kind="command", anchor=command.id, reason=command.reason,
                after={
                    "command": command.id, "action": _brief(command.action), "site": command.site, "wave": command.wave,
                },
            )  # fmt: skip
            entries.setdefault(command.school or HUB, []).append(entry)
            continue
        known = known or _row(connection, command.id)  # another process asked the same meanwhile
        assert known is not None  # noqa: S101
        found.append((_command(known), False))
    if commands:
        note(connection, commands[0].asked, entries)
    return found


def _new(connection: Connection, command: Command) -> bool:
    row = {name: getattr(command, name) for name in Command.__slots__}
    tx = Transaction(connection, "", {}, command.asked)
    statement = tx.insert(hub_command).on_conflict_do_nothing().returning(hub_command.c.id)
    return connection.execute(statement, row).scalar() is not None


def _brief(action: str) -> str:
    """An action as it is journaled: of a long text, as a school's file is, only the digest."""
    tree = json.loads(action)
    for name, value in tree.items():
        if isinstance(value, str) and len(value) > _BRIEF:
            tree[name] = f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    return json.dumps(tree, sort_keys=True)


def command(database: Database, name: str) -> Command | None:
    """The command of this id."""
    with database.read() as connection:
        row = _row(connection, name)
    return None if row is None else _command(row)


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(hub_command).where(hub_command.c.id == name)).first()


def _command(row: Row[Any]) -> Command:
    return Command(**{name: getattr(row, name) for name in Command.__slots__})


def closed(database: Database, names: Iterable[str]) -> list[Command]:
    """Those of some commands that are not open any more."""
    query = select(hub_command).where(hub_command.c.id.in_([*names]), hub_command.c.state.not_in(OPEN))
    with database.read() as connection:
        return [_command(row) for row in connection.execute(query)]


def take_back(connection: Connection, names: Iterable[str], *, at: datetime, actor: str, reason: str) -> None:
    """Ask no more. One that was sent may be carried out all the same: what the site answers then is what counts."""
    query = select(hub_command).where(hub_command.c.id.in_(sorted(set(names))), hub_command.c.state.in_(OPEN))
    rows = connection.execute(query.order_by(hub_command.c.id).with_for_update()).all()
    _close(connection, rows, "withdrawn", at, actor=actor, reason=reason)


#: Of a command that no site fetched, and of one whose answer never came: it may be all that a crash lost.
UNHEARD = "the site was not heard in time, and nothing was done; ask again"
UNANSWERED = (
    "the site got it and gave no answer in time: it may have been carried out; look at the school, then ask again"
)


def expire(database: Database) -> int:
    """Close what was asked in vain, and forget questions whose time is over; how many commands were closed."""
    with database.write() as connection:
        now = database.clock()
        connection.execute(delete(hub_question).where(hub_question.c.expires < now))
        over = and_(hub_command.c.state.in_(OPEN), hub_command.c.expires < now)
        query = select(hub_command).where(over).order_by(hub_command.c.id).limit(500)
        rows = connection.execute(query.with_for_update(skip_locked=True)).all()
        for reason, sent in ((UNHEARD, False), (UNANSWERED, True)):
            some = [row for row in rows if (row.sent is not None) is sent]
            _close(connection, some, "expired", now, actor="hub", reason=reason)
    return len(rows)


def _close(
    connection: Connection, rows: Iterable[Row[Any]], state: str, now: datetime, *, actor: str, reason: str
) -> None:
    entries: dict[str, list[Entry]] = {}
    changed: list[dict[str, Any]] = []
    for row in rows:
        changed.append({"of": row.id, "state": state, "answer": reason, "answered": now})
        entries.setdefault(row.school or HUB, []).append(
            Entry(
                f"{'withdraw' if state == 'withdrawn' else 'expire'} command", actor=actor, kind="command",
                anchor=row.id, reason=reason, before={"state": row.state}, after={"command": row.id, "state": state},
            )
        )  # fmt: skip
    values: dict[str, Any] = {one: bindparam(one) for one in ("state", "answer", "answered")}
    tx = Transaction(connection, "", {}, now)
    tx.run(update(hub_command).where(hub_command.c.id == bindparam("of")).values(values), changed)
    note(connection, now, entries)


# --- on their way -----------------------------------------------------------------------------------------------------


def due(database: Database) -> set[str]:
    """Names of the sites that something waits for: one look for all of them."""
    now = database.clock()
    with database.read() as connection:
        names = set(connection.execute(select(hub_command.c.site).where(_sendable(now)).distinct()).scalars())
        asked = (hub_question.c.sent.is_(False)) & (hub_question.c.expires > now)
        names |= set(connection.execute(select(hub_question.c.site).where(asked).distinct()).scalars())
    return names


def _sendable(now: datetime) -> Any:
    waiting = hub_command.c.state == "waiting"
    again = (hub_command.c.state == "sent") & (hub_command.c.sent < now - AGAIN)
    return and_(or_(waiting, again), hub_command.c.expires > now)


def take(database: Database, sites: Iterable[str]) -> dict[str, Orders]:
    """What is to be sent to these sites now; it counts as sent. Two that ask at once never get the same."""
    names = sorted(set(sites))
    if not names:
        return {}
    found: dict[str, Orders] = {}
    with database.write() as connection:
        now = database.clock()
        mine = hub_command.c.site.in_(names) & _sendable(now)
        query = select(hub_command.c.id, hub_command.c.site, hub_command.c.order).where(mine)
        query = query.order_by(hub_command.c.asked, hub_command.c.id).limit(MOST * len(names))
        rows = connection.execute(query.with_for_update(skip_locked=True)).all()
        sent = [row.id for row in rows if _add(found, row, "commands")]
        tx = Transaction(connection, "", {}, now)
        of = hub_command.c.id == bindparam("of")
        tx.run(update(hub_command).where(of).values(state="sent", sent=now), ({"of": name} for name in sent))
        asked = hub_question.c.site.in_(names) & hub_question.c.sent.is_(False) & (hub_question.c.expires > now)
        some = select(hub_question.c.id, hub_question.c.site, hub_question.c.order).where(asked)
        some = some.order_by(hub_question.c.asked, hub_question.c.id).limit(MOST * len(names))
        rows = connection.execute(some.with_for_update(skip_locked=True)).all()
        sent = [row.id for row in rows if _add(found, row, "questions")]
        tx.run(
            update(hub_question).where(hub_question.c.id == bindparam("of")).values(sent=True),
            ({"of": name} for name in sent),
        )
    return found


def _add(found: dict[str, Orders], row: Any, kind: str) -> bool:
    orders = found.setdefault(row.site, Orders())
    many: list[Signed] = getattr(orders, kind)
    if len(many) >= MOST or (orders and orders.size + len(row.order) > BYTES):
        return False
    many.append(Signed.model_validate_json(row.order))
    return True


# --- questions --------------------------------------------------------------------------------------------------------


def question(database: Database, row: Mapping[str, Any]) -> None:
    """Ask a question: a row of ``hub_question`` without ``sent`` and ``answer``."""
    with database.write() as connection:
        Transaction(connection, "", {}, database.clock()).run(
            hub_question.insert(), [{"sent": False, "answer": "", **row}]
        )  # fmt: skip


def answered(database: Database, name: str, *, site: str, answer: str) -> bool:
    """Keep the answer of the site that was asked, once; False where nobody asked it that, or not any more."""
    with database.write() as connection:
        mine = (hub_question.c.id == name) & (hub_question.c.site == site) & (hub_question.c.answer == "")
        good = mine & (hub_question.c.expires > database.clock())
        done = connection.execute(update(hub_question).where(good).values(answer=answer))
    return done.rowcount == 1


def fetch(database: Database, names: Iterable[str]) -> dict[str, str]:
    """Answers that came to these questions, by id; their rows are gone afterwards."""
    wanted = sorted(set(names))
    mine = hub_question.c.id.in_(wanted) & (hub_question.c.answer != "")
    with database.read() as connection:  # most looks find nothing: they must not wait for who writes
        found = {row.id: row.answer for row in connection.execute(select(hub_question).where(mine))}
    if found:
        with database.write() as connection:
            connection.execute(delete(hub_question).where(hub_question.c.id.in_(sorted(found))))
    return found
