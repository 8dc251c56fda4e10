"""Who looks after a school where several daemons share a PostgreSQL: a lease with a fencing token.

take    what nobody has, or what was not renewed until its end by the database's clock; the token grows by one
keep    a thread with a connection of its own renews all leases of this process: no school that hangs holds it up
permit  before anything is written to a side: by this machine's clock, from before the renewal was sent, less a margin
fence   every writing transaction locks the token that it was begun with; whoever takes over waits for its end, and
        what comes later finds another token

A process that was stopped and wakes late finds its permit over, and its token too. On SQLite, which is of one machine,
a lock on a file is the lease: the system gives it back when the process dies, and nobody can take it over before.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine, TextClause, create_engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from bridge.state.lease import HeldElsewhere, Holder, Lease, Timing, boot_clock
from bridge.state.lock import Busy, file_lock, held_by_an_older_program

_FORMAT = """'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'"""
_NOW = f"to_char(clock_timestamp() AT TIME ZONE 'UTC', {_FORMAT})"
_THEN = f"to_char((clock_timestamp() + :lasts * interval '1 second') AT TIME ZONE 'UTC', {_FORMAT})"
_FREE = "(owner = '' OR until::timestamptz < clock_timestamp())"


def _said(statement: str) -> TextClause:
    """A statement with the database's own idea of the time in place of these words; no value is ever put in here."""
    return text(statement.replace("NOW", _NOW).replace("THEN", _THEN).replace("FREE", _FREE))


_TAKE = _said(
    "UPDATE lease SET owner = :owner, token = token + 1, since = NOW, until = THEN "
    "WHERE school = :code AND FREE RETURNING token"
)
_MAKE = _said(
    "INSERT INTO lease (school, owner, token, since, until) VALUES (:code, :owner, 1, NOW, THEN) "
    "ON CONFLICT DO NOTHING RETURNING token"
)
_RENEW = _said("UPDATE lease SET until = THEN WHERE owner = :owner RETURNING school, token")
_GIVE = _said("UPDATE lease SET owner = '', until = NOW WHERE school = :code AND owner = :owner AND token = :token")
_LOOK = _said("SELECT school, owner, since, NOT FREE AS lives FROM lease")
_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name AND usename = current_user"
)
_LOCKED = "55P03"  # lock_not_available


