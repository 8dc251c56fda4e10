"""The school's roster: the people and groups of an export of its administration program, read from one CSV file.

1. ``reading`` turns bytes into rows: encoding, separator, header; every mistake with file, line, column and remedy
2. ``rows`` turns rows into people and groups, or says all that is wrong
3. ``connector`` tells them as a listing

Read only, and no evidence: who is missing in a file was not deleted by it.
"""

from __future__ import annotations

from bridge.ports import Context
from connectors.roster.connector import RosterConnector
from connectors.roster.options import Options

__all__ = ["Options", "RosterConnector", "connect"]


async def connect(options: Options, context: Context) -> RosterConnector:
    """The connector to the file that ``options`` name; the file is read when it is asked for."""
    return RosterConnector(options, context)
