"""Errors of the machine (disk, memory, state database) in words, and where a bug was met, both without values.

Drivers and tracebacks put URLs, statements and names of people into their texts: nothing of that may reach a log.
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from bridge.ports import BridgeError

#: Innermost frames told of a bug.
_FRAMES = 8


def said(error: BaseException) -> str:
    """An error in one or two lines for a person, without secrets."""
    if isinstance(error, OperationalError):
        reason = str(error.orig).strip().splitlines()[0] if error.orig else ""
        return f"the state database can't be used ({reason}); check state.url, that it runs, and the disk"
    if isinstance(error, SQLAlchemyError):
        return f"the state database refused ({type(error).__name__}); check state.url and the database's log"
    if isinstance(error, MemoryError):
        return "out of memory; close other programs or add memory"
    if isinstance(error, OSError) and not isinstance(error, BridgeError):
        where = f" {error.filename}" if error.filename else ""
        hint = "; free some space" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        return f"{error.strerror or error}{where}{hint}"
    return str(error)


def place(error: BaseException) -> list[str]:
    """Where a bug was met, innermost last: ``file:line function``, and nothing of the values that met it there."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
