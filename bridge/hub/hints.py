"""Hints between those who ask and those who wait, in this process and in other processes of the hub.

A hint says only that a look is worth it; whoever waits also looks without one, once a second. Between processes they go
through PostgreSQL (LISTEN, NOTIFY); with SQLite there is one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from tenacity import Retrying, retry_if_exception_type, sleep_using_event, stop_when_event_set, wait_random_exponential

from bridge.state.database import Database

#: What may be worth a look: there is something for a site; a site answered.
ORDERS, ANSWERS = "orders", "answers"
_CHANNEL = "schoolbridge_hub"
_LOOK = 1.0

Listener = Callable[[str], None]
_LISTENERS: WeakKeyDictionary[Database, set[Listener]] = WeakKeyDictionary()


def listen(database: Database, listener: Listener) -> Callable[[], None]:
    """Call ``listener`` with each hint, from whatever thread it comes; what is returned ends that."""
    mine = _LISTENERS.setdefault(database, set())
    mine.add(listener)
    return lambda: mine.discard(listener)


def tell(database: Database, what: str) -> None:
    """Hint at what was committed. Never raises: who gets no hint looks by itself."""
    _here(database, what)
    if database.engine.dialect.name == "postgresql":
        with suppress(SQLAlchemyError), database.engine.begin() as connection:
            connection.execute(text("SELECT pg_notify(:channel, :what)"), {"channel": _CHANNEL, "what": what})


def _here(database: Database, what: str) -> None:
    for listener in list(_LISTENERS.get(database, ())):
        listener(what)


class Ear:
    """Listens for hints of other processes, in a thread of its own with a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub hints", daemon=True)

    def start(self) -> None:
        """Begin, where there may be other processes."""
        if self._database.engine.dialect.name == "postgresql":
            self._thread.start()

    def stop(self) -> None:
        """End; takes a second at most, and two where the database is away."""
        self._ended.set()
        if self._thread.is_alive():
            tell(self._database, "end")  # it need not wait out its look
            self._thread.join(2 * _LOOK)

    def _run(self) -> None:
        import psycopg  # only here: it comes with the extra `postgresql`

        again = Retrying(
            wait=wait_random_exponential(1, 30),
            retry=retry_if_exception_type((SQLAlchemyError, psycopg.Error, OSError)),
            stop=stop_when_event_set(self._ended),
            sleep=sleep_using_event(self._ended),
        )
        with suppress(Exception):  # stopped while the database was away
            again(self._hear)

    def _hear(self) -> None:
        import psycopg

        engine = create_engine(self._database.engine.url, poolclass=NullPool, hide_parameters=True)
        raw = engine.raw_connection()
        try:
            line = raw.driver_connection
            assert isinstance(line, psycopg.Connection)  # noqa: S101
            line.autocommit = True
            line.execute(f"LISTEN {_CHANNEL}")
            structlog.get_logger().debug("listening for hints")
            while not self._ended.is_set():
                for hint in line.notifies(timeout=_LOOK):
                    _here(self._database, hint.payload)
                    if self._ended.is_set():
                        break
        finally:
            raw.close()
