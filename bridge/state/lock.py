"""Only one process runs cycles for a school: a lock that the system gives back when the process dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from bridge.ports import ConfigurationError


class Busy(ConfigurationError):
    """Another process runs cycles for this school."""

    def __init__(self, school: str) -> None:
        super().__init__(
            f"{school}: another schoolbridge process runs cycles for this school. Expected: none. "
            f"Stop it (systemctl stop schoolbridge) or wait until it is done."
        )


@contextmanager
def file_lock(database: Path, school: str) -> Iterator[None]:
    """Lock a file beside the database (SQLite)."""
    path = database.with_name(f"{database.name}.{school}.lock")
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(school) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def advisory_lock(engine: Engine, school: str) -> Iterator[None]:
    """Lock a number in the database (PostgreSQL); the connection is kept as long as the lock."""
    number = int.from_bytes(hashlib.sha256(f"schoolbridge {school}".encode()).digest()[:8], "big", signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar_one():
            raise Busy(school)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
