"""Who writes next: first come, first served.

SQLite lets a writer that comes again at once pass all who wait: one school's first mirror kept the others from writing
for as long as it lasted. Here they stand in a queue, before they take a connection.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Queue:
    """One at a time, in the order in which they came."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._owner: int | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn and hold it. RuntimeError for a second turn within the first, which would never come."""
        me = threading.get_ident()
        called = threading.Event()
        with self._mutex:
            if self._owner == me:
                raise RuntimeError("a transaction that writes was begun within another one")
            if self._owner is None:
                self._owner = me
                called.set()
            else:
                self._waiting.append(called)
        try:
            called.wait()
        except BaseException:  # Ctrl-C: a turn that is nobody's would stop everybody
            with self._mutex:
                if called in self._waiting:
                    self._waiting.remove(called)
                    raise
            self._next()
            raise
        self._owner = me
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        with self._mutex:
            if self._waiting:
                self._owner = 0  # nobody's until the next one wakes, but taken
                self._waiting.popleft().set()
            else:
                self._owner = None
