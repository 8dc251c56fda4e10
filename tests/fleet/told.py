"""Writes what sites told, as the hub's inbox does it: rows of its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import update

from bridge.state.database import Database
from bridge.state.fleet_tables import hub_command, hub_school, hub_site
from bridge.state.transaction import Transaction


def site(database: Database, name: str, *schools: str, heard: datetime | None = None, ahead: float = 0) -> None:
    """A site that was enrolled, and heard."""
    row = {"site": name, "schools": " ".join(schools), "made": database.clock(), "heard": heard, "ahead": ahead}
    _put(database, hub_site, ["site"], row)


def school(database: Database, code: str, **view: Any) -> None:
    """The state of a school, slot ``school``."""
    _slot(database, code, "school", {"view": {"code": code, "name": f"School {code}", "health": "green", **view}})


def cutover(database: Database, code: str, **said: Any) -> None:
    """The state of a school, slot ``cutover``."""
    _slot(database, code, "cutover", {"school": code, **said})


def run(id_: str, started: datetime, **more: Any) -> dict[str, Any]:
    """A RunView as it was sent."""
    times = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in more.items()}
    return {"id": id_, "started": started.isoformat(), **times}


def answer(database: Database, id_: str, state: str, text: str = "") -> None:
    """The site answered an order."""
    with database.write() as connection:
        connection.execute(
            update(hub_command)
            .where(hub_command.c.id == id_)
            .values(state=state, answer=json.dumps({"text": text}), answered=database.clock())
        )


def _slot(database: Database, code: str, slot: str, body: Mapping[str, Any]) -> None:
    now = database.clock()
    row = {"school": code, "slot": slot, "site": "x", "at": now, "received": now, "body": json.dumps(body)}
    _put(database, hub_school, ["school", "slot"], row)


def _put(database: Database, table: Any, keys: list[str], row: Mapping[str, Any]) -> None:
    with database.write() as connection:
        tx = Transaction(connection, "", {}, database.clock())
        statement = tx.insert(table).values(row)
        tx.run(statement.on_conflict_do_update(index_elements=keys, set_=row))