class Leases:
    """The leases of one process on one database. ``path``: a SQLite file, or None for one in memory."""

    def __init__(
        self,
        url: Any,
        *,
        path: Path | None,
        timing: Timing | None = None,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self.timing = timing or Timing()
        self.owner = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"
        self._shared, self._path, self._clock = url.get_backend_name() == "postgresql", path, clock
        self._held: dict[str, Lease] = {}
        self._files: dict[str, ExitStack] = {}
        self._guard = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._taking = _engine(url, self.timing, "leases") if self._shared else None
        # What renews waits for nothing that the others do.
        self._renewing = _engine(url, self.timing, "renewal") if self._shared else None

    @contextmanager
    def hold(self, code: str) -> Iterator[Lease]:
        """Hold the lease of a school (the empty code: of the uplink) and give it back; raises Busy."""
        lease = self.take(code)
        try:
            yield lease
        finally:
            self.give(lease)

    def take(self, code: str) -> Lease:
        """The lease of a school; raises HeldElsewhere, or Busy where nobody knows who has it."""
        begun = self._clock()
        token = 0
        with ExitStack() as stack:
            if self._taking is not None:
                token = self._take(code, self._taking)
            elif self._path is not None:
                stack.enter_context(file_lock(self._path, code))
            lease = Lease(code, owner=self.owner, token=token, timing=self.timing, clock=self._clock)
            if self._shared:
                lease.extend(begun)
            with self._guard:
                self._held[code], self._files[code] = lease, stack.pop_all()
        if self._shared:
            self._begin()
        return lease

    def give(self, lease: Lease, *, at_once: bool = True) -> None:
        """It is not needed any more. Not ``at_once``: something may be under way still, so it ends by itself."""
        with self._guard:
            if self._held.get(lease.code) is not lease:
                return
            del self._held[lease.code]
            stack = self._files.pop(lease.code)
        lease.lost = lambda: None
        lease.end()
        stack.close()
        if self._taking is not None and at_once:
            with suppress(SQLAlchemyError), self._taking.connect() as connection:  # else it ends by itself
                connection.execute(_GIVE, {"code": lease.code, "owner": lease.owner, "token": lease.token})

    def holders(self) -> Mapping[str, Holder]:
        """Who has which school; one that was given back is left out. Nobody knows on SQLite."""
        if self._taking is None:
            return {}
        with self._taking.connect() as connection:
            return {row.school: _holder(row) for row in connection.execute(_LOOK) if row.owner}

    def close(self) -> None:
        """Give back all of them."""
        self._ending.set()
        for lease in list(self._held.values()):
            self.give(lease)
        if self._thread is not None:
            self._thread.join(self.timing.lasts)
        for engine in (self._taking, self._renewing):
            if engine is not None:
                engine.dispose()

    def _take(self, code: str, engine: Engine) -> int:
        asked = {"code": code, "owner": self.owner, "lasts": self.timing.lasts}
        with engine.connect() as connection:
            if held_by_an_older_program(connection, code):
                raise Busy(code)
            try:
                token = connection.execute(_TAKE, asked).scalar() or connection.execute(_MAKE, asked).scalar()
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", "") != _LOCKED:
                    raise
                # A process that was stopped in the middle of a transaction keeps its rows locked: it is not to.
                holder = self.holders().get(code)
                if holder is not None and not holder.lives:
                    connection.execute(_END, {"name": name_of(holder.owner)})
                token = connection.execute(_TAKE, asked).scalar()
        if token is None:
            holder = self.holders().get(code)
            raise HeldElsewhere(code, holder) if holder is not None else Busy(code)
        return int(token)

    # -- keeping them

    def _begin(self) -> None:
        with self._guard:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="schoolbridge-leases", daemon=True)
                self._thread.start()

    def _keep(self) -> None:
        pause = self.timing.renew
        while not self._ending.wait(pause):
            try:
                self.renew()
                pause = self.timing.renew
            except Exception as error:  # noqa: BLE001 - this thread may not end: the permits end by themselves
                structlog.get_logger().warning("leases could not be renewed", error=type(error).__name__)
                pause = self.timing.renew / 4

    def renew(self) -> None:
        """Renew all of them by one statement; those that are another's now are lost."""
        if self._renewing is None:
            return
        with self._guard:
            held = list(self._held.values())
        if not held:
            return
        begun = self._clock()
        try:
            with self._renewing.connect() as connection:
                rows = connection.execute(_RENEW, {"owner": self.owner, "lasts": self.timing.lasts}).all()
        except SQLAlchemyError:
            for lease in held:
                if not lease.holds:
                    lease.end()
            raise
        mine = {(row.school, row.token) for row in rows}
        for lease in held:
            if (lease.code, lease.token) in mine:
                lease.extend(begun)
            else:
                lease.end()


def name_of(owner: str) -> str:
    """How the database calls the connections of a process."""
    return f"schoolbridge {owner.rpartition(' ')[2]}"


def _holder(row: Any) -> Holder:
    return Holder(row.owner, datetime.fromisoformat(row.since), row.lives)


def _engine(url: Any, timing: Timing, name: str) -> Engine:
    """Connections that give up in time: what renews late renews nothing."""
    most = int(timing.lasts * 1000 / 3)
    options = f"-c statement_timeout={most} -c lock_timeout={most // 2}"
    connect = {
        "application_name": f"schoolbridge {name}",
        "connect_timeout": max(2, most // 1000),
        "tcp_user_timeout": most,
        "options": " ".join(filter(None, (str(url.query.get("options", "")), options))),
    }
    return create_engine(
        url, pool_size=1, max_overflow=2, pool_timeout=timing.lasts / 3, pool_pre_ping=True,
        isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=connect,
    )  # fmt: skip
