"""Only one process runs cycles for a school: a lock that the system gives back when the process dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

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


def held_by_an_older_program(connection: Connection, school: str) -> bool:
    """Whether a program from before there were leases runs cycles for a school: it locks a number in PostgreSQL."""
    number = int.from_bytes(hashlib.sha256(f"schoolbridge {school}".encode()).digest()[:8], "big", signed=True)
    return not connection.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number}).scalar_one()
