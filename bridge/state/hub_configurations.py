"""The files of schools that a hub wanted, one version after another: drafted, checked at the site, asked for, in force.

A state follows from the command by which the site was asked: ``settle`` looks at what became of it, whoever reads next.
Each step is guarded by the state that it begins from; two who do the same at once do it once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from bridge.state.database import Database
from bridge.state.fleet_tables import hub_command, hub_configuration, hub_school
from bridge.state.hub_journal import alone, note
from bridge.state.hub_orders import OPEN
from bridge.state.journal import Entry
from bridge.state.transaction import Transaction

DRAFT, CHECKED, ASKED, IN_FORCE, REPLACED, REFUSED = "draft", "checked", "asked", "in force", "replaced", "refused"
#: So many versions of a school are kept, and the one in force.
MOST = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version. ``text`` empty: the school is to be taken from its site."""

    school: str
    version: int
    text: str
    digest: str
    actor: str
    reason: str
    at: datetime
    state: str = DRAFT
    answer: str = ""
    command: str = ""
    checked: str = ""


def versions(database: Database, school: str) -> Sequence[Wanted]:
    """All versions that are kept, the newest first, as the site's last answers leave them."""
    settle(database, school)
    with database.read() as connection:
        return [_wanted(row) for row in _rows(connection, school)]


def _rows(connection: Connection, school: str) -> Sequence[Row[Any]]:
    mine = hub_configuration.c.school == school
    return connection.execute(
        select(hub_configuration).where(mine).order_by(hub_configuration.c.version.desc())
    ).all()  # fmt: skip


def _wanted(row: Row[Any]) -> Wanted:
    return Wanted(**{name: getattr(row, name) for name in Wanted.__slots__})


def draft(database: Database, school: str, text: str, *, digest: str, actor: str, reason: str) -> Wanted:
    """Keep a new version, journal it, and forget what is older than the last ones."""
    with database.write() as connection:
        alone(connection)
        now, rows = database.clock(), _rows(connection, school)
        made = Wanted(school, rows[0].version + 1 if rows else 1, text, digest, actor, reason, now)
        tx = Transaction(connection, school, {}, now)
        tx.run(tx.insert(hub_configuration), [{name: getattr(made, name) for name in Wanted.__slots__}])
        old = [row.version for row in rows[MOST - 1 :] if row.state != IN_FORCE]
        mine = hub_configuration.c.school == school
        tx.run(hub_configuration.delete().where(mine, hub_configuration.c.version.in_(old)))
        after = {"version": made.version, "digest": digest}
        note(connection, now, {school: [Entry("configure", actor=actor, reason=reason, after=after, outcome=DRAFT)]})
    return made


def asked(database: Database, one: Wanted, command: str, *, state: str) -> bool:
    """The site is about to be asked by this command; False where somebody else did something with it meanwhile."""
    values = {"command": command, "state": state, "answer": ""} | ({"checked": ""} if state == DRAFT else {})
    with database.write() as connection:
        return _change(connection, one, values)


def _change(connection: Connection, one: Any, values: dict[str, str]) -> bool:
    table = hub_configuration.c
    mine = (table.school == one.school) & (table.version == one.version)
    same = (table.state == one.state) & (table.command == one.command)
    done = connection.execute(
        update(hub_configuration).where(mine, same).values(values).returning(table.version)
    ).all()  # fmt: skip
    return bool(done)


def settle(database: Database, school: str) -> None:
    """Take over what became of the commands about a school's versions."""
    with database.read() as connection:
        if not _news(connection, school):
            return
    with database.write() as connection:
        alone(connection)
        for row, values in _news(connection, school):
            if not _change(connection, row, values):
                continue
            entries = [_entry(row, values)]
            if values["state"] == IN_FORCE:
                mine = (hub_configuration.c.school == school) & (hub_configuration.c.version != row.version)
                before = mine & (hub_configuration.c.state == IN_FORCE)
                connection.execute(update(hub_configuration).where(before).values(state=REPLACED))
            note(connection, database.clock(), {school: entries})


def _entry(row: Row[Any], values: dict[str, str]) -> Entry:
    after = {"version": row.version, "digest": row.digest, "state": values["state"]}
    return Entry("configure", actor="bridge", before={"state": row.state}, after=after, outcome=values["state"])


def _news(connection: Connection, school: str) -> list[tuple[Row[Any], dict[str, str]]]:
    """(version, what it is now) of those of which the site answered."""
    table, became = hub_configuration.c, hub_command.c.state
    # What expired here may have been done there before: then the site says so later, and that counts.
    late = (table.state == REFUSED) & (became == "done")
    mine = (table.school == school) & (late | (table.state.in_((DRAFT, ASKED)) & became.not_in(OPEN)))
    query = select(hub_configuration, became.label("became"), hub_command.c.answer.label("said"))
    query = query.join(hub_command, hub_command.c.id == table.command).where(mine).order_by(table.version)
    rows = connection.execute(query).all()
    told = _told(connection, school) if rows else 0
    return [(row, values) for row in rows if (values := _now(row, runs=told == row.version)) is not None]


def _now(row: Row[Any], *, runs: bool) -> dict[str, str] | None:
    """What a version is after the answer; None: what it was. ``runs``: the site says that it is in force."""
    done, step = row.became == "done", "apply" if row.checked else "check"
    if step == "check":
        return {"state": CHECKED, "checked": row.said, "answer": ""} if done else _refused(row)
    if runs or (done and row.state == ASKED):
        return {"state": IN_FORCE, "answer": row.said}
    return None if row.state == REFUSED else _refused(row)


def _refused(row: Row[Any]) -> dict[str, str]:
    return {"state": REFUSED, "answer": row.said if row.became == "refused" else f"{row.became}: {row.said}"}


def _told(connection: Connection, school: str) -> int:
    """Which version the site says that it runs: an answer may be lost with a crash, what is in force is told anew."""
    mine = (hub_school.c.school == school) & (hub_school.c.slot == "configuration")
    body = connection.execute(select(hub_school.c.body).where(mine)).scalar()
    version = json.loads(body).get("version", 0) if body else 0
    return version if isinstance(version, int) else 0
