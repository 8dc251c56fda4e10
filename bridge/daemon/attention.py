"""See soon what another process did to a stage or a cutover, and keep the deadline of a cutover: one query a look.

With another query, where this daemon stands by for some schools: whether one of their leases has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.model import Side
from bridge.daemon import threads
from bridge.daemon.supervisor import Supervisor
from bridge.daemon.trouble import place
from bridge.state.changeover import going_on
from bridge.state.database import Database

#: Seconds between two looks.
LOOK = 2.0


async def attend(database: Database, supervisors: Mapping[str, Supervisor]) -> None:
    """Wake who is concerned, for ever. One school's trouble never delays another: each is attended in its own task."""
    log = structlog.get_logger()
    known: Mapping[str, tuple[str, str, str]] | None = None
    at_it: dict[str, asyncio.Task[None]] = {}
    alone: set[str] = set()
    while True:
        try:
            found = await asyncio.to_thread(going_on, database)
            for code, one in list(supervisors.items()):
                if known is not None and found.get(code) != known.get(code):
                    one.wake(Side)
                going = bool(found.get(code, ("", "", ""))[1])
                if going and (code not in at_it or at_it[code].done()):
                    with threads.of(code):
                        at_it[code] = asyncio.create_task(one.attend(), name=f"cutover {code}")
            left = {code for code, one in found.items() if one[1] and code not in supervisors}
            for code in left - alone:
                # Nobody looks after it: its shares stay as they are, and no deadline passes.
                log.error("a cutover goes on at a school that is not configured any more: configure it", school=code)
            known, alone = found, left
            await _take_over(database, supervisors)
        except SQLAlchemyError as error:
            log.warning("the state can't be read", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a bug here must not end the attention for all schools
            log.error("no attention", error=type(error).__name__, place=place(error))
        await asyncio.sleep(LOOK)


async def _take_over(database: Database, supervisors: Mapping[str, Supervisor]) -> None:
    """Wake those who stand by for a lease that ended or was given back, or that is a third one's now."""
    waiting = {code: one.tenure.holder for code, one in supervisors.items() if one.tenure.holder is not None}
    if not waiting:
        return
    holders = await asyncio.to_thread(database.leases.holders)
    for code, before in waiting.items():
        now = holders.get(code)
        if now is None or not now.lives or now.owner != before.owner:
            supervisors[code].wake(Side)
