"""Whoever waits for a site: for the answer to a question, or for what became of a command.

One look a second for all who wait in this process, and one at once with each hint. Nobody waits: nobody looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from bridge.api.app import Run
from bridge.hub import hints, orders_out
from bridge.state import hub_orders
from bridge.state.database import Database
from bridge.state.hub_orders import OPEN, Command

#: Seconds between two looks without a hint.
LOOK = 1.0


class Awaited:
    """All that wait in this process."""

    def __init__(self, database: Database, run: Run) -> None:
        self._database, self._run = database, run
        self._questions: dict[str, asyncio.Future[str]] = {}
        self._commands: dict[str, set[asyncio.Future[Command]]] = {}
        self._news, self._task = asyncio.Event(), None
        self._loop = asyncio.get_running_loop()
        self._deaf = hints.listen(database, self._heard)

    def _heard(self, hint: str) -> None:
        """From whatever thread."""
        if hint == hints.ANSWERS:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._news.set)
