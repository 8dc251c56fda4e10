"""What every part of the store has: the transactions of its school."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime

from bridge.state.transaction import Transaction


class Part:
    """Mixed into the store of a school, which gives the transactions."""

    def _read(self) -> AbstractContextManager[Transaction]:
        raise NotImplementedError

    def _write(self, now: datetime | None = None) -> AbstractContextManager[Transaction]:
        raise NotImplementedError
